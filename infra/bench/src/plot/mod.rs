//! Plots as SVG, small and readable without a script: lines over time, and bars side by side.

mod axis;
mod bars;
mod lines;

use std::fmt::Write as _;

pub(crate) use self::{
    bars::{Bars, Group},
    lines::{Lines, Series},
};

/// Told apart by people who see few colours too.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d", "#a6761d"];
const FONT: &str = "font-family='system-ui,sans-serif' font-size='12' fill='#222'";

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// A picture that things are drawn into.
struct Picture {
    svg: String,
}

impl Picture {
    fn new(width: f64, height: f64, title: &str) -> Self {
        let mut picture = Self { svg: String::new() };
        picture.add(format_args!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0} {height:.0}' role='img'>\n\
             <title>{}</title>\n<rect width='100%' height='100%' fill='#fff'/>\n<g {FONT}>\n",
            escaped(title)
        ));
        picture.text(12.0, 20.0, "start", &format!("{title}."));
        picture
    }

    fn add(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.svg.write_fmt(what);
    }

    /// `anchor` is `start`, `middle` or `end`.
    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        self.add(format_args!(
            "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{}</text>\n",
            escaped(text)
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!("<path d='M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}' stroke='#ddd'/>\n"));
    }

    fn square(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        self.add(format_args!(
            "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{colour}'/>\n"
        ));
    }

    fn done(mut self) -> String {
        self.svg.push_str("</g>\n</svg>\n");
        self.svg
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_shows_its_words_and_as_many_lines_as_there_are_series() {
        let series =
            |name: &str| Series { name: name.into(), points: vec![(0.0, 1.0), (1.0, 10.0), (2.0, 100.0)] };
        let plot = Lines {
            title: "Memory <of a function>".into(),
            x: "seconds".into(),
            y: "MiB".into(),
            logarithmic: true,
            series: vec![series("one"), series("two & three")],
        };
        let svg = plot.svg();
        assert!(svg.contains("Memory &lt;of a function&gt;") && svg.contains("two &amp; three"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_is_a_picture_too() {
        let plot =
            Lines { title: "t".into(), x: "x".into(), y: "y".into(), logarithmic: false, series: vec![] };
        assert!(!plot.svg().contains("NaN") && !plot.svg().contains("inf"));
        let bars = Bars { title: "t".into(), names: vec!["a".into()], groups: vec![] };
        assert!(bars.svg().ends_with("</svg>\n"));
    }

    #[test]
    fn the_longest_bar_belongs_to_the_largest_value() {
        let groups = vec![Group { name: "g".into(), values: vec![Some(1.0), None, Some(4.0)] }];
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let svg = Bars { title: "t".into(), names, groups }.svg();
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("height='14.0'"))
            .map(|line| line.split('\'').nth(5).unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 2, "{svg}");
        assert!((widths[1] / widths[0] - 4.0).abs() < 0.1, "{widths:?}");
    }
}
