//! Tables on a terminal.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

/// The most columns of a terminal that a cell takes; the last cell of a line is never cut.
const WIDEST: usize = 48;

/// Lines of cells, the first with the columns' names.
pub(crate) struct Table {
    lines: Vec<Vec<String>>,
    /// Which columns stand to the right, as numbers do.
    right: Vec<usize>,
}

impl Table {
    pub(crate) fn new(names: &[&str], right: &[usize]) -> Self {
        Self { lines: vec![names.iter().map(|name| (*name).to_owned()).collect()], right: right.to_vec() }
    }

    pub(crate) fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.lines.push(cells.into());
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        self.lines.iter()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.lines.first().map_or(0, Vec::len);
        let shown: Vec<Vec<String>> = self
            .lines
            .iter()
            .map(|line| {
                line.iter().enumerate().map(|(column, cell)| shown(cell, column + 1 == columns)).collect()
            })
            .collect();
        let widest = |column: usize| {
            shown.iter().filter_map(|line| line.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        for line in &shown {
            let mut text = String::new();
            for (column, (cell, widest)) in line.iter().zip(&widths).enumerate() {
                let room = " ".repeat(widest.saturating_sub(width(cell)));
                let (before, after) =
                    if self.right.contains(&column) { (room.as_str(), "") } else { ("", room.as_str()) };
                text.push_str(if column > 0 { "  " } else { "" });
                text.extend([before, cell, after]);
            }
            writeln!(formatter, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn shown(cell: &str, is_last: bool) -> String {
    let cell = plain(cell);
    if is_last || width(&cell) <= WIDEST {
        return cell;
    }
    let mut cut = String::new();
    for letter in cell.chars() {
        if width(&cut) + 2 > WIDEST {
            break;
        }
        cut.push(letter);
    }
    cut + "…"
}

/// How many columns of a terminal a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A stranger's text without what acts on a terminal, or reorders what stands around it.
pub(crate) fn plain(text: &str) -> String {
    let is_deceptive = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|letter| if is_deceptive(letter) { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other_whatever_their_letters() {
        let mut table = Table::new(&["NAME", "COUNT", "LAST"], &[1]);
        table.push(["한글".to_owned(), "7".to_owned(), "a\u{1b}[2J".to_owned()]);
        table.push(["x".repeat(60), "12345".to_owned(), String::new()]);
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("NAME{}  COUNT  LAST", " ".repeat(44)));
        assert_eq!(lines[1], format!("한글{}      7  a\u{fffd}[2J", " ".repeat(44)));
        assert_eq!(lines[2], format!("{}…  12345", "x".repeat(47)));
    }
}
