//! Counting crashes over time, and by what they have in common.

use epitaph_crash_model::{IssueNumber, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{Catalog, CatalogError, bounded, row};

/// The most buckets that a trend is divided into.
pub(crate) const MOST_BUCKETS: u32 = 2_000;

/// A bucket's number is floor((time - since) * buckets / period), in whole numbers.
macro_rules! trend {
    ($from:literal) => {
        concat!(
            "SELECT (f.received_at - $2) * $4 / ($3 - $2) AS bucket, CAST(SUM(f.weight) AS BIGINT) AS count FROM ",
            $from,
            " AND f.received_at >= $2 AND f.received_at < $3 GROUP BY bucket"
        )
    };
}

pub(crate) const TREND: &str = trend!("facts f WHERE f.project = $1");
/// `CROSS JOIN` makes SQLite go from signature to signature by the index; left alone it would read the whole period.
pub(crate) const TREND_OF_ISSUE: &str = trend!(
    "signatures s CROSS JOIN facts f WHERE f.project = s.project AND f.signature = s.id \
     AND s.project = $1 AND s.issue = $5"
);

/// What crashes can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The version string that the build reports.
    Release,
    /// Such as Windows, Linux, Android.
    Platform,
    /// The operating system's version.
    OsVersion,
    /// What sort of end it was.
    Kind,
    /// Such as live, beta, qa.
    Environment,
    /// Such as amd64, arm64.
    Arch,
    /// The operating system's or engine's word for the end.
    Reason,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 7] = [
        Dimension::Release,
        Dimension::Platform,
        Dimension::OsVersion,
        Dimension::Kind,
        Dimension::Environment,
        Dimension::Arch,
        Dimension::Reason,
    ];

    /// The word used in the API; also the column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Dimension::Release => "release",
            Dimension::Platform => "platform",
            Dimension::OsVersion => "os_version",
            Dimension::Kind => "kind",
            Dimension::Environment => "environment",
            Dimension::Arch => "arch",
            Dimension::Reason => "reason",
        }
    }
}

/// How many reports one stretch of time had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendPoint {
    /// Its first moment; it ends where the next one starts.
    pub start: Timestamp,
    /// Weights of its crashes, summed.
    pub count: u64,
}

/// How many reports had one value in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The value; `None` for reports that do not tell.
    pub value: Option<String>,
    /// Weights of their crashes, summed.
    pub count: u64,
}

impl Catalog {
    /// Reports of a project, or of one issue, from `since` up to but not including `until`, in so many stretches of
    /// equal length, each of them listed.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] when the period is empty or the number is not from 1 to 2,000;
    /// [`CatalogError::Unavailable`].
    pub async fn trend(
        &self,
        project: ProjectId,
        issue: Option<IssueNumber>,
        since: Timestamp,
        until: Timestamp,
        buckets: u32,
    ) -> Result<Vec<TrendPoint>, CatalogError> {
        if !(1..=MOST_BUCKETS).contains(&buckets) {
            return Err(CatalogError::Invalid("a trend has from 1 to 2000 points"));
        }
        let period = until.as_millis() - since.as_millis();
        if period < 1 {
            return Err(CatalogError::Invalid("a trend ends after it starts"));
        }
        let start_of = |bucket: u32| {
            // The first whole millisecond that the statement gives this number.
            let offset =
                (u128::from(period.unsigned_abs()) * u128::from(bucket)).div_ceil(u128::from(buckets));
            since.plus_millis(i64::try_from(offset).unwrap_or(i64::MAX))
        };
        let mut points: Vec<_> =
            (0..buckets).map(|bucket| TrendPoint { start: start_of(bucket), count: 0 }).collect();
        let question = sqlx::query(if issue.is_some() { TREND_OF_ISSUE } else { TREND })
            .bind(project.as_i64())
            .bind(since.as_millis())
            .bind(until.as_millis())
            .bind(i64::from(buckets));
        let question = match issue {
            Some(issue) => question.bind(issue.0),
            None => question,
        };
        for row in &self.all(question).await? {
            let bucket: usize = row::number(row, "bucket")?;
            if let Some(point) = points.get_mut(bucket) {
                point.count = row::number(row, "count")?;
            }
        }
        Ok(points)
    }

    /// Reports of a project, or of one issue, by what they have in common, the most frequent value first.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn breakdown(
        &self,
        project: ProjectId,
        issue: Option<IssueNumber>,
        since: Option<Timestamp>,
        dimension: Dimension,
        limit: u32,
    ) -> Result<Vec<Share>, CatalogError> {
        let question = sqlx::query(AssertSqlSafe(breakdown(dimension, issue.is_some())))
            .bind(project.as_i64())
            .bind(since.map_or(i64::MIN, Timestamp::as_millis))
            .bind(bounded(limit));
        let question = match issue {
            Some(issue) => question.bind(issue.0),
            None => question,
        };
        let rows = self.all(question).await?;
        rows.iter()
            .map(|row| Ok(Share { value: row.try_get("value")?, count: row::number(row, "count")? }))
            .collect()
    }
}

