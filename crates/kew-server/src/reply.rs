//! The one door by which answers leave: status, headers, envelope.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};
use kew_wire::catalogue::Again;
use kew_wire::{Fault, Kind, envelope};

use crate::operations::Success;
use crate::request_id::RequestId;
use crate::routes;

/// What hyper sends.
pub(crate) type Answer = Response<Full<Bytes>>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// On the answer to a push that was carried out before, under the same idempotency key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Wraps a success.
pub(crate) fn to_success(success: Success, id: RequestId) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(success.body)));
    add_headers(answer.headers_mut(), id);
    if let Some(content_type) = success.content_type {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if success.is_repeated {
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

/// Wraps a failure of a request to `path`.
pub(crate) fn to_failure(fault: &Fault, path: &str, id: RequestId) -> Answer {
    let line = fault.line();
    let mut answer = Response::new(Full::new(Bytes::from(envelope::failure(fault))));
    *answer.status_mut() = StatusCode::from_u16(line.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    add_headers(headers, id);
    match line.again {
        Again::Unsaid => {}
        Again::Never => {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        Again::After(seconds) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
    }
    if fault.kind() == Kind::MethodNotAllowed
        && let Ok(methods) = HeaderValue::from_str(&routes::methods_of(path))
    {
        headers.insert(ALLOW, methods);
    }
    if matches!(fault.kind(), Kind::BodyTooLarge | Kind::BodyTimedOut | Kind::ConnectionMalformed) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn add_headers(headers: &mut HeaderMap, id: RequestId) {
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(REQUEST_ID, id.header());
}

/// Why bytes are no request, by the digits of the status that hyper has for them.
pub(crate) fn malformed(status: &[u8]) -> Fault {
    Fault::new(match status {
        b"431" | b"414" => Kind::HeadersTooLarge,
        _ => Kind::ConnectionMalformed,
    })
}

/// Why a request is not taken whose large head is not finished, while there is no room for more of these.
pub(crate) fn crowded() -> Fault {
    let why =
        "too many requests with large headers are unfinished; send the headers in one piece, or try again";
    Fault::new(Kind::Overloaded).detailed(why)
}

/// Why bytes are not taken that are no TLS, on a server that speaks nothing else.
pub(crate) fn plaintext() -> Fault {
    let why = "this server speaks HTTPS on this port: use https:// in place of http://";
    Fault::new(Kind::ConnectionMalformed).detailed(why)
}

/// The whole answer to what never became a request; the connection ends with it.
pub(crate) fn to_no_request(fault: &Fault, id: RequestId) -> Vec<u8> {
    let line = fault.line();
    let status = StatusCode::from_u16(line.status).unwrap_or(StatusCode::BAD_REQUEST);
    let again = match line.again {
        Again::After(seconds) => format!("retry-after: {seconds}\r\n"),
        Again::Unsaid | Again::Never => String::new(),
    };
    let body = envelope::failure(fault);
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-request-id: {id}\r\n{again}connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}
