//! Text as JSON spells it: strings, numbers and moments, read into and written onto byte buffers.
//!
//! What comes in has passed `serde_json` already, so a string literal here is well-formed; only its escapes are
//! still folded, and those may name half a surrogate pair, which no UTF-8 text can hold.

use kew_model::Timestamp;

/// An escape that names half a surrogate pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoneSurrogate;

/// Appends the meaning of a JSON string literal, its quotes included, to `out`.
///
/// What was appended before the error stays; callers give the whole buffer up.
pub(crate) fn unescape(literal: &str, out: &mut Vec<u8>) -> Result<(), LoneSurrogate> {
    let mut rest = inside(literal);
    while let Some(backslash) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..backslash]);
        rest = escape(&rest[backslash + 1..], out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(())
}

/// A string literal without its quotes, escapes still folded.
pub(crate) fn inside(literal: &str) -> &str {
    literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(literal)
}

/// Reads one escape after its backslash, appends its meaning, and gives what follows.
fn escape<'a>(text: &'a str, out: &mut Vec<u8>) -> Result<&'a str, LoneSurrogate> {
    let plain = match text.as_bytes().first() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'u') => return code_point(&text[1..], out),
        Some(itself) => *itself,
        None => return Ok(text),
    };
    out.push(plain);
    Ok(&text[1..])
}

/// Reads the four digits of `\u`, or a pair of them.
fn code_point<'a>(text: &'a str, out: &mut Vec<u8>) -> Result<&'a str, LoneSurrogate> {
    let (first, rest) = four_digits(text)?;
    let (number, rest) = match first {
        0xd800..0xdc00 => {
            let (second, rest) = four_digits(rest.strip_prefix("\\u").ok_or(LoneSurrogate)?)?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(LoneSurrogate);
            }
            (0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00)), rest)
        }
        number => (number, rest),
    };
    let character = char::from_u32(number).ok_or(LoneSurrogate)?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(rest)
}

fn four_digits(text: &str) -> Result<(u32, &str), LoneSurrogate> {
    let (digits, rest) = text.split_at_checked(4).ok_or(LoneSurrogate)?;
    u32::from_str_radix(digits, 16).map(|number| (number, rest)).map_err(|_| LoneSurrogate)
}

/// Appends `text` as a JSON string literal.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing into memory fails for want of memory only, and that aborts elsewhere.
    let _ = serde_json::to_writer(out, text);
}

/// Appends a whole number.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// A moment as RFC 3339 with milliseconds and `Z` (spec §2.1); the last day that the notation knows if it is later.
pub fn rfc3339(moment: Timestamp) -> String {
    let milliseconds = i64::try_from(moment.0).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    format!("{moment:.3}")
}

/// Reads a moment written in RFC 3339, any offset; `None` for anything else and for moments before 1970.
pub fn timestamp_of(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(literal: &str) -> Result<String, LoneSurrogate> {
        let mut out = Vec::new();
        unescape(literal, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_escape_is_read() {
        let literal = r#""a\"\\\/\b\f\n\r\tz\u00e9\uD83D\uDE00é😀""#;
        assert_eq!(meaning(literal).unwrap(), "a\"\\/\u{8}\u{c}\n\r\tzé😀é😀");
        assert_eq!(meaning(literal).unwrap(), serde_json::from_str::<String>(literal).unwrap());
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        for literal in [r#""\ud800""#, r#""\ud800x""#, r#""\ud800\n""#, r#""\ud800\ud800""#, r#""\udc00""#] {
            assert_eq!(meaning(literal), Err(LoneSurrogate), "{literal}");
        }
    }

    #[test]
    fn numbers_are_written_without_a_point() {
        for number in [0, 1, 9, 10, 1_710_950_954_154, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn moments_have_milliseconds_and_read_back() {
        assert_eq!(rfc3339(Timestamp(1_716_216_236_704)), "2024-05-20T14:43:56.704Z");
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert!(rfc3339(Timestamp::NEVER).starts_with("9999-12-"));
        assert_eq!(timestamp_of("2024-05-20T16:43:56.704+02:00"), Some(Timestamp(1_716_216_236_704)));
        assert_eq!(timestamp_of("1969-12-31T23:59:59Z"), None);
        assert_eq!(timestamp_of("tomorrow"), None);
    }
}
