//! The wire from outside: what is read, what is refused and how, and every answer byte for byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod access;
mod consumers;
mod documentation;
mod extend;
mod identity;
mod origins;
mod peek;
mod preview;
mod pull;
mod push;
mod queues;
mod redrive;
mod references;
mod round_trip;
mod settle;
mod subscriptions;

use kew_model::{Chance, Timestamp};
use kew_wire::Fault;

/// Bytes that are always the same.
struct Fixed(u8);

impl Chance for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// 2024-05-20T14:43:56.704Z.
const MOMENT: Timestamp = Timestamp(1_716_216_236_704);

/// What a fault shows: code, text, pointer.
fn shown<T>(result: Result<T, Fault>) -> (u32, String, String) {
    let fault = result.err().expect("a refusal");
    (fault.line().code, fault.text().to_owned(), fault.pointer().unwrap_or_default().to_owned())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("answers are UTF-8")
}
