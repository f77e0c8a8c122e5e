//! One call to the kernel, as `strace -f -y` writes it.
//!
//! A call takes one line, or two when another thread's came in between: `7 read(3<F> <unfinished ...>` and later
//! `7 <... read resumed>"text", 9) = 4`.

use std::collections::HashMap;

/// A call of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name, such as "pwritev".
    pub name: String,
    /// What its first argument stands for: a file's path, or a socket as `socket:[123]`; empty when it is no file.
    pub channel: String,
    /// Its arguments as written.
    pub text: String,
    /// The line on which it began, from 0.
    pub entered: usize,
    /// The line on which it ended, if it did.
    pub returned: Option<usize>,
    /// What it returned, without explanation: "0", "-1".
    pub result: String,
}

impl Call {
    /// Whether bytes come in by a socket.
    pub fn is_receipt(&self) -> bool {
        self.is_socket() && matches!(self.name.as_str(), "read" | "recvfrom" | "recvmsg")
    }

    /// Whether bytes go out by a socket.
    pub fn is_sending(&self) -> bool {
        self.is_socket() && matches!(self.name.as_str(), "write" | "writev" | "sendto" | "sendmsg")
    }

    /// Whether bytes go to a place of a file.
    pub fn is_write(&self) -> bool {
        matches!(self.name.as_str(), "pwritev" | "pwritev2" | "pwrite64")
    }

    /// Whether a file is made durable.
    pub fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fdatasync" | "fsync")
    }

    fn is_socket(&self) -> bool {
        self.channel.starts_with("socket:")
    }

    fn end(&mut self, line: usize, rest: &str) {
        // What a call returned stands behind the last " = ", since texts are the arguments' and come before.
        let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
        self.text.push_str(arguments);
        self.result = result.split(' ').next().unwrap_or_default().to_owned();
        self.returned = Some(line);
    }
}

/// The calls of a trace in the order in which they began. Lines that are no calls (signals, exits) are passed over.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (line, text) in trace.lines().enumerate() {
        let Some((thread, text)) = text.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some((_, rest)) = text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
            if let Some(index) = unfinished.remove(thread) {
                calls[index].end(line, rest);
            }
            continue;
        }
        let Some((name, rest)) = text.split_once('(') else { continue };
        let (channel, _) =
            rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).unwrap_or_default();
        let mut call = Call {
            name: name.to_owned(),
            channel: channel.to_owned(),
            text: String::new(),
            entered: line,
            returned: None,
            result: String::new(),
        };
        match rest.strip_suffix("<unfinished ...>") {
            Some(arguments) => {
                call.text.push_str(arguments);
                unfinished.insert(thread, calls.len());
            }
            None => call.end(line, rest),
        }
        calls.push(call);
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_on_one_line_and_one_on_two() {
        let trace = "7 pwritev(4</d/log/1>, [{iov_base=\"a = b\", iov_len=5}], 1, 0) = 5\n\
                     8 fdatasync(4</d/log/1> <unfinished ...>\n\
                     7 +++ exited with 0 +++\n\
                     8 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)\n";
        let calls = calls(trace);
        assert_eq!(calls.len(), 2);
        assert_eq!(
            (calls[0].channel.as_str(), calls[0].returned, calls[0].result.as_str()),
            ("/d/log/1", Some(0), "5")
        );
        assert!(calls[0].text.contains("a = b") && calls[0].is_write());
        assert_eq!((calls[1].entered, calls[1].returned, calls[1].result.as_str()), (1, Some(3), "-1"));
        assert!(calls[1].is_sync());
    }
}
