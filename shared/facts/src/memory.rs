//! Classes of a device's memory: how much there is differs in every device by what the system keeps for itself.

/// The classes, each with the whole gibibytes that it is sold as.
const CLASSES: [(u32, &str); 13] = [
    (1, "1 GB"),
    (2, "2 GB"),
    (3, "3 GB"),
    (4, "4 GB"),
    (6, "6 GB"),
    (8, "8 GB"),
    (12, "12 GB"),
    (16, "16 GB"),
    (24, "24 GB"),
    (32, "32 GB"),
    (48, "48 GB"),
    (64, "64 GB"),
    (128, "128 GB"),
];

/// The class of so many bytes, written in digits: the smallest that holds them. `None` for what is no number.
pub(crate) fn class_of(bytes: &str) -> Option<&'static str> {
    let bytes: u64 = bytes.parse().ok().filter(|bytes| *bytes > 0)?;
    let holds = |gibibytes: u32| bytes <= u64::from(gibibytes) << 30;
    Some(CLASSES.iter().find(|(gibibytes, _)| holds(*gibibytes)).map_or("more than 128 GB", |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_in_the_class_that_it_was_sold_as() {
        for (bytes, class) in [
            ("17112477696", Some("16 GB")),
            ("8589934592", Some("8 GB")),
            ("5905580032", Some("6 GB")),
            ("500000000", Some("1 GB")),
            ("999999999999999", Some("more than 128 GB")),
            ("0", None),
            ("16.0 GiB", None),
        ] {
            assert_eq!(class_of(bytes), class, "{bytes}");
        }
    }
}
