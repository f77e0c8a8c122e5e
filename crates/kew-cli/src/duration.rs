//! Lengths of time as people type and read them: `500ms`, `30s`, `5m`, `12h`, `4d`; a bare number counts seconds.
//!
//! A flag's range is known here, so that it is refused in the words of who typed it, and without a server.

use core::ops::RangeInclusive;

/// The units, each with its length in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// How a length is typed, for whoever typed something else.
const FORM: &str =
    "must be a whole number and s, m, h or d, as in 30s, 5m, 12h or 4d; without a letter it counts seconds";

/// A reader of lengths in milliseconds, for a flag whose range of milliseconds is known.
pub(crate) fn milliseconds_in(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| within(milliseconds(text)?, &range)
}

/// A reader of lengths in seconds, for a flag whose range of seconds is known.
pub(crate) fn seconds_in(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    let range = range.start() * 1_000..=range.end() * 1_000;
    move |text| {
        let length = within(milliseconds(text)?, &range)?;
        if length % 1_000 == 0 { Ok(length / 1_000) } else { Err("must be whole seconds".to_owned()) }
    }
}

/// Reads a length in milliseconds; one that no number holds is the longest.
///
/// # Errors
/// When the text is no whole number with one of the units.
fn milliseconds(text: &str) -> Result<u64, String> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = if unit.is_empty() { "s" } else { unit };
    match UNITS.iter().find(|(name, _)| *name == unit) {
        // Digits alone fail to be read only when they are too many.
        Some((_, length)) if end > 0 => Ok(digits.parse().unwrap_or(u64::MAX).saturating_mul(*length)),
        _ => Err(FORM.to_owned()),
    }
}

/// Gives a length back that lies in the range.
fn within(length: u64, range: &RangeInclusive<u64>) -> Result<u64, String> {
    if range.contains(&length) {
        return Ok(length);
    }
    let problem = if length > *range.end() { "long" } else { "short" };
    Err(format!("too {problem}: must be {} to {}", bound(*range.start()), bound(*range.end())))
}

/// The end of a range, in the largest unit of which it is several: 60 seconds are 60s, a day is 24h.
fn bound(milliseconds: u64) -> String {
    let several =
        |(_, length): &&(&str, u64)| milliseconds >= 2 * length && milliseconds.is_multiple_of(*length);
    let (name, length) = UNITS.iter().rev().find(several).unwrap_or(&("s", 1_000));
    format!("{}{name}", milliseconds / length)
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
    use kew_model::Limits;

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
        for text in ["", "s", "-1s", "1.5h", "1w", "5 m", "5M", "ä"] {
            assert_eq!(milliseconds(text), Err(FORM.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_range_is_told_as_it_is_typed() {
        let lease = milliseconds_in(Limits::VISIBILITY_TIMEOUT_MS);
        assert_eq!((lease("0"), lease("12h")), (Ok(0), Ok(43_200_000)));
        for text in ["43200001ms", "13h", "99999999999d", "99999999999999999999"] {
            assert_eq!(lease(text), Err("too long: must be 0s to 12h".to_owned()), "{text}");
        }
        let retention = seconds_in(Limits::RETENTION_SECONDS);
        assert_eq!((retention("60"), retention("14d")), (Ok(60), Ok(1_209_600)));
        assert_eq!(retention("59s"), Err("too short: must be 60s to 14d".to_owned()));
        assert_eq!(seconds_in(Limits::DELAY_SECONDS)("2d"), Err("too long: must be 0s to 24h".to_owned()));
    }

    #[test]
    fn parts_of_a_second_are_no_seconds() {
        let delay = seconds_in(Limits::DELAY_SECONDS);
        assert_eq!((delay("2m"), delay("2000ms")), (Ok(120), Ok(2)));
        assert_eq!(delay("1500ms"), Err("must be whole seconds".to_owned()));
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
