//! What a check found, as tables for people and as JSON for programs.

mod text;

use std::path::Path;

use kew_embedded::check::{QueueLabel, ReplayOutcome, Report};
use kew_journal::Lsn;
use serde::Serialize;

/// The copy that a salvage made.
#[derive(Debug, Serialize)]
pub(super) struct Copy {
    folder: String,
    messages: u64,
    queues: usize,
    /// The last payload before the log breaks off.
    broken_after: Option<u64>,
}

/// All that is printed. The fields' order is that of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    folder: String,
    whole: bool,
    /// Why a server would not open the store, if it would not.
    refusal: Option<String>,
    store_id: String,
    first_payload: Option<u64>,
    last_payload: u64,
    payloads_read: u64,
    accounts: usize,
    tokens: usize,
    messages: u64,
    messages_read: u64,
    queues: Vec<Queue>,
    segments: Vec<Segment>,
    checkpoints: Vec<Checkpoint>,
    checkpoints_agree: &'static str,
    losses: Vec<Loss>,
    findings: Vec<Finding>,
    rules_broken: Vec<String>,
    copy: Option<Copy>,
}

#[derive(Debug, Serialize)]
struct Queue {
    name: String,
    id: String,
    account: String,
    messages: u64,
    bytes: u64,
    leased: u64,
    delayed: u64,
    messages_read: u64,
}

#[derive(Debug, Serialize)]
struct Segment {
    file: String,
    first_payload: u64,
    last_payload: u64,
    bytes: u32,
    live_messages: u64,
}

#[derive(Debug, Serialize)]
struct Checkpoint {
    file: String,
    covers: u64,
    bytes: u64,
    whole: bool,
}

#[derive(Debug, Serialize)]
struct Loss {
    queue: String,
    queue_id: Option<String>,
    first: u64,
    last: u64,
    messages: u64,
    file: Option<String>,
}

#[derive(Debug, Serialize)]
struct Finding {
    file: String,
    offset: u64,
    end: Option<u64>,
    first_payload: Option<u64>,
    last_payload: Option<u64>,
    reason: String,
    damage: bool,
}

impl Copy {
    pub(super) fn new(folder: &Path, broken_at: Option<Lsn>, messages: u64, queues: usize) -> Self {
        let broken_after = broken_at.map(|lsn| lsn.0);
        Self { folder: folder.display().to_string(), messages, queues, broken_after }
    }
}

impl Answer {
    pub(super) fn new(folder: &Path, report: &Report, keys: Option<String>, copy: Option<Copy>) -> Self {
        let mut findings: Vec<_> = report.log.findings.iter().map(Finding::of).collect();
        findings.extend(keys.map(|reason| Finding::whole_file("keys", reason, true)));
        if report.frames_dropped > 0 {
            let reason = "the last write was cut short; nobody was answered about it".to_owned();
            findings.push(Finding::whole_file("log", reason, false));
        }
        let mut rules_broken = report.violations.clone();
        if let ReplayOutcome::Differs(queues) = &report.replay {
            let names = queues.join(", ");
            rules_broken.push(format!("the log over the older checkpoint comes to another state of {names}"));
        }
        let covered = report.checkpoints().first().map_or(0, |seen| seen.covered.0);
        Self {
            folder: folder.display().to_string(),
            whole: report.is_whole() && !findings.iter().any(|finding| finding.damage),
            refusal: report.refusal.clone(),
            store_id: report.log.store_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            first_payload: report.log.segments.first().map(|info| info.first_lsn.0),
            last_payload: report.log.last_lsn.0.max(covered),
            payloads_read: report.log.frames,
            accounts: report.accounts,
            tokens: report.tokens,
            messages: report.queues.iter().map(|queue| queue.messages).sum(),
            messages_read: report.readable(),
            queues: queues(report),
            segments: segments(report),
            checkpoints: checkpoints(report),
            checkpoints_agree: match report.replay {
                ReplayOutcome::Agrees(_) => "yes",
                ReplayOutcome::NoOther | ReplayOutcome::OutOfReach => "nothing to compare",
                ReplayOutcome::Differs(_) => "no",
            },
            losses: report.losses.iter().map(Loss::of).collect(),
            findings,
            rules_broken,
            copy,
        }
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }
}

fn name_of(queue: &QueueLabel) -> String {
    queue.name.as_ref().map_or_else(|| format!("number {}", queue.number.0), ToString::to_string)
}

fn queues(report: &Report) -> Vec<Queue> {
    let each = report.queues.iter().map(|seen| Queue {
        name: name_of(&seen.queue),
        id: seen.queue.id.map(|id| id.to_string()).unwrap_or_default(),
        account: seen.queue.account.map(|id| id.to_string()).unwrap_or_default(),
        messages: seen.messages,
        bytes: seen.bytes,
        leased: seen.leased,
        delayed: seen.delayed,
        messages_read: seen.readable,
    });
    each.collect()
}

fn segments(report: &Report) -> Vec<Segment> {
    let each = report.log.segments.iter().map(|info| {
        let live = report.live.iter().find(|(id, _)| *id == info.id);
        Segment {
            file: format!("log/{}.seg", info.id),
            first_payload: info.first_lsn.0,
            last_payload: info.last_lsn.0,
            bytes: info.end_offset,
            live_messages: live.map_or(0, |(_, count)| *count),
        }
    });
    each.collect()
}

fn checkpoints(report: &Report) -> Vec<Checkpoint> {
    let each = report.checkpoints().iter().map(|seen| Checkpoint {
        file: format!("checkpoint/{:016x}.ckpt", seen.number),
        covers: seen.covered.0,
        bytes: seen.bytes,
        whole: seen.is_intact,
    });
    each.collect()
}

impl Loss {
    fn of(loss: &kew_embedded::check::Loss) -> Self {
        Self {
            queue: name_of(&loss.queue),
            queue_id: loss.queue.id.map(|id| id.to_string()),
            first: loss.first,
            last: loss.last,
            messages: loss.messages,
            file: loss.segment.map(|segment| format!("log/{segment}.seg")),
        }
    }
}

impl Finding {
    fn of(finding: &kew_journal::Finding) -> Self {
        Self {
            file: finding.file.clone(),
            offset: finding.offset,
            end: finding.end,
            first_payload: finding.missing.map(|(first, _)| first.0),
            last_payload: finding.missing.map(|(_, last)| last.0),
            reason: finding.reason.clone(),
            damage: finding.is_damage,
        }
    }

    fn whole_file(file: &str, reason: String, damage: bool) -> Self {
        let file = file.to_owned();
        Self { file, offset: 0, end: None, first_payload: None, last_payload: None, reason, damage }
    }
}
