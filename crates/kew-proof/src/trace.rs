//! In which order a server synced and answered, read from a trace of its calls to the kernel.
//!
//! The lines of a trace stand in the order in which the kernel's calls began and ended. A reply is covered when the
//! log's bytes that it depends on were written, a sync of that file began after this write had ended, and that sync had ended
//! well before the sending of the reply began. Which bytes those are is known exactly for a push (they hold the
//! message); of a pull that brought messages and of an ack it is known that they were written after the request came.

mod call;

use std::collections::{BTreeMap, HashMap};

pub use call::{Call, calls};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Push or batch push.
    Push,
    /// A pull that brought messages.
    Pull,
    /// Acks and retries.
    Ack,
}

/// What a trace shows.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many replies were covered by a sync.
    pub covered: BTreeMap<Verb, u32>,
    /// Those that were not.
    pub early: Vec<String>,
}

/// A request that has come and is not answered yet.
#[derive(Debug, Default)]
struct Waiting {
    text: String,
    /// The line of the trace where its first bytes had come.
    since: usize,
}

/// Judges every reply of a trace to a push, to a pull with messages, and to an ack.
pub fn judge(calls: &[Call]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut waiting: HashMap<&str, Waiting> = HashMap::new();
    let log = Log::of(calls);
    let mut steps: Vec<(usize, &Call)> =
        calls.iter().filter_map(|call| Some((step_of(call)?, call))).collect();
    steps.sort_by_key(|(line, _)| *line);
    for (line, call) in steps {
        if call.is_receipt() {
            let request = waiting.entry(&call.channel).or_default();
            if request.text.is_empty() {
                request.since = line;
            }
            request.text.push_str(&call.text);
            continue;
        }
        let Some(request) = waiting.remove(call.channel.as_str()) else { continue };
        let Some(verb) = verb_of(&request.text, &call.text) else { continue };
        let is_covered = match verb {
            Verb::Push => {
                let mut keys = keys_of(&request.text).peekable();
                keys.peek().is_some()
                    && keys.all(|key| log.covers(request.since, line, |text| text.contains(key)))
            }
            Verb::Pull | Verb::Ack => log.covers(request.since, line, |_| true),
        };
        if is_covered {
            *verdict.covered.entry(verb).or_default() += 1;
        } else {
            verdict.early.push(format!("line {line}: a {verb:?} was answered too early"));
        }
    }
    verdict
}

/// The line at which a call counts: when bytes have come, or when a reply begins to leave.
fn step_of(call: &Call) -> Option<usize> {
    if call.is_receipt() {
        call.returned.filter(|_| call.text.contains("\""))
    } else {
        (call.is_sending() && call.text.contains("\"HTTP/1.1 ")).then_some(call.entered)
    }
}

/// What a request asked for, when it was answered with success and its answer depends on the log.
fn verb_of(request: &str, reply: &str) -> Option<Verb> {
    if !reply.contains("\"HTTP/1.1 200 ") {
        return None;
    }
    let (path, _) = request.split_once("POST ")?.1.split_once(" HTTP/1.1")?;
    let (_, verb) = path.split_once("/messages")?;
    match verb {
        "" | "/batch" => Some(Verb::Push),
        "/pull" => reply.contains("lease_id").then_some(Verb::Pull),
        "/ack" => Some(Verb::Ack),
        _ => None,
    }
}

/// The bodies of a push as far as they are unlike any other: the text before the first bar, with the bar. Quotes are
/// escaped in a trace.
fn keys_of(request: &str) -> impl Iterator<Item = &str> {
    let bodies = request.split(r#"\"body\":\""#).skip(1);
    bodies.map(|body| body.find('|').map_or(body, |bar| &body[..=bar]))
}

/// The writes and syncs of the log's files.
#[derive(Debug)]
struct Log<'a> {
    writes: Vec<&'a Call>,
    syncs: Vec<&'a Call>,
}

impl<'a> Log<'a> {
    fn of(calls: &'a [Call]) -> Self {
        let in_log = |call: &&Call| call.channel.contains("/log/");
        let select =
            |is_wanted: fn(&Call) -> bool| calls.iter().filter(in_log).filter(move |call| is_wanted(call));
        Self { writes: select(Call::is_write).collect(), syncs: select(Call::is_sync).collect() }
    }

