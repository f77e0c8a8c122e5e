//! What every client does: ask, and know what it learned.

use std::io::ErrorKind;

use kew_testkit::history::{Learned, Span};
use rand::rngs::StdRng;
use serde_json::Value;

use crate::connection::{Answer, Connection};
use crate::load::Load;
use crate::record::Event;

/// The code of "outcome unknown" (docs/errors.md).
const OUTCOME_UNKNOWN: u64 = 19_004;
/// The code of a server that is being stopped and has done nothing.
const UNAVAILABLE: u64 = 10_503;

/// Something that neither a kill nor a failed disk explains.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was answered with 200 and this result.
    Answered(Value),
    /// It was answered with 200, and that it had been carried out before.
    Repeated,
    /// It was answered that nothing happened.
    Refused,
    /// It may have happened.
    Unknown,
}

impl Outcome {
    /// What the judge is told of the whole request.
    pub(crate) fn learned(&self) -> Learned {
        match self {
            Self::Answered(_) | Self::Repeated => Learned::Ok,
            Self::Refused => Learned::Failed,
            Self::Unknown => Learned::Unknown,
        }
    }
}

/// One client with its connection.
pub(crate) struct Client<'a> {
    pub(crate) load: Load<'a>,
    pub(crate) random: StdRng,
    pub(crate) events: Vec<Event>,
    connection: Option<Connection>,
    /// The number of the server that it speaks to, or whose end it saw.
    server: u64,
}

impl<'a> Client<'a> {
    pub(crate) fn new(load: Load<'a>, random: StdRng) -> Self {
        Self { load, random, events: Vec::new(), connection: None, server: 0 }
    }

    /// Waits for a server to speak to; false when the run is over.
    pub(crate) fn has_server(&mut self) -> bool {
        while self.connection.is_none() {
            let Some(server) = self.load.gate.pass(self.server) else { return false };
            self.server = server;
            // A server that is gone again is waited for like any other.
            self.connection = Connection::open(self.load.site.address).ok();
        }
        !self.load.gate.is_over()
    }

    /// Sends a request about a queue's messages, to the server of the last [`Client::has_server`].
    pub(crate) fn ask(&mut self, queue: &str, verb: &str, body: &str) -> Result<(Span, Outcome), Wrong> {
        self.send(&self.load.site.messages(queue, verb), None, body)
    }

    /// The same by the path of any call, and under an idempotency key if there is one.
    pub(crate) fn send(
        &mut self,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Result<(Span, Outcome), Wrong> {
        let invoked = self.load.watch.elapsed();
        let Some(connection) = &mut self.connection else {
            // The server of an earlier request in the same round has gone; this one was not sent.
            return Ok((Span { invoked, answered: invoked }, Outcome::Refused));
        };
        let outcome = match connection.post_once(path, &self.load.site.token, key, body) {
            Ok(answer) => self.judge(path, answer)?,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(Wrong(format!("{path} was answered with what is no answer")));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Wrong(format!("{path} was not answered in time")));
            }
            Err(_) => {
                self.connection = None;
                self.load.gate.count_cut();
                Outcome::Unknown
            }
        };
        Ok((Span { invoked, answered: self.load.watch.elapsed() }, outcome))
    }

    fn judge(&mut self, path: &str, mut answer: Answer) -> Result<Outcome, Wrong> {
        let wrong = |answer: &Answer| Err(Wrong(format!("{path} got {}: {}", answer.status, answer.body)));
        if answer.status == 200 && answer.body["success"] == true {
            if answer.is_repeat {
                return Ok(Outcome::Repeated);
            }
            return Ok(Outcome::Answered(answer.body["result"].take()));
        }
        if answer.status != 503 || answer.body["success"] != false {
            return wrong(&answer);
        }
        let text = answer.body["errors"][0]["message"].as_str().unwrap_or_default();
        let outcome = match answer.code() {
            OUTCOME_UNKNOWN if text.contains("outcome") && text.contains("unknown") => {
                self.load.gate.count_unsure();
                Outcome::Unknown
            }
            UNAVAILABLE => Outcome::Refused,
            _ => return wrong(&answer),
        };
        self.connection = None;
        Ok(outcome)
    }
}
