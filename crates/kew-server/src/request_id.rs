//! A name for each request, for its answer (`x-request-id`) and its line in the log.

use core::sync::atomic::{AtomicU64, Ordering};

use hyper::header::HeaderValue;
use kew_model::Chance;

/// Draws request ids: half of each is random and the server's own, half counts up.
pub(crate) struct RequestIds {
    base: u64,
    next: AtomicU64,
}

/// The name of one request: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId(u128);

impl RequestIds {
    pub(crate) fn new(chance: &dyn Chance) -> Self {
        let mut base = [0; 8];
        chance.fill(&mut base);
        Self { base: u64::from_be_bytes(base), next: AtomicU64::new(0) }
    }

    pub(crate) fn draw(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(u128::from(self.base) << 64 | u128::from(count))
    }
}

impl RequestId {
    fn digits(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        digits
    }

    pub(crate) fn header(self) -> HeaderValue {
        // Hexadecimal digits always fit a header.
        HeaderValue::from_bytes(&self.digits()).unwrap_or(HeaderValue::from_static("-"))
    }
}

impl core::fmt::Display for RequestId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
