//! Parts of a whole, and whether they are more frequent here than elsewhere, as the templates draw them.

use epitaph_crash_model::Kind;
use epitaph_facts::{Answer, Beside, Column, Dimension, Row, UPTIME_CLASSES, Verdict};

use crate::{
    chart::scaled,
    shown::{line, number, percent},
    texts::Texts,
};

/// Parts of a whole, the most frequent first.
#[derive(Default)]
pub(crate) struct Shares {
    pub(crate) title: String,
    pub(crate) rows: Vec<ShareRow>,
    /// Whether the rows tell shares among all crashes too.
    pub(crate) beside: bool,
}

/// One part.
pub(crate) struct ShareRow {
    pub(crate) label: String,
    /// Where the crashes of this value are.
    pub(crate) href: Option<String>,
    pub(crate) count: String,
    pub(crate) percent: String,
    /// Of 100.
    pub(crate) width: u64,
    /// The share among all crashes.
    pub(crate) all: Option<AmongAll>,
    /// Its colour, if it is a kind.
    pub(crate) kind: Option<Kind>,
    /// Whether the label is ours, rather than a value.
    pub(crate) plain: bool,
}

/// A value's share among all crashes.
pub(crate) struct AmongAll {
    pub(crate) percent: String,
    /// Of 100: where the mark on the bar stands.
    pub(crate) at: u64,
    /// Whether it is more frequent here, surely.
    pub(crate) more: bool,
    pub(crate) explained: String,
}

impl AmongAll {
    fn new(share: f64, beside: &Beside, t: &Texts) -> Self {
        let (here, all) = (hundredths(share), hundredths(beside.share));
        Self {
            at: all,
            percent: per_cent(beside.share),
            more: beside.verdict == Verdict::More,
            explained: (t.statistics.beside)(
                &format!("{here}%"),
                &format!("{all}%"),
                match beside.verdict {
                    Verdict::More => t.statistics.more,
                    Verdict::Same => t.statistics.same,
                    Verdict::Less => t.statistics.less,
                    Verdict::TooFew => t.statistics.too_few,
                },
            ),
        }
    }
}

impl Shares {
    /// Of an answer by one dimension. What its rows leave over is shown as others. `href` leads to the crashes of a value.
    pub(crate) fn new(
        dimension: &Dimension,
        answer: Answer,
        t: &Texts,
        href: impl Fn(Option<&str>) -> Option<String>,
    ) -> Self {
        let whole = answer.totals.count;
        let beside = answer.rows.iter().any(|row| row.beside.is_some());
        let mut rows: Vec<ShareRow> = Vec::new();
        let mut named = 0;
        for row in answer.rows.into_iter().filter(|row| row.totals.count > 0) {
            named += row.totals.count;
            rows.push(ShareRow::new(dimension, &row, whole, t, &href));
        }
        if whole > named && !rows.is_empty() {
            let count = whole - named;
            rows.push(ShareRow {
                label: t.others.to_owned(),
                href: None,
                count: number(count),
                percent: percent(count, whole),
                width: scaled(count, whole),
                all: None,
                kind: None,
                plain: true,
            });
        }
        Self { title: t.statistics.dimension(dimension), rows, beside }
    }

    /// Whether any row has a value that crashes tell.
    pub(crate) fn tells(&self) -> bool {
        self.rows.iter().any(|row| !row.plain)
    }
}

impl ShareRow {
    fn new(
        dimension: &Dimension,
        row: &Row,
        whole: u64,
        t: &Texts,
        href: impl Fn(Option<&str>) -> Option<String>,
    ) -> Self {
        let count = row.totals.count;
        let is_kind = *dimension == Dimension::Column(Column::Kind);
        let kind = row.value.as_deref().filter(|_| is_kind).and_then(|value| value.parse().ok());
        let label = match (&row.value, kind) {
            (_, Some(kind)) => (t.kind)(kind).to_owned(),
            (Some(value), None) => label(dimension, value, t),
            (None, None) => t.not_told.to_owned(),
        };
        Self {
            label,
            href: href(row.value.as_deref()),
            count: number(count),
            percent: percent(count, whole),
            width: scaled(count, whole),
            all: row.beside.as_ref().map(|beside| AmongAll::new(row.share, beside, t)),
            kind,
            plain: row.value.is_none(),
        }
    }
}

/// What a value is called: of uptime, the class that it begins.
pub(crate) fn label(dimension: &Dimension, value: &str, t: &Texts) -> String {
    let begin = value.parse::<u64>().ok().filter(|_| *dimension == Dimension::Column(Column::Uptime));
    let class = begin.and_then(|begin| UPTIME_CLASSES.iter().position(|class| *class == begin));
    let Some((begin, class)) = begin.zip(class) else { return line(value) };
    match UPTIME_CLASSES.get(class + 1) {
        Some(end) => format!("{} – {}", short_length(begin, t), short_length(*end, t)),
        None => format!("≥ {}", short_length(begin, t)),
    }
}

/// A length of time in its largest unit.
fn short_length(seconds: u64, t: &Texts) -> String {
    match seconds {
        0..60 => (t.seconds)(seconds),
        60..3600 => (t.statistics.minutes)(seconds / 60),
        _ => (t.statistics.hours)(seconds / 3600),
    }
}

/// A share, of 100.
fn hundredths(share: f64) -> u64 {
    // Shares are from 0 to 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and 100")]
    let hundredths = (share.clamp(0.0, 1.0) * 100.0).round() as u64;
    hundredths
}

/// A share in per cent: `<1%`, `12%`.
pub(crate) fn per_cent(share: f64) -> String {
    match hundredths(share) {
        0 if share > 0.0 => "<1%".to_owned(),
        hundredths => format!("{hundredths}%"),
    }
}

#[cfg(test)]
mod tests {
    use epitaph_facts::Totals;

    use super::*;
    use crate::texts::ENGLISH;

    #[test]
    fn what_no_share_names_is_shown_as_others() {
        let row = |value: Option<&str>, count| Row {
            value: value.map(str::to_owned),
            totals: Totals { count, crashes: count, ..Totals::default() },
            ..Row::default()
        };
        let totals = Totals { count: 10, ..Totals::default() };
        let answer = Answer { rows: vec![row(Some("1.0"), 6), row(None, 2)], totals, ..Answer::default() };
        let shares = Shares::new(&Column::Release.into(), answer, &ENGLISH, |_| None);
        let rows: Vec<_> = shares.rows.iter().map(|row| (row.label.as_str(), row.percent.as_str())).collect();
        assert_eq!(rows, [("1.0", "60%"), ("not told", "20%"), ("Others", "20%")]);
        assert!(shares.tells());
    }

    #[test]
    fn uptime_is_told_in_classes() {
        let class = |value| label(&Column::Uptime.into(), value, &ENGLISH);
        assert_eq!(
            [class("5"), class("60"), class("14400"), class("86400"), class("7")],
            ["5 s – 15 s", "1 min – 5 min", "4 h – 24 h", "≥ 24 h", "7"]
        );
    }

    #[test]
    fn a_share_of_something_is_never_nothing() {
        assert_eq!(
            [per_cent(0.0), per_cent(0.001), per_cent(0.126), per_cent(1.0)],
            ["0%", "<1%", "13%", "100%"]
        );
    }
}
