//! What maintenance does, on a real bucket and a real catalog.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use epitaph_bucket::Key;
use epitaph_crash_model::{CrashId, ProjectId};
use epitaph_maintain::{Done, LONGEST_MESSAGE_LIFE_DAYS, Sealing};
use support::{House, days_ago, message, nearly_days_ago, on_day, texts, unsigned};

const ONE: ProjectId = ProjectId::FIRST;
const OLD: i64 = LONGEST_MESSAGE_LIFE_DAYS + 1;

#[tokio::test]
async fn parked_messages_are_sent_on_once_and_are_then_gone() {
    let house = House::new().await;
    let ids = [days_ago(0, 1), days_ago(1, 2), days_ago(2, 3)];
    for id in ids {
        house.park(id).await;
    }
    let maintenance = house.maintenance();
    assert_eq!(maintenance.send_parked().await.unwrap(), 3);
    let mut expected = ids.map(|id| id.to_string());
    expected.sort();
    assert_eq!(house.queue.taken(), expected);
    assert_eq!(house.objects().await, BTreeSet::new());
    assert_eq!(maintenance.send_parked().await.unwrap(), 0);
    assert_eq!(house.maintenance().run().await.unwrap().sent_on, 0);
    assert_eq!(house.queue.taken().len(), 3);
}

#[tokio::test]
async fn a_queue_that_refuses_leaves_parked_messages_where_they_are_until_it_takes_them() {
    let house = House::new().await;
    let keys = [house.park(days_ago(0, 1)).await, house.park(days_ago(0, 2)).await];
    house.queue.refuses.store(true, Ordering::Relaxed);
    let maintenance = house.maintenance();
    assert_eq!(maintenance.send_parked().await.unwrap(), 0);
    assert_eq!(house.objects().await, texts(&keys));
    house.queue.refuses.store(false, Ordering::Relaxed);
    assert_eq!(maintenance.send_parked().await.unwrap(), 2);
    assert_eq!(house.objects().await, BTreeSet::new());
}

#[tokio::test]
async fn a_message_that_alone_is_refused_waits_and_holds_up_nothing() {
    let house = House::new().await;
    let [first, second] = [days_ago(0, 1), days_ago(0, 2)];
    let key = house.park(first).await;
    house.park(second).await;
    *house.queue.refuses_one.lock().unwrap() = Some(first.to_string());
    assert_eq!(house.maintenance().send_parked().await.unwrap(), 1);
    assert_eq!(house.queue.taken(), [second.to_string()]);
    assert_eq!(house.objects().await, texts(&[key]));
}

#[tokio::test]
async fn a_queue_that_is_down_is_not_asked_about_all_that_is_parked() {
    let house = House::new().await;
    for number in 1..=9 {
        house.park(days_ago(0, number)).await;
    }
    house.queue.refuses.store(true, Ordering::Relaxed);
    assert_eq!(house.maintenance().send_parked().await.unwrap(), 0);
    assert_eq!(house.queue.arrived.available_permits(), 3);
}

