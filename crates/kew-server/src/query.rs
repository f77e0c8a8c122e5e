//! A URL's query, as far as lists use it: `page`, `per_page`, `order`, `direction`, `queue_id`, and `name`, which may
//! stand several times.

use std::borrow::Cow;

use kew_wire::{Fault, Kind};

/// Items on a page at the most.
const ITEMS_MAX: usize = 10_000;
/// The last page that can be asked for.
const PAGES_MAX: usize = 1_000_000;

/// Which part of a list is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// The page, from 1.
    pub(crate) page: Option<usize>,
    /// Items on a page.
    pub(crate) per_page: Option<usize>,
    /// Only items with one of these names, unless there are none.
    pub(crate) names: Vec<String>,
    /// By which field to sort.
    pub(crate) order: Option<String>,
    /// Which way to sort.
    pub(crate) direction: Option<String>,
    /// Only what belongs to this queue.
    pub(crate) queue_id: Option<String>,
}

impl ListQuery {
    /// Reads a query; parameters that mean nothing are passed over. Of one that stands twice the last counts.
    pub(crate) fn read(query: Option<&str>) -> Result<Self, Fault> {
        let mut read = Self::default();
        for (name, value) in query.unwrap_or_default().split('&').filter_map(|part| part.split_once('=')) {
            match name {
                "page" => read.page = Some(number("page", value, PAGES_MAX)?),
                "per_page" => read.per_page = Some(number("per_page", value, ITEMS_MAX)?),
                "name" => read.names.push(decode(value).into_owned()),
                "order" => read.order = Some(decode(value).into_owned()),
                "direction" => read.direction = Some(decode(value).into_owned()),
                "queue_id" => read.queue_id = Some(decode(value).into_owned()),
                _ => {}
            }
        }
        Ok(read)
    }
}

fn number(name: &str, value: &str, max: usize) -> Result<usize, Fault> {
    let digits_only = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(number) if digits_only && (1..=max).contains(&number) => Ok(number),
        _ => {
            let shown: String = decode(value).chars().take(40).collect();
            let why = format!("{name} must be a whole number from 1 to {max}, not {shown:?}");
            Err(Fault::new(Kind::QueryInvalid).detailed(why))
        }
    }
}

/// Unfolds `%xx` and `+`. What is no UTF-8 then, becomes a name that no queue has.
fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of a hexadecimal digit.
fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_read_and_others_passed_over() {
        let read =
            ListQuery::read(Some("name=a&name=b%2Dc+d%zz%4&page=2&per_page=7&x=1&page&name=%C3%A4")).unwrap();
        assert_eq!(read.names, ["a", "b-c d%zz%4", "ä"]);
        assert_eq!((read.page, read.per_page), (Some(2), Some(7)));
        let read = ListQuery::read(Some("order=name&order=created%5Fat&direction=desc&queue_id=0a")).unwrap();
        let texts = (read.order.as_deref(), read.direction.as_deref(), read.queue_id.as_deref());
        assert_eq!(texts, (Some("created_at"), Some("desc"), Some("0a")));
        assert_eq!(ListQuery::read(None).unwrap(), ListQuery::default());
        assert_eq!(ListQuery::read(Some("")).unwrap(), ListQuery::default());
    }

    #[test]
    fn pages_out_of_range_are_named() {
        for (query, text) in [
            ("page=0", "page must be a whole number from 1 to 1000000, not \"0\""),
            ("per_page=10001", "per_page must be a whole number from 1 to 10000, not \"10001\""),
            ("per_page=-1", "per_page must be a whole number from 1 to 10000, not \"-1\""),
            ("per_page=%2B5", "per_page must be a whole number from 1 to 10000, not \"+5\""),
            ("page=", "page must be a whole number from 1 to 1000000, not \"\""),
        ] {
            let fault = ListQuery::read(Some(query)).unwrap_err();
            assert_eq!((fault.line().code, fault.text()), (19_003, text));
        }
    }
}
