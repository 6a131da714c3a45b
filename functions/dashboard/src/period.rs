//! The span of time that a list or a chart is about.

use epitaph_catalog::TrendPoint;
use epitaph_crash_model::Timestamp;
use epitaph_facts::{Bucket, Period as Span};

use crate::texts::Texts;

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A span that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
}

/// A span cut into equal pieces, whose edges lie on round times, so that a bar does not change as the clock goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) pieces: u32,
    /// Milliseconds of one piece.
    pub(crate) piece: i64,
    /// Milliseconds between labels, which stand at multiples of it; itself a multiple of `piece`.
    pub(crate) tick: i64,
}

impl Period {
    /// Those that pages offer.
    pub(crate) const OFFERED: [Period; 4] = [Period::Day, Period::Week, Period::Month, Period::Quarter];

    const ALL: [Period; 5] = [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Quarter];

    /// The word in addresses and in the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Period::Hour => "1h",
            Period::Day => "24h",
            Period::Week => "7d",
            Period::Month => "30d",
            Period::Quarter => "90d",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.word() == text)
    }

    /// The one that a page was asked for. A page always shows something: what it does not know is a week.
    pub(crate) fn of_page(word: Option<&str>) -> Self {
        word.and_then(Self::parse).unwrap_or(Period::Week)
    }

    /// What a page calls it.
    pub(crate) fn label(self, t: &Texts) -> &'static str {
        match self {
            Period::Hour => t.last_hour,
            Period::Day => t.last_24_hours,
            Period::Week => t.last_7_days,
            Period::Month => t.last_30_days,
            Period::Quarter => t.last_90_days,
        }
    }

    /// The pieces of the large chart.
    pub(crate) fn grid(self, now: Timestamp) -> Grid {
        let (pieces, piece, tick) = match self {
            Period::Hour => (60, MINUTE, 10 * MINUTE),
            Period::Day => (48, HOUR / 2, 4 * HOUR),
            Period::Week => (56, 3 * HOUR, DAY),
            Period::Month => (60, 12 * HOUR, 5 * DAY),
            Period::Quarter => (90, DAY, 15 * DAY),
        };
        let until = (now.as_millis().div_euclid(piece) + 1) * piece;
        let since = until - i64::from(pieces) * piece;
        Grid {
            since: Timestamp::from_millis(since),
            until: Timestamp::from_millis(until),
            pieces,
            piece,
            tick,
        }
    }

    /// Pieces of a small chart over the same span as the large one's.
    pub(crate) fn few_pieces(self) -> u32 {
        match self {
            Period::Hour | Period::Month | Period::Quarter => 30,
            Period::Day => 24,
            Period::Week => 28,
        }
    }
}

impl Grid {
    /// All of it.
    pub(crate) fn span(self) -> Span {
        Span { from: Some(self.since), until: Some(self.until) }
    }

    /// A piece, as a step of time.
    pub(crate) fn step(self) -> Option<Bucket> {
        Bucket::new(u32::try_from(self.piece / MINUTE).ok()?, 0)
    }

    /// Points at some pieces, put together to fewer pieces, each of them listed.
    pub(crate) fn filled(self, points: &[TrendPoint], pieces: u32) -> Vec<TrendPoint> {
        let length = (self.until.as_millis() - self.since.as_millis()) / i64::from(pieces.max(1));
        let start = |number: u32| self.since.plus_millis(length * i64::from(number));
        let mut filled: Vec<TrendPoint> =
            (0..pieces).map(|number| TrendPoint { start: start(number), count: 0 }).collect();
        for point in points {
            let number = (point.start.as_millis() - self.since.as_millis()).div_euclid(length.max(1));
            if let Some(piece) = usize::try_from(number).ok().and_then(|number| filled.get_mut(number)) {
                piece.count += point.count;
            }
        }
        filled
    }

    /// Whether its labels are days, rather than times of a day.
    pub(crate) fn is_of_days(self) -> bool {
        self.tick >= DAY
    }

    /// Whether a label stands at the beginning of a piece, and has room before the right edge.
    pub(crate) fn has_tick(self, start: Timestamp) -> bool {
        let room = self.until.as_millis() - start.as_millis();
        start.as_millis() % self.tick == 0 && room * 2 >= self.tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_round_edges_and_ends_with_the_piece_that_holds_now() {
        let now: Timestamp = "2026-01-31T13:37:59.999Z".parse().unwrap();
        for period in Period::ALL {
            let grid = period.grid(now);
            assert!(grid.since < now && now < grid.until, "{period:?}");
            assert_eq!(grid.until.as_millis() - grid.since.as_millis(), grid.piece * i64::from(grid.pieces));
            assert_eq!(grid.since.as_millis() % grid.piece, 0, "{period:?}");
            let few = grid.filled(&[TrendPoint { start: grid.since, count: 2 }], period.few_pieces());
            assert_eq!((few.len(), few[0].count), (period.few_pieces() as usize, 2), "{period:?}");
            assert!(grid.pieces.is_multiple_of(period.few_pieces()) && grid.step().is_some(), "{period:?}");
            assert_eq!(grid.tick % grid.piece, 0, "{period:?}");
            assert_eq!(Period::parse(period.word()), Some(period));
        }
    }

    #[test]
    fn a_page_that_is_asked_for_an_unknown_period_shows_a_week() {
        assert_eq!(Period::of_page(Some("24h")), Period::Day);
        assert_eq!(Period::of_page(Some("1 fortnight")), Period::Week);
        assert_eq!(Period::of_page(None), Period::Week);
    }
}
