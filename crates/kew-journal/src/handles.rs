//! Which segments' files are open.
//!
//! A backlog can span more segments than a process may have files open. So only the segment being written and the
//! next one are held open all the time, each for reading and once for each group that may be under way; of the others the most recently opened stay open, and a file that is
//! wanted again is opened again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use crate::disk::Disk;
use crate::segment::Segment;
use crate::shared::locked;

/// How many files of sealed segments stay open.
const OPEN_FILES_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Handles {
    pub(crate) disk: Arc<dyn Disk>,
    /// Segments whose file may be closed, the longest open first.
    closable: Mutex<VecDeque<Weak<Segment>>>,
}

impl Handles {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Arc<Self> {
        Arc::new(Self { disk, closable: Mutex::default() })
    }

    /// From now on this segment's file may be closed when others are opened.
    pub(crate) fn may_close(&self, segment: &Arc<Segment>) {
        let mut closable = locked(&self.closable);
        closable.push_back(Arc::downgrade(segment));
        if closable.len() > OPEN_FILES_MAX
            && let Some(longest) = closable.pop_front().and_then(|segment| segment.upgrade())
        {
            longest.close_file();
        }
    }
}
