//! Lines of comma-separated values (RFC 4180) that a spreadsheet shows and does not run.

/// Where spreadsheets begin to compute, in the usual width and in the wide one.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A line of cells, with its end.
///
/// A cell that a spreadsheet would take for a formula has an apostrophe before it. What is more than a plain word stands
/// in quotes.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        let is_plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | ':' | '-');
        let is_formula = cell.starts_with(FORMULA);
        if !is_formula && cell.chars().all(is_plain) {
            line.push_str(cell);
            continue;
        }
        line.push('"');
        if is_formula {
            line.push('\'');
        }
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_run_nor_broken_apart() {
        assert_eq!(line(["a", "", "1.2-beta"]), "a,,1.2-beta\r\n");
        assert_eq!(line(["two words", "a \"b\", c\r\nd;e"]), "\"two words\",\"a \"\"b\"\", c\r\nd;e\"\r\n");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(line([formula]), format!("\"'{formula}\"\r\n"), "{formula:?}");
        }
    }
}
