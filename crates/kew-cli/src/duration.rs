//! Lengths of time as people type and read them: `500ms`, `30s`, `5m`, `12h`, `4d`; a bare number counts seconds.

/// The units, each with its length in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a length in milliseconds. What range it must lie in is the server's to say.
///
/// # Errors
/// When the text is no whole number with one of the units, or a length beyond any range.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    let unit = if unit.is_empty() { "s" } else { unit };
    let length = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length);
    let read = length.zip(count.parse::<u32>().ok());
    read.map(|(length, count)| length * u64::from(count))
        .ok_or_else(|| format!("must be a length of time, for example 30s, 5m, 12h or 4d, not {text:?}"))
}

/// Reads a length in seconds.
///
/// # Errors
/// As [`milliseconds`], and for a part of a second.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let length = milliseconds(text)?;
    if length % 1_000 == 0 { Ok(length / 1_000) } else { Err(format!("must be whole seconds, not {text:?}")) }
}

/// A length in milliseconds, exactly, in the largest unit that goes into it.
pub(crate) fn exact(milliseconds: u64) -> String {
    let fits = |(_, length): &&(&str, u64)| milliseconds != 0 && milliseconds.is_multiple_of(*length);
    let (name, length) = UNITS.iter().rev().find(fits).unwrap_or(&("s", 1_000));
    format!("{}{name}", milliseconds / length)
}

/// A length in milliseconds, rounded down, in the largest unit that is not longer than it.
pub(crate) fn rounded(milliseconds: u64) -> String {
    let (name, length) = UNITS.iter().rev().find(|(_, length)| *length <= milliseconds).unwrap_or(&("ms", 1));
    format!("{}{name}", milliseconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, length) in [
            ("500ms", 500),
            ("0", 0),
            ("90", 90_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("4d", 345_600_000),
        ] {
            assert_eq!(milliseconds(text), Ok(length), "{text}");
        }
        for text in ["", "s", "-1s", "1.5h", "1w", "5 m", "5M", "99999999999d", "ä"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts_of_a_second_are_no_seconds() {
        assert_eq!(seconds("2m"), Ok(120));
        assert_eq!(seconds("2000ms"), Ok(2));
        assert_eq!(seconds("1500ms"), Err("must be whole seconds, not \"1500ms\"".to_owned()));
    }

    #[test]
    fn lengths_are_shown_exactly_or_rounded_down() {
        for (length, shown) in
            [(0, "0s"), (345_600_000, "4d"), (90_000, "90s"), (1_500, "1500ms"), (3_600_000, "1h")]
        {
            assert_eq!(exact(length), shown);
            assert_eq!(milliseconds(shown), Ok(length), "what is shown can be typed");
        }
        for (length, shown) in [(0, "0ms"), (999, "999ms"), (119_999, "1m"), (90_000_000, "1d")] {
            assert_eq!(rounded(length), shown);
        }
    }
}
