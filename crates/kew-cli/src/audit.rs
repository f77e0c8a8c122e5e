//! The audit log as a file: one JSON object a line, added at the end, readable by its owner alone.
//!
//! A line is in the file before the answer it tells of leaves; it is not synced. The file has a bound: at 64 MiB it becomes
//! `….1`, in place of the one before, and a new one is begun. SIGHUP opens it anew, for those who move it away
//! themselves. When it cannot be written to, the log says so, and the server goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use kew_server::{Audit, AuditEntry};
use kew_wire::rfc3339;
use serde::Serialize;

/// The size at which the file is put aside, in bytes.
const BYTES_MAX: u64 = 64 << 20;

/// The file.
#[derive(Debug)]
pub(crate) struct AuditFile {
    path: PathBuf,
    bytes_max: u64,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

/// A line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    address: Option<String>,
    token_id: Option<String>,
    action: &'a str,
    account_id: Option<&'a str>,
    queue_id: Option<&'a str>,
    item_id: Option<&'a str>,
    made_id: Option<&'a str>,
    status: u16,
    code: u32,
}

impl AuditFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Self::open_bounded(path, BYTES_MAX)
    }

    fn open_bounded(path: &Path, bytes_max: u64) -> anyhow::Result<Self> {
        let open = open(path).with_context(|| format!("cannot write the audit log {}", path.display()))?;
        Ok(Self { path: path.to_owned(), bytes_max, open: Mutex::new(open) })
    }

    /// Opens the file of this name anew.
    ///
    /// # Errors
    /// When it cannot be written to; then the former one stays in use.
    pub(crate) fn reopen(&self) -> anyhow::Result<()> {
        let next = open(&self.path)
            .with_context(|| format!("cannot write the audit log {}", self.path.display()))?;
        *self.locked() = next;
        Ok(())
    }

    fn write(&self, entry: &AuditEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line::of(entry))?;
        line.push(b'\n');
        let mut open_file = self.locked();
        if open_file.bytes > 0 && open_file.bytes + line.len() as u64 > self.bytes_max {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, aside)?;
            *open_file = open(&self.path)?;
        }
        open_file.file.write_all(&line)?;
        open_file.bytes += line.len() as u64;
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audit for AuditFile {
    fn note(&self, entry: &AuditEntry) {
        if let Err(error) = self.write(entry) {
            tracing::error!(%error, request = entry.request, action = entry.action, "the audit log cannot be written to");
        }
    }
}

impl<'a> Line<'a> {
    fn of(entry: &'a AuditEntry) -> Self {
        Self {
            time: rfc3339(entry.at),
            request_id: &entry.request,
            address: entry.address.map(|address| address.to_string()),
            token_id: entry.token.map(|token| token.to_string()),
            action: entry.action,
            account_id: entry.account.as_deref(),
            queue_id: entry.queue.as_deref(),
            item_id: entry.item.as_deref(),
            made_id: entry.made.as_deref(),
            status: entry.status,
            code: entry.code,
        }
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Open { file, bytes })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use kew_model::{Timestamp, TokenId};

    use super::*;

    fn entry(request: &str) -> AuditEntry {
        AuditEntry {
            at: Timestamp(1_700_000_000_123),
            request: request.to_owned(),
            address: Some([192, 0, 2, 1].into()),
            token: Some(TokenId([0xab; 16])),
            action: "queues-create",
            account: Some("a\u{1b}[2J\n\"}".to_owned()),
            queue: None,
            item: None,
            made: Some("02".repeat(16)),
            status: 200,
            code: 0,
        }
    }

    #[test]
    fn a_line_is_one_object_of_one_line_whatever_stands_in_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        AuditFile::open(&path).unwrap().note(&entry("r-1"));
        AuditFile::open(&path).unwrap().note(&entry("r-2"));
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = concat!(
            r#"{"time":"2023-11-14T22:13:20.123Z","request_id":"r-1","address":"192.0.2.1","#,
            r#""token_id":"abababababababababababababababab","action":"queues-create","#,
            r#""account_id":"a\u001b[2J\n\"}","queue_id":null,"item_id":null,"#,
            r#""made_id":"02020202020202020202020202020202","status":200,"code":0}"#,
        );
        assert_eq!(text.lines().next(), Some(expected));
        assert_eq!(text.lines().count(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_file_is_put_aside_and_never_more_than_two_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = AuditFile::open_bounded(&path, 700).unwrap();
        (0..7).for_each(|number| audit.note(&entry(&format!("r-{number}"))));
        let requests = |name: &str| {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            text.lines().map(|line| line.split('"').nth(7).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (requests("audit.log.1"), requests("audit.log")),
            (vec!["r-4".into(), "r-5".into()], vec!["r-6".into()])
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn one_that_was_moved_away_is_begun_anew_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.log"), folder.path().join("moved"));
        let audit = AuditFile::open(&path).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        audit.note(&entry("r-1"));
        audit.reopen().unwrap();
        audit.note(&entry("r-2"));
        assert!(std::fs::read_to_string(moved).unwrap().contains("r-1"));
        assert!(std::fs::read_to_string(path).unwrap().contains("r-2"));
    }
}
