//! Sizes as operators write them.

/// Reads bytes: a whole number, or one with `K`, `M` or `G` (of 1,024) after it; `KiB` and `KB` mean the same.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    super::reader::number::<u64>(digits)?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_size_is_bytes_or_carries_its_unit() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("1048576"), Some(1 << 20));
        assert_eq!(parse("256M"), Some(256 << 20));
        assert_eq!(parse("2g"), Some(2 << 30));
        assert_eq!(parse("64KiB"), Some(64 << 10));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "M", "-1", "+1", "1.5G", "10T", "1 M", "18446744073709551615K", "1M1"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