pub(crate) fn breakdown(dimension: Dimension, of_issue: bool) -> String {
    let column = dimension.as_str();
    let from = if of_issue {
        "signatures s CROSS JOIN facts f WHERE f.project = s.project AND f.signature = s.id \
         AND s.project = $1 AND s.issue = $4"
    } else {
        "facts f WHERE f.project = $1"
    };
    format!(
        "SELECT f.{column} AS value, CAST(SUM(f.weight) AS BIGINT) AS count FROM {from} \
         AND f.received_at >= $2 GROUP BY f.{column} ORDER BY 2 DESC, COALESCE(f.{column}, '') LIMIT $3"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{Engine, HOUR, T0, catalog, crash, on_each_engine};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    async fn a_trend_lists_every_stretch_and_leaves_out_what_lies_beyond(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        for (index, offset) in (0..).zip([-1, 0, HOUR - 1, HOUR, 3 * HOUR - 1, 3 * HOUR]) {
            let mut crash = crash(index, if index == 2 { "audio" } else { "render" }, T0 + offset);
            crash.fact.weight = 10;
            catalog.record(&crash).await.unwrap();
        }
        let counts = async |issue| {
            let until = at(T0 + 3 * HOUR);
            let points = catalog.trend(ProjectId::FIRST, issue, at(T0), until, 3).await.unwrap();
            assert_eq!(
                points.iter().map(|point| point.start.as_millis()).collect::<Vec<_>>(),
                [T0, T0 + HOUR, T0 + 2 * HOUR]
            );
            points.into_iter().map(|point| point.count).collect::<Vec<_>>()
        };
        assert_eq!(counts(None).await, [20, 10, 10]);
        assert_eq!(counts(Some(IssueNumber(1))).await, [10, 10, 10]);
        assert_eq!(counts(Some(IssueNumber(2))).await, [10, 0, 0]);
        assert_eq!(counts(Some(IssueNumber(3))).await, [0, 0, 0]);
    }

    async fn a_trend_without_length_or_points_is_refused(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        for (until, buckets) in [(T0, 1), (T0 - 1, 1), (T0 + 1, 0), (T0 + 1, MOST_BUCKETS + 1)] {
            let error = catalog.trend(ProjectId::FIRST, None, at(T0), at(until), buckets).await.unwrap_err();
            assert!(matches!(error, CatalogError::Invalid(_)), "{error:?}");
        }
        // As long as time itself.
        let points = catalog.trend(ProjectId::FIRST, None, at(i64::MIN), at(i64::MAX), MOST_BUCKETS).await;
        assert_eq!(points.unwrap().len(), MOST_BUCKETS as usize);
    }

    #[test]
    fn every_crash_is_counted_in_the_stretch_that_its_time_lies_in() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for engine in Engine::all() {
            let (_place, catalog) = runtime.block_on(catalog(engine));
            for index in 0..40 {
                let received_at = T0 + i64::from(index) * 7 % 100;
                runtime.block_on(catalog.record(&crash(index, "render", received_at))).unwrap();
            }
            proptest!(ProptestConfig::with_cases(64), |(since in 0..60_i64, period in 1..60_i64, buckets in 1..70_u32)| {
                let (since, until) = (T0 + since, T0 + since + period);
                let trend = catalog.trend(ProjectId::FIRST, None, at(since), at(until), buckets);
                let points = runtime.block_on(trend).unwrap();
                for (index, point) in points.iter().enumerate() {
                    let end = points.get(index + 1).map_or(until, |next| next.start.as_millis());
                    let inside = (0..40).map(|index| T0 + index * 7 % 100);
                    let inside = inside.filter(|&time| point.start.as_millis() <= time && time < end).count();
                    prop_assert_eq!(point.count, inside as u64);
                }
            });
        }
    }

    async fn a_breakdown_sums_weights_and_names_those_that_do_not_tell(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let platforms = [Some("Windows"), Some("Linux"), Some("Linux"), None, Some("Windows")];
        for (index, platform) in (0..).zip(platforms) {
            let mut crash = crash(index, if index == 0 { "audio" } else { "render" }, T0 + i64::from(index));
            crash.fact.platform = platform.map(str::to_owned);
            crash.fact.weight = 1 + index;
            catalog.record(&crash).await.unwrap();
        }
        let shares = async |issue, since: Option<i64>, limit| {
            let since = since.map(at);
            let shares =
                catalog.breakdown(ProjectId::FIRST, issue, since, Dimension::Platform, limit).await.unwrap();
            shares.into_iter().map(|share| (share.value, share.count)).collect::<Vec<_>>()
        };
        let named = |name: &str, count| (Some(name.to_owned()), count);
        assert_eq!(shares(None, None, 9).await, [named("Windows", 6), named("Linux", 5), (None, 4)]);
        assert_eq!(shares(None, None, 1).await, [named("Windows", 6)]);
        assert_eq!(shares(Some(IssueNumber(1)), None, 9).await, [named("Windows", 1)]);
        assert_eq!(shares(None, Some(T0 + 3), 9).await, [named("Windows", 5), (None, 4)]);
    }

    async fn every_dimension_can_be_asked_for(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        catalog.record(&crash(1, "render", T0)).await.unwrap();
        let mut values = Vec::new();
        for dimension in Dimension::ALL {
            let shares = catalog.breakdown(ProjectId::FIRST, None, None, dimension, 9).await.unwrap();
            values.push(shares[0].value.clone());
        }
        let expected =
            [Some("1.0"), Some("Linux"), None, Some("crash"), None, Some("amd64"), Some("SIGSEGV")];
        assert_eq!(values.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    on_each_engine! {
        a_trend_lists_every_stretch_and_leaves_out_what_lies_beyond,
        a_trend_without_length_or_points_is_refused,
        a_breakdown_sums_weights_and_names_those_that_do_not_tell,
        every_dimension_can_be_asked_for,
    }
}
