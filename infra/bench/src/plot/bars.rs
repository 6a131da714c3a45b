//! Bars side by side, with their values written beside them.

use super::{Picture, axis::label, colour};

const WIDTH: f64 = 860.0;
const TOP: f64 = 58.0;
const LEFT: f64 = 130.0;
const LONGEST: f64 = 650.0;
const BAR: f64 = 14.0;
const GAP: f64 = 14.0;

/// Bars that belong together: one for each name of [`Bars`], where there is a value.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
}

/// Groups of bars. In each group the longest is as long as the picture allows: groups are compared within themselves.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) names: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

impl Bars {
    pub(crate) fn svg(&self) -> String {
        let bars: usize = self.groups.iter().map(|group| group.values.iter().flatten().count()).sum();
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let height = TOP + number(bars) * BAR + number(self.groups.len()) * GAP + 6.0;
        let mut picture = Picture::new(WIDTH, height, &self.title);
        let mut left = 12.0;
        for (index, name) in self.names.iter().enumerate() {
            picture.square(left, 33.0, 10.0, 10.0, colour(index));
            picture.text(left + 15.0, 42.0, "start", name);
            left += 34.0 + 6.7 * number(name.chars().count());
        }
        let mut top = TOP;
        for group in &self.groups {
            picture.text(LEFT - 8.0, top + 11.0, "end", &group.name);
            let longest = group.values.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
            for (index, value) in group.values.iter().enumerate() {
                let Some(value) = value else { continue };
                let length = LONGEST * value / longest;
                picture.square(LEFT, top, length, BAR, colour(index));
                picture.text(LEFT + length + 5.0, top + 11.0, "start", &label(*value));
                top += BAR;
            }
            top += GAP;
        }
        picture.done()
    }
}