    /// Whether a write between two lines is of the wanted kind and synced before the second.
    fn covers(&self, since: usize, until: usize, is_wanted: impl Fn(&str) -> bool) -> bool {
        let first = self.writes.partition_point(|write| write.entered < since);
        let mut writes = self.writes[first..].iter().take_while(|write| write.entered < until);
        writes.any(|write| {
            let Some(written) = write.returned else { return false };
            is_wanted(&write.text) && self.synced(&write.channel, written, until)
        })
    }

    fn synced(&self, file: &str, since: usize, until: usize) -> bool {
        let first = self.syncs.partition_point(|sync| sync.entered < since);
        let mut syncs = self.syncs[first..].iter().take_while(|sync| sync.entered < until);
        syncs.any(|sync| {
            let ended = sync.returned.is_some_and(|ended| ended < until);
            ended && sync.result == "0" && sync.channel == file
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = r#"7 recvfrom(9<socket:[5]>, "POST /a/q/messages HTTP/1.1\r\n\r\n{\"body\":\"k1|0|\"}", 8192, 0, NULL, NULL) = 60"#;
    const WRITE: &str = r#"8 pwritev(4<D/log/1.seg>, [{iov_base="\1\0k1|0|\0", iov_len=9}], 1, 64) = 9"#;
    const SYNC: &str = "8 fdatasync(4<D/log/1.seg>) = 0";
    const REPLY: &str =
        r#"7 sendto(9<socket:[5]>, "HTTP/1.1 200 OK\r\n\r\n{}", 23, MSG_NOSIGNAL, NULL, 0) = 23"#;

    fn early(lines: &[&str]) -> usize {
        judge(&calls(&lines.join("\n"))).early.len()
    }

    #[test]
    fn a_reply_after_the_sync_of_its_bytes_is_in_order() {
        let verdict = judge(&calls(&[REQUEST, WRITE, SYNC, REPLY].join("\n")));
        assert_eq!((verdict.covered.get(&Verb::Push), verdict.early.len()), (Some(&1), 0));
    }

    #[test]
    fn a_reply_before_the_sync_or_without_one_is_early() {
        assert_eq!(early(&[REQUEST, WRITE, REPLY, SYNC]), 1);
        assert_eq!(early(&[REQUEST, WRITE, REPLY]), 1);
        assert_eq!(early(&[REQUEST, SYNC, WRITE, REPLY]), 1);
        assert_eq!(early(&[REQUEST, REPLY]), 1);
        assert_eq!(
            early(&[&REQUEST.replace("body", "else"), WRITE, SYNC, REPLY]),
            1,
            "whose bytes, nobody knows"
        );
    }

    #[test]
    fn a_sync_of_another_file_or_of_other_bytes_or_a_failed_one_does_not_count() {
        assert_eq!(early(&[REQUEST, WRITE, &SYNC.replace("1.seg", "2.seg"), REPLY]), 1);
        assert_eq!(early(&[REQUEST, &WRITE.replace("k1", "k2"), SYNC, REPLY]), 1);
        assert_eq!(early(&[REQUEST, WRITE, &SYNC.replace("= 0", "= -1 EIO (Input/output error)"), REPLY]), 1);
    }

    #[test]
    fn a_sync_that_began_before_the_write_ended_or_is_not_back_yet_does_not_count() {
        let (begun, back) = ("8 fdatasync(4<D/log/1.seg> <unfinished ...>", "8 <... fdatasync resumed>) = 0");
        assert_eq!(early(&[REQUEST, WRITE, begun, back, REPLY]), 0);
        assert_eq!(early(&[REQUEST, WRITE, begun, REPLY, back]), 1);
        let other = "6 fdatasync(4<D/log/1.seg> <unfinished ...>";
        assert_eq!(early(&[REQUEST, other, WRITE, "6 <... fdatasync resumed>) = 0", REPLY]), 1);
    }

    #[test]
    fn empty_pulls_and_refusals_depend_on_nothing() {
        let pull = REQUEST.replace("/messages", "/messages/pull");
        assert_eq!(early(&[&pull, REPLY]), 0);
        assert_eq!(early(&[&pull, &REPLY.replace("{}", "lease_id")]), 1);
        assert_eq!(early(&[REQUEST, &REPLY.replace("200", "503")]), 0);
    }
}