#[tokio::test]
async fn what_is_parked_but_no_message_of_ours_becomes_a_dead_letter_and_holds_up_nothing() {
    let house = House::new().await;
    let (stranger, garbage, large, good) = (days_ago(0, 1), days_ago(0, 2), days_ago(0, 3), days_ago(0, 4));
    let unsigned = serde_json::to_vec(&unsigned(stranger, &"not signed")).unwrap();
    house.park_bytes(stranger, unsigned).await;
    house.park_bytes(garbage, b"no message at all".to_vec()).await;
    house.park_bytes(large, message(large, &"x".repeat(house.queue.largest))).await;
    house.park(good).await;

    assert_eq!(house.maintenance().send_parked().await.unwrap(), 1);
    assert_eq!(house.queue.taken(), [good.to_string()]);
    let dead = house.dead().await;
    assert_eq!(dead.len(), 3);
    let about = |id: CrashId| dead.iter().find(|(name, _)| name.starts_with(&id.to_string()));
    let reason = |id: CrashId| about(id).map(|(_, why)| &**why);
    assert_eq!(reason(stranger), Some("a parked object is not a message of this installation"));
    assert!(reason(large).is_some_and(|why| why.contains("larger than the queue takes")));
    let objects = house.objects().await;
    assert!(objects.len() == 3 && objects.iter().all(|key| key.starts_with("dead/")), "{objects:?}");
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_deleted_whole_and_nothing_younger() {
    let house = House::new().await;
    let days = i64::from(support::RETENTION_DAYS);
    let (old, older) = (days_ago(days, 1), days_ago(days + 300, 2));
    let (young, new) = (nearly_days_ago(days, 3), days_ago(0, 4));
    let lost = [Key::document(ONE, old, "lost"), Key::inline_payload(ONE, old, "lost", 1)];
    for key in &lost {
        house.put(key).await;
    }
    house.crash(old).await;
    house.crash(older).await;
    let kept = [house.crash(young).await, house.crash(new).await].concat();
    let dead = Key::dead(&older.to_string(), "1");
    house.put(&dead).await;

    let done = house.maintenance().run().await.unwrap();
    assert_eq!(done.expired, 2);
    assert_eq!(house.recorded().await, [young, new].into());
    let mut expected = texts(&kept);
    expected.insert(dead.to_string());
    assert_eq!(house.objects().await, expected);
    assert_eq!(house.maintenance().run().await.unwrap().expired, 0);
}

#[tokio::test]
async fn a_project_keeps_crashes_and_their_files_for_as_long_as_its_rules_say() {
    let house = House::new().await;
    let rules = r#"{"version":1,"projects":{"1":{"retention":{"crashes":40,"files":25}}}}"#;
    assert!(house.catalog.set_rules(rules, 0).await.unwrap().is_some());
    let [gone, without_files, whole] = [days_ago(40, 1), on_day(30, 2), on_day(24, 3)];
    house.crash(gone).await;
    let [_, _, document] = house.crash(without_files).await;
    let mut kept = texts(&house.crash(whole).await);
    kept.insert(document.to_string());
    // Its message may still come.
    let waiting = Key::payload(ONE, on_day(30, 4), 0);
    house.park(on_day(30, 4)).await;
    house.queue.refuses.store(true, Ordering::Relaxed);
    house.put(&waiting).await;
    let done = house.maintenance().run().await.unwrap();
    assert_eq!((done.expired, done.orphans), (1, 0));
    assert_eq!(house.recorded().await, [without_files, whole].into());
    kept.extend(texts(&[waiting, Key::parked(ONE, &on_day(30, 4).to_string())]));
    assert_eq!(house.objects().await, kept);
}

#[tokio::test]
async fn sealed_crashes_expire_with_their_objects_and_are_no_orphans_before() {
    let house = House::new().await;
    let maintenance = house.sealing();
    let [old, counted, young] = [on_day(95, 1), on_day(OLD, 2), on_day(OLD, 3)];
    house.crash(old).await;
    house.count_only(counted).await;
    let kept = texts(&house.crash(young).await);
    for orphan in [
        Key::payload(ONE, counted, 0),
        Key::document(ONE, young, "lost"),
        Key::inline_payload(ONE, young, "lost", 1),
    ] {
        house.put(&orphan).await;
    }
    assert_eq!(maintenance.seal().await.unwrap().sealed, 3);
    assert_eq!(house.recorded().await, BTreeSet::new(), "all are in segments");
    let done = maintenance.run().await.unwrap();
    assert_eq!((done.expired, done.orphans), (1, 3));
    assert_eq!(house.objects().await, kept);
    assert_eq!(house.catalog.segments(ONE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn sealing_ends_although_crashes_are_recorded_faster_than_they_are_sealed() {
    let house = House::new().await;
    for number in 0..20 {
        house.record_only(nearly_days_ago(1, number)).await;
    }
    let few = Sealing { enough: 3, most: 4, ..Sealing::default() };
    let maintenance = house.maintenance_sealing(house.catalog.clone(), few);
    let recording = async {
        for _ in 0..2_000 {
            house.record_only(CrashId::new()).await;
        }
    };
    let done = tokio::select! {
        done = maintenance.run() => done.unwrap(),
        () = recording => panic!("facts are sealed for as long as crashes are recorded"),
    };
    assert!(done.sealed >= 20, "those that were there: {}", done.sealed);
}

#[tokio::test]
async fn a_segment_that_the_catalog_does_not_know_is_swept_when_it_is_old_and_others_are_known() {
    let house = House::new().await;
    let stray = Key::segment(ONE, "stray");
    house.put(&stray).await;
    let maintenance = house.sealing();
    maintenance.sweep().await.unwrap();
    assert!(house.bucket.exists(&stray).await.unwrap(), "it may be the wrong catalog");
    house.record_only(days_ago(1, 1)).await;
    assert_eq!(maintenance.seal().await.unwrap().sealed, 1);
    house.maintenance().sweep().await.unwrap();
    assert!(house.bucket.exists(&stray).await.unwrap(), "it may be being written");
    assert_eq!(maintenance.sweep().await.unwrap(), 1);
    assert!(!house.bucket.exists(&stray).await.unwrap());
    assert_eq!(house.catalog.segments(ONE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn more_crashes_than_one_batch_holds_expire_in_one_run() {
    let house = House::new().await;
    for batch in 0..6 {
        for number in 0..100 {
            house.record_only(days_ago(100 + batch, number)).await;
        }
    }
    assert_eq!(house.maintenance().run().await.unwrap().expired, 600);
    assert_eq!(house.recorded().await, BTreeSet::new());
}

#[tokio::test]
async fn orphans_go_when_no_message_can_name_them_any_more_and_what_is_named_stays() {
    let house = House::new().await;
    let mut kept = texts(&house.crash(on_day(OLD, 1)).await);
    // The parked and the dead wait; a burial that was cut short left no row.
    let (parked, dead, unlisted) = (on_day(OLD, 2), on_day(OLD, 3), on_day(OLD, 4));
    let maintenance = house.maintenance();
    house.bury(dead).await;
    assert_eq!(maintenance.run().await.unwrap().gathered, 1);
    house.bury(unlisted).await;
    house.park(parked).await;
    kept.extend(texts(&[Key::dead(&dead.to_string(), "1"), Key::dead(&unlisted.to_string(), "1")]));
    kept.insert(Key::parked(ONE, &parked.to_string()).to_string());
    for id in [parked, dead, unlisted] {
        let key = Key::payload(ONE, id, 0);
        house.put(&key).await;
        kept.insert(key.to_string());
    }
    // Younger than the longest life of a message.
    let young = Key::payload(ONE, on_day(OLD - 1, 5), 0);
    house.put(&young).await;
    kept.insert(young.to_string());

    let (orphan, counted) = (on_day(OLD, 6), on_day(OLD, 8));
    // Its processor ended before it could let go of what the collector had stored.
    house.count_only(counted).await;
    for key in [
        Key::payload(ONE, counted, 0),
        Key::payload(ONE, orphan, 0),
        Key::payload(ONE, orphan, 1),
        Key::document(ONE, orphan, "never-recorded"),
        Key::payload(ONE, on_day(OLD + 400, 7), 0),
        Key::document(ONE, on_day(OLD, 1), "lost"),
        Key::inline_payload(ONE, on_day(OLD, 1), "lost", 1),
    ] {
        house.put(&key).await;
    }
    assert_eq!(maintenance.sweep().await.unwrap(), 7);
    assert_eq!(house.objects().await, kept);
    assert_eq!(maintenance.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn a_catalog_that_does_not_know_the_buckets_crashes_deletes_none_of_them() {
    let house = House::new().await;
    let mut kept = BTreeSet::new();
    for days in [OLD, OLD + 10] {
        for number in 0..3 {
            kept.extend(texts(&house.crash(on_day(days, number)).await));
        }
    }
    let wrong = house.with_an_empty_catalog().await;
    assert_eq!(wrong.run().await.unwrap(), Done::default());
    assert_eq!(wrong.sweep().await.unwrap(), 0);
    assert_eq!(house.objects().await, kept);
    assert_eq!(house.maintenance().sweep().await.unwrap(), 0);
    assert_eq!(house.objects().await, kept);
}

#[tokio::test]
async fn orphans_of_a_day_on_which_nothing_was_recorded_go_however_many_they_are() {
    let house = House::new().await;
    for number in 0..30 {
        house.put(&Key::payload(ONE, on_day(OLD, number), 0)).await;
    }
    assert_eq!(house.maintenance().sweep().await.unwrap(), 30);
    assert_eq!(house.objects().await, BTreeSet::new());
}

#[tokio::test]
async fn a_sweep_happens_once_a_day_and_one_that_failed_again_with_the_next_run() {
    let house = House::new().await;
    let orphan = Key::payload(ONE, on_day(OLD, 1), 0);
    house.put(&orphan).await;
    let payloads = house.bucket_directory().join("payloads");
    let (away, project) = (house.bucket_directory().join("away"), payloads.join("1"));
    // Where a directory should be there is one that leads nowhere.
    std::fs::rename(&project, &away).unwrap();
    std::os::unix::fs::symlink(&project, &project).unwrap();
    let maintenance = house.maintenance();
    let failed = maintenance.run().await;
    assert!(failed.is_err(), "{failed:?}");
    std::fs::remove_file(&project).unwrap();
    std::fs::rename(&away, &project).unwrap();
    assert_eq!(house.maintenance().run().await.unwrap().orphans, 1);
    house.put(&orphan).await;
    for maintenance in [maintenance, house.maintenance()] {
        assert_eq!(maintenance.run().await.unwrap().orphans, 0);
    }
}

#[tokio::test]
async fn two_instances_at_once_do_the_work_once() {
    let house = House::new().await;
    let ids = [days_ago(0, 1), days_ago(0, 2)];
    for id in ids {
        house.park(id).await;
    }
    house.crash(days_ago(200, 3)).await;
    house.put(&Key::payload(ONE, on_day(OLD, 4), 0)).await;
    // The first is held up where it sends.
    let permits = house.queue.gate.available_permits();
    assert_eq!(house.queue.gate.forget_permits(permits), permits);
    let (one, other) = (house.maintenance(), house.another_process());
    let queue = &house.queue;
    let held_up = one.run();
    let meanwhile = async {
        queue.arrived.acquire().await.unwrap().forget();
        let done = other.run().await.unwrap();
        queue.gate.add_permits(10);
        done
    };
    let (first, second) = tokio::join!(held_up, meanwhile);
    assert_eq!(second, Done { sent_on: 0, expired: 1, orphans: 1, gathered: 0, ..Done::default() });
    assert_eq!(first.unwrap(), Done { sent_on: 2, expired: 0, orphans: 0, gathered: 0, ..Done::default() });
    assert_eq!(house.queue.taken().len(), 2);
}

#[tokio::test]
async fn what_another_instance_has_begun_is_left_to_it() {
    let house = House::new().await;
    let expired = days_ago(200, 1);
    house.crash(expired).await;
    house.park(days_ago(0, 2)).await;
    house.put(&Key::payload(ONE, on_day(OLD, 3), 0)).await;
    let (ttl, tasks) = (Duration::from_secs(600), ["parked", "house", "sweep"]);
    for task in tasks {
        assert!(house.catalog.lease(task, "another", ttl).await.unwrap());
    }
    let maintenance = house.maintenance();
    assert_eq!(maintenance.run().await.unwrap(), Done::default());
    assert_eq!(house.recorded().await, [expired].into());
    for task in tasks {
        house.catalog.release_lease(task, "another").await.unwrap();
    }
    let everything = Done { sent_on: 1, expired: 1, orphans: 1, gathered: 0, ..Done::default() };
    assert_eq!(maintenance.run().await.unwrap(), everything);
}

/// One of everything that there is to do.
async fn house_with_work() -> House {
    let house = House::new().await;
    let expired = days_ago(200, 1);
    house.crash(expired).await;
    house.put(&Key::document(ONE, expired, "lost")).await;
    house.crash(days_ago(1, 2)).await;
    house.crash(on_day(OLD, 3)).await;
    house.put(&Key::document(ONE, on_day(OLD, 3), "lost")).await;
    house.put(&Key::payload(ONE, on_day(OLD, 4), 0)).await;
    house.park(days_ago(0, 5)).await;
    house.park_bytes(days_ago(0, 6), b"no message".to_vec()).await;
    let stranger = days_ago(0, 7);
    house.park_bytes(stranger, serde_json::to_vec(&unsigned(stranger, &"not signed")).unwrap()).await;
    house.bury(on_day(OLD, 8)).await;
    house.put(&Key::payload(ONE, on_day(OLD, 8), 0)).await;
    house.catalog.close().await;
    house
}

/// What is in the bucket but for dead letters, what is recorded, and what is buried. A message whose burial was cut off
/// is buried again, so that there may be two letters of it, but each must be listed.
async fn state(house: &House) -> (BTreeSet<String>, BTreeSet<CrashId>, BTreeSet<Vec<u8>>) {
    let (dead, others): (BTreeSet<_>, _) =
        house.objects().await.into_iter().partition(|key| key.starts_with("dead/"));
    let listed = house.dead().await.into_iter().map(|(id, _)| format!("dead/{id}.json"));
    assert_eq!(dead, listed.collect());
    let mut buried = BTreeSet::new();
    for key in dead {
        let key: Key = key.parse().unwrap();
        buried.insert(house.bucket.get(&key, 1 << 20).await.unwrap().to_vec());
    }
    (others, house.recorded().await, buried)
}

#[tokio::test]
async fn cut_off_at_any_step_and_run_again_it_ends_as_if_it_had_not_been_cut_off() {
    let template = house_with_work().await;
    let whole = template.copy();
    let done = whole.maintenance().run().await.unwrap();
    assert_eq!(done, Done { sent_on: 1, expired: 1, orphans: 2, gathered: 1, ..Done::default() });
    let (expected, sent) = (state(&whole).await, whole.queue.taken());
    let kept: Vec<_> = expected.0.iter().map(|key| key.rsplit('/').next().unwrap()).collect();
    assert_eq!(kept, ["won.json.zst", "won.json.zst", "0", "won-1.zst", "0", "0", "won-1.zst"]);
    assert_eq!((expected.1.len(), expected.2.len(), sent.len()), (2, 3, 1));

    let mut steps = 0;
    loop {
        let house = template.copy();
        let maintenance = house.maintenance();
        let finished = epitaph_test_services::cut_off(maintenance.run(), steps).await;
        maintenance.run().await.unwrap();
        assert_eq!(state(&house).await, expected, "cut off after {steps} steps");
        let mut taken = house.queue.taken();
        taken.dedup();
        assert_eq!(taken, sent, "cut off after {steps} steps");
        house.catalog.close().await;
        if finished {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "{steps}");
}
