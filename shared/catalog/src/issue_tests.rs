use super::*;
use crate::{
    NewCrash,
    sample::{Engine, HOUR, T0, catalog, crash, on_each_engine},
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn of_release(index: u32, signature: &str, received_at: i64, release: Option<&str>) -> NewCrash {
    let mut crash = crash(index, signature, received_at);
    crash.fact.release = release.map(str::to_owned);
    crash
}

async fn record(catalog: &Catalog, crashes: &[NewCrash]) {
    for crash in crashes {
        catalog.record(crash).await.unwrap();
    }
}

async fn first(catalog: &Catalog) -> Issue {
    catalog.issue(ProjectId::FIRST, IssueNumber(1), None).await.unwrap().unwrap()
}

async fn ids(catalog: &Catalog, order: IssueOrder, since: Option<i64>, limit: u32) -> Vec<i64> {
    let query = IssueQuery { since: since.map(at), limit, order };
    let issues = catalog.issues(ProjectId::FIRST, &query).await.unwrap();
    issues.iter().map(|issue| issue.id.0).collect()
}

async fn an_issue_tells_how_often_for_whom_and_since_when(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mut crashes: Vec<_> = (0..4).map(|index| crash(index, "render", T0 + i64::from(index))).collect();
    for (crash, user) in crashes.iter_mut().zip([Some("ann"), None, Some("bob"), Some("ann")]) {
        crash.fact.user = user.map(str::to_owned);
    }
    crashes[1].fact.weight = 10;
    crashes[3].fact.release = Some("1.1".into());
    record(&catalog, &crashes).await;
    let expected = Issue {
        id: IssueNumber(1),
        title: "Title of render".into(),
        count: 13,
        users: 2,
        first_seen: at(T0),
        last_seen: at(T0 + 3),
        first_release: Some("1.0".into()),
        last_release: Some("1.1".into()),
        status: IssueStatus::Open,
        kind: Kind::Crash,
    };
    assert_eq!(first(&catalog).await, expected);
    assert_eq!(catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap(), [expected]);
    assert_eq!(catalog.issue(ProjectId::FIRST, IssueNumber(2), None).await.unwrap(), None);
    let other = ProjectId::try_from(2_u64).unwrap();
    assert_eq!(catalog.issue(other, IssueNumber(1), None).await.unwrap(), None);
    assert!(catalog.issues(other, &IssueQuery::default()).await.unwrap().is_empty());
}

async fn issues_come_in_the_order_asked_for_and_no_more_of_them(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    // Issue 1 is the oldest, 2 the most frequent, 3 the one seen last.
    record(
        &catalog,
        &[
            crash(0, "one", T0),
            crash(1, "two", T0 + 1),
            crash(2, "two", T0 + 1),
            crash(3, "two", T0 + 1),
            crash(4, "three", T0 + 2),
            crash(5, "one", T0 + 3),
            crash(6, "three", T0 + 4),
        ],
    )
    .await;
    assert_eq!(ids(&catalog, IssueOrder::Count, None, 9).await, [2, 3, 1]);
    assert_eq!(ids(&catalog, IssueOrder::LastSeen, None, 9).await, [3, 1, 2]);
    assert_eq!(ids(&catalog, IssueOrder::FirstSeen, None, 9).await, [3, 2, 1]);
    assert_eq!(ids(&catalog, IssueOrder::Count, None, 1).await, [2]);
    assert_eq!(ids(&catalog, IssueOrder::Count, Some(T0 + 2), 9).await, [3, 1]);
    assert_eq!(ids(&catalog, IssueOrder::Count, Some(T0 + 5), 9).await, [0_i64; 0]);
}

async fn a_period_limits_the_counts_but_not_first_and_last(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(
        &catalog,
        &[of_release(0, "render", T0, Some("1.0")), of_release(1, "render", T0 + HOUR, Some("1.1"))],
    )
    .await;
    let issue = async |since| {
        catalog.issue(ProjectId::FIRST, IssueNumber(1), Some(at(since))).await.unwrap().unwrap()
    };
    let late = issue(T0 + 1).await;
    assert_eq!((late.count, late.first_seen, late.first_release.as_deref()), (1, at(T0), Some("1.0")));
    let later = issue(T0 + HOUR + 1).await;
    assert_eq!((later.count, later.users, later.last_seen), (0, 0, at(T0 + HOUR)));
    assert_eq!(later.last_release.as_deref(), Some("1.1"));
}

async fn first_and_last_are_right_when_crashes_are_recorded_out_of_order(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(
        &catalog,
        &[
            of_release(5, "render", T0 + 5, Some("1.5")),
            of_release(9, "render", T0 + 9, None),
            of_release(2, "render", T0 + 2, Some("1.2")),
            of_release(3, "render", T0 + 3, Some("1.3")),
            // The same moment: the id decides.
            of_release(1, "render", T0 + 2, Some("1.1")),
        ],
    )
    .await;
    let issue = first(&catalog).await;
    assert_eq!((issue.first_seen, issue.first_release.as_deref()), (at(T0 + 2), Some("1.1")));
    assert_eq!((issue.last_seen, issue.last_release), (at(T0 + 9), None));
}

async fn first_and_last_stay_when_the_crashes_expire(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let crashes = [
        of_release(5, "render", T0 + 5, Some("1.5")),
        of_release(2, "render", T0 + 2, Some("1.2")),
        of_release(7, "render", T0 + 7, Some("1.7")),
        of_release(6, "render", T0 + 6, Some("1.6")),
    ];
    record(&catalog, &crashes).await;
    let ends = async |catalog: &Catalog| {
        let issue = first(catalog).await;
        let ends = (issue.first_seen, issue.first_release, issue.last_seen, issue.last_release);
        (issue.count, ends)
    };
    let (_, before) = ends(&catalog).await;
    assert_eq!(before, (at(T0 + 2), Some("1.2".into()), at(T0 + 7), Some("1.7".into())));
    let id = |crash: &NewCrash| (crash.fact.project, crash.fact.crash_id);
    for (index, crash) in crashes.iter().enumerate() {
        catalog.delete_crashes(&[id(crash)]).await.unwrap();
        assert_eq!(ends(&catalog).await, (3 - index as u64, before.clone()));
    }
    assert!(catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap().is_empty());
    // A crash between the ends moves neither, one beyond moves the last.
    record(&catalog, &[of_release(10, "render", T0 + 4, Some("1.4"))]).await;
    assert_eq!(ends(&catalog).await, (1, before.clone()));
    record(&catalog, &[of_release(11, "render", T0 + 11, Some("2.0"))]).await;
    let (_, after) = ends(&catalog).await;
    assert_eq!(after, (before.0, before.1, at(T0 + 11), Some("2.0".into())));
}

async fn an_issue_of_several_signatures_is_one_issue(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mut crashes = [
        of_release(0, "one", T0 + 1, Some("1.1")),
        of_release(1, "two", T0, Some("1.0")),
        of_release(2, "two", T0 + 2, Some("1.2")),
        of_release(3, "one", T0 + 3, Some("1.3")),
        of_release(4, "three", T0 + 1, None),
    ];
    for crash in &mut crashes {
        crash.fact.user = Some("ann".into());
    }
    record(&catalog, &crashes).await;
    let mut transaction = catalog.begin().await.unwrap();
    let merge = "UPDATE signatures SET issue = 1 WHERE issue = 2";
    transaction.execute(sqlx::query(merge)).await.unwrap();
    transaction.commit().await.unwrap();

    let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    assert_eq!(issues.iter().map(|issue| (issue.id.0, issue.count)).collect::<Vec<_>>(), [(1, 4), (3, 1)]);
    let issue = first(&catalog).await;
    assert_eq!(issue, issues[0]);
    assert_eq!((issue.users, issue.first_seen, issue.last_seen), (1, at(T0), at(T0 + 3)));
    assert_eq!((issue.first_release.as_deref(), issue.last_release.as_deref()), (Some("1.0"), Some("1.3")));
    let crashes = catalog.issue_crashes(ProjectId::FIRST, IssueNumber(1), 3, None).await.unwrap();
    let times: Vec<_> = crashes.iter().map(|row| row.fact.received_at.as_millis() - T0).collect();
    assert_eq!(times, [3, 2, 1]);
    assert_eq!(ids(&catalog, IssueOrder::FirstSeen, Some(T0 + 3), 9).await, [1]);
}

#[test]
fn an_issue_is_answered_as_the_api_says() {
    let issue = Issue {
        id: IssueNumber(7),
        title: "render".into(),
        count: 3,
        users: 2,
        first_seen: at(T0),
        last_seen: at(T0 + 1),
        first_release: None,
        last_release: Some("1.1".into()),
        status: IssueStatus::Open,
        kind: Kind::Oom,
    };
    let json = serde_json::json!({
        "id": 7, "title": "render", "count": 3, "users": 2,
        "first_seen": "2026-01-15T00:00:00.000Z", "last_seen": "2026-01-15T00:00:00.001Z",
        "first_release": null, "last_release": "1.1", "status": "open", "kind": "oom",
    });
    assert_eq!(serde_json::to_value(&issue).unwrap(), json);
    for status in [IssueStatus::Open, IssueStatus::Resolved, IssueStatus::Ignored] {
        assert_eq!(status.to_string().parse(), Ok(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
}

on_each_engine! {
    an_issue_tells_how_often_for_whom_and_since_when,
    issues_come_in_the_order_asked_for_and_no_more_of_them,
    a_period_limits_the_counts_but_not_first_and_last,
    first_and_last_are_right_when_crashes_are_recorded_out_of_order,
    first_and_last_stay_when_the_crashes_expire,
    an_issue_of_several_signatures_is_one_issue,
}
