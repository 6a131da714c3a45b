//! Where in a source a debug file is.

use epitaph_rules::{SymbolLayout, SymbolSource};
use epitaph_symbolicate::DebugId;
use reqwest::Url;

/// The longest name of a debug file.
const LONGEST_NAME: usize = 260;

/// The name of a debug file without its folders, of either kind of system. `None` where it has none, or one that could mean
/// something else than a file of a folder.
pub(super) fn file_name(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next()?;
    let is_plain = name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control);
    (is_plain && !matches!(name, "" | "." | "..")).then_some(name)
}

/// The name that the file has in a source.
pub(super) fn stored_name(layout: SymbolLayout, name: &str) -> String {
    match layout {
        SymbolLayout::Microsoft => name.to_owned(),
        SymbolLayout::Breakpad => {
            match name.len().checked_sub(4).and_then(|dot| name.split_at_checked(dot)) {
                Some((stem, ending)) if ending.eq_ignore_ascii_case(".pdb") => format!("{stem}.sym"),
                _ => format!("{name}.sym"),
            }
        }
    }
}

/// The address of a debug file. `None` for a source whose address no path can be added to.
pub(super) fn url(source: &SymbolSource, name: &str, id: DebugId) -> Option<Url> {
    let mut url = Url::parse(&source.url).ok()?;
    let stored = stored_name(source.layout, name);
    let id = id.breakpad().to_string();
    url.path_segments_mut().ok()?.pop_if_empty().extend([name, &id, &stored]);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(base: &str, layout: SymbolLayout, name: &str) -> String {
        let source = SymbolSource { url: base.to_owned(), layout, files: Vec::new() };
        let id = DebugId::from_breakpad("443322116655887799AABBCCDDEEFF00a").unwrap();
        url(&source, name, id).unwrap().to_string()
    }

    #[test]
    fn a_debug_file_is_where_the_layout_says() {
        let id = "443322116655887799AABBCCDDEEFF00a";
        for (base, layout, name, expected) in [
            ("https://a.example", SymbolLayout::Microsoft, "ntdll.pdb", "/ntdll.pdb/ID/ntdll.pdb"),
            ("https://a.example/b/", SymbolLayout::Microsoft, "x", "/b/x/ID/x"),
            ("https://a.example/b", SymbolLayout::Breakpad, "Game.PDB", "/b/Game.PDB/ID/Game.sym"),
            ("https://a.example", SymbolLayout::Breakpad, "libc.so.6", "/libc.so.6/ID/libc.so.6.sym"),
            ("https://a.example", SymbolLayout::Breakpad, "ü", "/%C3%BC/ID/%C3%BC.sym"),
            (
                "https://a.example",
                SymbolLayout::Breakpad,
                "a?b#c%2f",
                "/a%3Fb%23c%252f/ID/a%3Fb%23c%252f.sym",
            ),
        ] {
            let expected = format!("https://a.example{}", expected.replace("ID", id));
            assert_eq!(place(base, layout, name), expected);
        }
    }

    #[test]
    fn a_name_has_no_folders_and_is_no_folder() {
        assert_eq!(file_name("C:\\build\\Game.pdb"), Some("Game.pdb"));
        assert_eq!(file_name("/build/../libgame.so"), Some("libgame.so"));
        for path in ["", "/", "..", "a/.", "c:\\..", "a\nb", "a\0"] {
            assert_eq!(file_name(path), None, "{path:?}");
        }
        assert_eq!(file_name(&"a".repeat(261)), None);
    }
}
