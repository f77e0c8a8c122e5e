//! The envelope around every answer (spec §1.2): `success`, `errors`, `messages`, `result`, all four, always; and
//! `result_info` on lists.
//!
//! Answers are written once, into the buffer that leaves. Clients read them back with [`Envelope`].

use serde::{Deserialize, Serialize};

use crate::catalogue::Line;
use crate::fault::Fault;
use crate::text::{write_number, write_string};

const OPENING: &[u8] = br#"{"success":true,"errors":[],"messages":[],"result":"#;

/// A success whose result `write` appends.
pub fn success(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity + OPENING.len() + 1);
    out.extend_from_slice(OPENING);
    write(&mut out);
    out.push(b'}');
    out
}

/// A success with a result that serialises itself; for the control plane.
pub fn success_of(result: &impl Serialize) -> Vec<u8> {
    success(512, |out| write_result(out, result))
}

/// A success with something said beside its result (spec §10 C31).
pub fn success_with_message(result: &impl Serialize, message: &impl Serialize) -> Vec<u8> {
    let mut out = br#"{"success":true,"errors":[],"messages":["#.to_vec();
    write_result(&mut out, message);
    out.extend_from_slice(br#"],"result":"#);
    write_result(&mut out, result);
    out.push(b'}');
    out
}

/// A success without a result: deletions (spec §10 C23).
pub fn success_without_result() -> Vec<u8> {
    success(4, |out| out.extend_from_slice(b"null"))
}

/// A success with one page of a list.
pub fn success_of_page(items: &[impl Serialize], page: &Page) -> Vec<u8> {
    success(512 * (1 + items.len()), |out| {
        write_result(out, &items);
        out.extend_from_slice(br#","result_info":"#);
        write_result(out, page);
    })
}

fn write_result(out: &mut Vec<u8>, result: &impl Serialize) {
    // Writing into memory fails only for maps with keys that are no text, and no answer has one.
    let _ = serde_json::to_writer(out, result);
}

/// A failure.
pub fn failure(fault: &Fault) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(br#"{"success":false,"errors":[{"#);
    write_code_and_text(&mut out, fault.line(), fault.text());
    if let Some(pointer) = fault.pointer() {
        out.extend_from_slice(br#","source":{"pointer":"#);
        write_string(&mut out, pointer);
        out.push(b'}');
    }
    if let Some(line) = fault.chain() {
        out.extend_from_slice(br#","error_chain":[{"#);
        write_code_and_text(&mut out, line, line.text);
        out.extend_from_slice(b"}]");
    }
    if let Some(line) = fault.second() {
        out.extend_from_slice(b"},{");
        write_code_and_text(&mut out, line, line.text);
    }
    out.extend_from_slice(br#"}],"messages":[],"result":null}"#);
    out
}

fn write_code_and_text(out: &mut Vec<u8>, line: &Line, text: &str) {
    out.extend_from_slice(br#""code":"#);
    write_number(out, u64::from(line.code));
    out.extend_from_slice(br#","message":"#);
    write_string(out, text);
}

/// Which part of a list an answer shows (spec §1.6 `result_info`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Page {
    /// Items shown.
    pub count: usize,
    /// The page's number, from 1.
    pub page: usize,
    /// The most items on a page.
    pub per_page: usize,
    /// Items in the whole list.
    pub total_count: usize,
    /// Pages of the whole list; 0 when it is empty.
    pub total_pages: usize,
}

impl Page {
    /// Items on a page when the caller does not say (spec §2.2).
    pub const ITEMS_DEFAULT: usize = 100;

    /// The page `page` of a list of `total` items, with the range of items it shows; past the end it shows none.
    /// Without a page and a size it shows everything, since some clients cannot ask for more (spec §10 C24).
    pub fn of(total: usize, page: Option<usize>, per_page: Option<usize>) -> (Self, core::ops::Range<usize>) {
        let everything = page.is_none() && per_page.is_none();
        let size =
            if everything { total.max(Self::ITEMS_DEFAULT) } else { per_page.unwrap_or(Self::ITEMS_DEFAULT) };
        let (page, per_page) = (page.unwrap_or(1).max(1), size.max(1));
        let start = (page - 1).saturating_mul(per_page).min(total);
        let end = start.saturating_add(per_page).min(total);
        let shown = Self {
            count: end - start,
            page,
            per_page,
            total_count: total,
            total_pages: total.div_ceil(per_page),
        };
        (shown, start..end)
    }
}

/// An answer as a client reads it.
#[derive(Debug, Deserialize)]
pub struct Envelope<T> {
    /// Whether the call was carried out.
    pub success: bool,
    /// What went wrong; empty on success.
    #[serde(default)]
    pub errors: Vec<Problem>,
    /// The result, when there is one.
    pub result: Option<T>,
    /// The part of a list that `result` is.
    #[serde(default)]
    pub result_info: Option<Page>,
}

/// One entry of [`Envelope::errors`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// The code; `docs/errors.md` lists them.
    pub code: u32,
    /// The text for people.
    pub message: String,
    /// Where in the request it is.
    #[serde(default)]
    pub source: Option<ProblemSource>,
}

/// Where in the request a problem is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProblemSource {
    /// A JSON pointer (RFC 6901) into the request's body.
    pub pointer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Kind;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_envelope_has_its_four_keys() {
        assert_eq!(
            text(success_without_result()),
            r#"{"success":true,"errors":[],"messages":[],"result":null}"#
        );
        assert_eq!(
            text(failure(&Fault::new(Kind::RouteUnknown).beside(Kind::NoRoute))),
            concat!(
                r#"{"success":false,"errors":[{"code":7003,"message":"Could not route to this path, perhaps your "#,
                r#"object identifier is invalid?"},{"code":7000,"message":"No route for that URI"}],"messages":[],"result":null}"#
            )
        );
        assert_eq!(
            text(failure(&Fault::new(Kind::HeadersMalformed).because_of(Kind::AuthorizationFormat))),
            concat!(
                r#"{"success":false,"errors":[{"code":6003,"message":"Invalid request headers","error_chain":"#,
                r#"[{"code":6111,"message":"Invalid format for Authorization header"}]}],"messages":[],"result":null}"#
            )
        );
        assert_eq!(
            text(failure(&Fault::new(Kind::JsonInvalid).detailed("a \"b\"").at("/messages/0/body"))),
            concat!(
                r#"{"success":false,"errors":[{"code":10207,"message":"a \"b\"","source":"#,
                r#"{"pointer":"/messages/0/body"}}],"messages":[],"result":null}"#
            )
        );
    }

    #[test]
    fn a_list_tells_its_page() {
        let (page, range) = Page::of(3, Some(2), Some(2));
        assert_eq!(range, 2..3);
        assert_eq!(
            text(success_of_page(&["c"], &page)),
            concat!(
                r#"{"success":true,"errors":[],"messages":[],"result":["c"],"result_info":"#,
                r#"{"count":1,"page":2,"per_page":2,"total_count":3,"total_pages":2}}"#
            )
        );
    }

    #[test]
    fn pages_add_up() {
        assert_eq!(Page::of(250, None, None).1, 0..250);
        assert_eq!(Page::of(250, Some(1), None).1, 0..100);
        assert_eq!(Page::of(250, Some(3), None).1, 200..250);
        assert_eq!(Page::of(250, Some(4), None).1, 250..250);
        assert_eq!(Page::of(250, None, Some(7)).1, 0..7);
        assert_eq!(Page::of(250, Some(usize::MAX), Some(1000)).1, 250..250);
        let (empty, range) = Page::of(0, None, None);
        assert_eq!((range, empty.per_page, empty.total_pages), (0..0, 100, 0));
    }
}
