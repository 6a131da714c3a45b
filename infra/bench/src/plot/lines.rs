//! Lines over time.

use super::{
    Picture,
    axis::{Axis, label},
    colour,
};

const WIDTH: f64 = 860.0;
const TOP: f64 = 34.0;
const LEFT: f64 = 64.0;
const PLOT_WIDTH: f64 = 776.0;
const PLOT_HEIGHT: f64 = 260.0;
const LEGEND_LINE: f64 = 18.0;
const LEGEND_COLUMNS: usize = 2;
const LEGEND_COLUMN: f64 = 390.0;

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over the same axes.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) title: String,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) logarithmic: bool,
    pub(crate) series: Vec<Series>,
}

impl Lines {
    pub(crate) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::over(points().map(|point| point.0), false);
        let y = Axis::over(points().map(|point| point.1), self.logarithmic);
        let bottom = TOP + PLOT_HEIGHT;
        let rows = self.series.len().div_ceil(LEGEND_COLUMNS);
        let height = bottom + 50.0 + LEGEND_LINE * f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
        let mut picture = Picture::new(WIDTH, height, &format!("{}, {}", self.title, self.y));
        let (at_x, at_y) = (
            |value: f64| LEFT + PLOT_WIDTH * x.share(value),
            |value: f64| bottom - PLOT_HEIGHT * y.share(value),
        );
        for mark in y.marks() {
            picture.line((LEFT, at_y(mark)), (LEFT + PLOT_WIDTH, at_y(mark)));
            picture.text(LEFT - 6.0, at_y(mark) + 4.0, "end", &label(mark));
        }
        for mark in x.marks() {
            picture.line((at_x(mark), TOP), (at_x(mark), bottom));
            picture.text(at_x(mark), bottom + 16.0, "middle", &label(mark));
        }
        picture.text(LEFT + PLOT_WIDTH / 2.0, bottom + 32.0, "middle", &self.x);
        for (index, series) in self.series.iter().enumerate() {
            let points: Vec<_> =
                series.points.iter().map(|&(x, y)| format!("{:.1},{:.1}", at_x(x), at_y(y))).collect();
            picture.add(format_args!(
                "<polyline points='{}' fill='none' stroke='{}' stroke-width='1.6'/>\n",
                points.join(" "),
                colour(index)
            ));
            let column = f64::from(u32::try_from(index % LEGEND_COLUMNS).unwrap_or_default());
            let row = f64::from(u32::try_from(index / LEGEND_COLUMNS).unwrap_or_default());
            let (left, line) = (LEFT + column * LEGEND_COLUMN, bottom + 52.0 + row * LEGEND_LINE);
            picture.square(left, line - 9.0, 10.0, 10.0, colour(index));
            picture.text(left + 15.0, line, "start", &series.name);
        }
        picture.done()
    }
}
