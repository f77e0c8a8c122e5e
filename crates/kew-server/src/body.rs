//! A request's body: bounded in size (1 MiB), in the bytes of all bodies together, and, by the connection's timer, in
//! time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use kew_wire::{Fault, Kind};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The most bytes of a body.
pub(crate) const BODY_BYTES_MAX: u32 = 1024 * 1024;

/// How much of a body is read, in bytes, before it needs room among all bodies. One read may add to it.
const SMALL_BODY_BYTES: usize = 32 * 1024;

/// A body that is read at most once.
pub(crate) struct RequestBody {
    incoming: Incoming,
    /// The client waits for `100 Continue` before it sends the body.
    is_awaited: bool,
    is_read: bool,
    is_finished: bool,
    bytes: u64,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, is_awaited: bool) -> Self {
        Self { incoming, is_awaited, is_read: false, is_finished: false, bytes: 0 }
    }

    /// How many bytes have come, for the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing of it is still to come.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_finished || self.incoming.is_end_stream()
    }

    /// Reads all of it. The permit stands for its bytes in the bound on all bodies; keep it as long as them. A small body
    /// needs none, so that it never waits behind large ones that are slow.
    pub(crate) async fn read<'a>(
        &mut self,
        room: &'a Semaphore,
    ) -> Result<(Bytes, Option<SemaphorePermit<'a>>), Fault> {
        self.is_read = true;
        if self.is_at_end() {
            return Ok((Bytes::new(), None));
        }
        let declared = self.incoming.size_hint().upper();
        let size = match declared.map(u32::try_from) {
            None => BODY_BYTES_MAX,
            Some(Ok(size)) if size <= BODY_BYTES_MAX => size,
            Some(_) => return Err(self.too_large(declared)),
        };
        let Some(first) = self.next().await? else { return Ok((Bytes::new(), None)) };
        // Nearly always the whole body comes at once, and then it is not copied.
        if self.is_at_end() {
            return Ok((first, None));
        }
        let mut all = BytesMut::with_capacity(SMALL_BODY_BYTES.min(size as usize).max(first.len()));
        all.extend_from_slice(&first);
        drop(first);
        while all.len() < SMALL_BODY_BYTES {
            let Some(part) = self.next().await? else { return Ok((all.freeze(), None)) };
            all.extend_from_slice(&part);
        }
        // For all of it at once: who has room needs no more of it, so nobody waits for one who waits.
        let mut permit = room.acquire_many(size).await.ok();
        if declared.is_some() {
            all.reserve((size as usize).saturating_sub(all.len()));
        }
        while let Some(part) = self.next().await? {
            if all.len() + part.len() > BODY_BYTES_MAX as usize {
                return Err(self.too_large(declared));
            }
            all.extend_from_slice(&part);
        }
        // What a body in chunks did not need is there for others.
        drop(permit.as_mut().and_then(|permit| permit.split((size as usize).saturating_sub(all.len()))));
        Ok((all.freeze(), permit))
    }

    /// Takes what is still to come of a request that was refused before its body was read, within the same bounds, so
    /// that the connection can go on. False when there is too much of it.
    pub(crate) async fn discard(&mut self) -> bool {
        let fits = self.incoming.size_hint().lower() <= u64::from(BODY_BYTES_MAX);
        if self.is_read || self.is_awaited || !fits {
            return self.is_at_end();
        }
        while self.bytes <= u64::from(BODY_BYTES_MAX) {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// The next part of the body.
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(frame) = self.incoming.frame().await {
            let frame =
                frame.map_err(|error| Fault::new(Kind::BodyUnreadable).caused_by(error.to_string()))?;
            // Trailers mean nothing here.
            if let Ok(part) = frame.into_data() {
                self.bytes += part.len() as u64;
                return Ok(Some(part));
            }
        }
        self.is_finished = true;
        Ok(None)
    }

    fn too_large(&self, declared: Option<u64>) -> Fault {
        let fault = Fault::new(Kind::BodyTooLarge);
        match declared {
            Some(size) => {
                fault.detailed(format!("a request body holds at most {BODY_BYTES_MAX} bytes, not {size}"))
            }
            None => fault,
        }
    }
}
