//! A server under abuse: many bad clients at once, and a good one that is served all the while.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use kew_proof::{Connection, Kew, PATIENCE, Site, Stopwatch, Vitals};
use serde_json::Value;

/// What abuse may cost in memory at the most, beside what an idle server holds.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// A server, and what it held before.
pub(crate) struct Siege {
    pub(crate) site: Site,
    kew: Kew,
    vitals: Vitals,
    idle_bytes: u64,
    idle_sockets: usize,
    friend: Connection,
    _folder: tempfile::TempDir,
}

/// What a bad client was told, and whether the server said that it hangs up, and did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// The code of the first error; 0 when there is none.
    pub(crate) code: u64,
    pub(crate) hung_up: bool,
}

impl Siege {
    /// A server that has served a push, so that what it needs once is there.
    pub(crate) fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (site, kew) = Site::found(folder.path());
        let vitals = kew.vitals();
        let friend = Connection::open(site.address).unwrap();
        let (idle_bytes, idle_sockets) = (0, 0);
        let mut siege = Self { site, kew, vitals, idle_bytes, idle_sockets, friend, _folder: folder };
        siege.serves();
        siege.settles(siege.vitals.sockets());
        (siege.idle_bytes, siege.idle_sockets) = (siege.vitals.resident_bytes(), siege.vitals.sockets());
        siege
    }

    /// The head of a push to come, up to and without the end of its headers.
    pub(crate) fn push_head(&self, more: &str) -> String {
        let (path, token) = (self.site.messages(&self.site.queues.work, ""), &self.site.token);
        format!("POST {path} HTTP/1.1\r\nhost: kew\r\nauthorization: Bearer {token}\r\n{more}")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.site.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends the same bytes on so many connections at once, reading all the while; `piece` comes `times` times
    /// after `head`, or as often as the server takes it.
    pub(crate) fn attack(&self, clients: usize, head: &[u8], piece: &[u8], times: usize) -> Vec<Told> {
        let streams: Vec<_> = (0..clients).map(|_| self.connect()).collect();
        thread::scope(|scope| {
            let attackers: Vec<_> = streams
                .iter()
                .map(|mut stream| {
                    scope.spawn(move || {
                        let pieces = std::iter::repeat_n(piece, times);
                        // A server that has said no and hangs up takes no more.
                        let _ =
                            std::iter::once(head).chain(pieces).try_for_each(|part| stream.write_all(part));
                    });
                    scope.spawn(move || told(stream))
                })
                .collect();
            attackers.into_iter().map(|attacker| attacker.join().unwrap()).collect()
        })
    }

    /// Asserts that a good client is served.
    pub(crate) fn serves(&mut self) {
        let path = self.site.messages(&self.site.queues.work, "");
        let answer = self.friend.post(&path, &self.site.token, r#"{"body":"good"}"#).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// How many connections there are, beside those of an idle server.
    pub(crate) fn connections(&self) -> usize {
        self.vitals.sockets().saturating_sub(self.idle_sockets)
    }

    /// Asserts that a good client is served, that no connection of the bad ones is left, and that memory stayed in its
    /// bound.
    pub(crate) fn end(mut self) {
        self.serves();
        self.settles(self.idle_sockets);
        let (idle, peak) = (self.idle_bytes >> 10, self.vitals.peak_bytes() >> 10);
        crate::campaign::say(&format!("abuse: {idle} KiB idle, {peak} KiB at the peak"));
        assert!(peak <= idle + (MEMORY_BYTES_MAX >> 10), "{idle} KiB idle, {peak} KiB at the peak");
        self.kew.stop();
    }

    /// Waits until no more sockets are open; each look follows an answer, so nobody waits idly.
    fn settles(&mut self, sockets: usize) {
        let watch = Stopwatch::start();
        while self.vitals.sockets() > sockets {
            assert!(watch.elapsed() < PATIENCE, "{} connections stay open", self.connections());
            self.serves();
        }
    }
}

/// Reads an answer; when it says that the connection ends, waits for that, too.
pub(crate) fn told(mut stream: &TcpStream) -> Told {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(told) = answer_in(&bytes) {
            assert!(!told.hung_up || is_at_end(stream, &mut buffer), "the connection goes on: {told:?}");
            return told;
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            end => panic!("no answer: {end:?}: {}", String::from_utf8_lossy(&bytes)),
        }
    }
}

/// An answer, when all of it is there.
fn answer_in(bytes: &[u8]) -> Option<Told> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.get(9..12)?.parse().ok()?;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
    let body: Value = serde_json::from_slice(bytes.get(end..end + length)?).expect("an answer is JSON");
    let code = body["errors"][0]["code"].as_u64().unwrap_or(0);
    Some(Told { status, code, hung_up: head.contains("\r\nconnection: close\r\n") })
}

/// Whether the server ends the connection: by an end, or by a reset when there was more than it would read.
fn is_at_end(mut stream: &TcpStream, buffer: &mut [u8]) -> bool {
    match stream.read(buffer) {
        Ok(count) => count == 0,
        Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
    }
}
