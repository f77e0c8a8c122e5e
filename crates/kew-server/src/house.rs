//! What one request goes through, from its headers to its answer.

use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::sync::atomic::AtomicUsize;
use core::task::Poll;
use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::header::{CONNECTION, EXPECT, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Request, body::Body as _, body::Incoming};
use kew_model::{Broker, Chance, Clock};
use kew_wire::lease_id::KeyRing;
use kew_wire::{Fault, Kind};
use tokio::sync::{Mutex, Semaphore, watch as channel};

use crate::body::{BODY_BYTES_MAX, RequestBody};
use crate::connection::{HeadRoom, Phase, Stage, Watch};
use crate::door::{Door, Knock};
use crate::guest::{Guest, Guests};
use crate::meters::Meters;
use crate::operations::{self, Call, Success};
use crate::reply::{self, Answer};
use crate::request_id::RequestIds;
use crate::routes::{self, Right};
use crate::settings::Settings;
use crate::told::{self, Told};
use crate::waiting::Waiting;

/// Of how many refused requests at a time, of clients whom nobody knows, the rest is waited for. Each takes some 20 KiB.
const UNKNOWN_BODIES_MAX: usize = 256;

/// Everything that requests share.
pub(crate) struct House {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Arc<dyn Clock>,
    /// How far the server is from its end, for all who wait.
    pub(crate) stage: channel::Sender<Stage>,
    pub(crate) waiting: Waiting,
    /// For the large unfinished heads of all connections.
    pub(crate) head_room: Arc<HeadRoom>,
    pub(crate) guests: Arc<Guests>,
    /// On how many connections hyper speaks.
    pub(crate) spoken: AtomicUsize,
    pub(crate) meters: Meters,
    /// One scrape at a time has the turn.
    pub(crate) scrapes: Mutex<()>,
    settings: Settings,
    door: Door,
    request_ids: RequestIds,
    /// A permit for each byte of a body in hand.
    body_room: Semaphore,
    body_room_bytes: usize,
    /// A permit for each refused request of somebody unknown of which more is to come.
    unknown_bodies: Semaphore,
}

impl House {
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        keys: KeyRing,
        settings: Settings,
    ) -> Self {
        let request_ids = RequestIds::new(chance.as_ref());
        let room = settings.bodies_in_flight_bytes.clamp(BODY_BYTES_MAX as usize, Semaphore::MAX_PERMITS);
        let waiting = Waiting::new(waiters_max(&settings));
        let stage = channel::Sender::new(Stage::Serving);
        let body_room = Semaphore::new(room);
        let head_room = Arc::new(HeadRoom::new(settings.heads_in_flight_bytes));
        let door = Door::new(&settings);
        let (guests, meters, scrapes) = (Arc::default(), Meters::new(), Mutex::new(()));
        Self {
            broker,
            chance,
            keys,
            clock,
            stage,
            waiting,
            head_room,
            guests,
            spoken: AtomicUsize::new(0),
            meters,
            scrapes,
            settings,
            door,
            request_ids,
            body_room,
            body_room_bytes: room,
            unknown_bodies: Semaphore::new(UNKNOWN_BODIES_MAX),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether requests are taken, and will be for a while.
    pub(crate) fn is_ready(&self) -> bool {
        *self.stage.borrow() == Stage::Serving
    }

    /// How much room bodies take of what there is for them, in bytes.
    pub(crate) fn bodies_in_hand_bytes(&self) -> usize {
        self.body_room_bytes - self.body_room.available_permits()
    }

    /// The whole answer to what never became a request.
    pub(crate) fn answer_no_request(&self, fault: &Fault, guest: Guest) -> Vec<u8> {
        let id = self.request_ids.draw();
        self.meters.answered(None, Some(fault), None);
        told::no_request(id, guest, fault, &self.settings);
        reply::to_no_request(fault, id)
    }

    /// Answers one request, whatever happens.
    pub(crate) async fn answer(&self, request: Request<Incoming>, guest: Guest, watch: &Watch) -> Answer {
        watch.enter(Phase::Body);
        let id = self.request_ids.draw();
        let (head, incoming) = request.into_parts();
        let asker = guest.asker(&head.headers, &self.settings.trusted_proxies);
        let mut told = Told::new(id, asker, &self.settings);
        let mut body = RequestBody::new(incoming, head.headers.contains_key(EXPECT));
        let knock = Knock { headers: &head.headers, asker, is_known: asker == guest && watch.is_known() };
        let outcome = {
            let work = pin!(self.carry_out(&head, knock, &mut body, &mut told, watch));
            guarded(work, watch).await
        };
        let is_left = !body.is_at_end() && !self.is_discarded(&mut body, watch).await;
        if is_left {
            watch.leave_unread();
        }
        let (mut answer, fault) = match outcome {
            Ok(success) => (reply::to_success(success, id), None),
            Err(fault) => {
                let fault = match &told.matched {
                    Some(matched) => operations::naming(fault, matched),
                    None => fault,
                };
                (reply::to_failure(&fault, head.uri.path(), id), Some(fault))
            }
        };
        if is_left || head.headers.contains_key(TRANSFER_ENCODING) {
            // Chunks are not followed by who watches the heads, so nothing after them is taken for a request.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        (told.bytes_in, told.bytes_out) = (body.bytes(), answer.body().size_hint().lower());
        let operation = told.matched.map(|matched| matched.route.operation);
        let took = (!watch.take_has_waited()).then(|| told.started.elapsed());
        self.meters.answered(operation, fault.as_ref(), took);
        told.tell(&head, fault.as_ref(), &self.settings, self.clock.as_ref());
        watch.enter(Phase::Writing);
        answer
    }

    /// Takes the rest of a body that no verb has read, so that the connection can go on; false when some is left. A client
    /// whom nobody knows may hold thousands of connections, so only so many are waited for.
    async fn is_discarded(&self, body: &mut RequestBody, watch: &Watch) -> bool {
        let is_free = watch.is_known() || watch.is_in_hand();
        let Ok(_place) = (if is_free { Ok(None) } else { self.unknown_bodies.try_acquire().map(Some) })
        else {
            return false;
        };
        let discarded = pin!(async { Ok(body.discard().await) });
        guarded(discarded, watch).await.unwrap_or(false)
    }

    async fn carry_out<'a>(
        &self,
        head: &'a Parts,
        knock: Knock<'_>,
        body: &mut RequestBody,
        told: &mut Told<'a>,
        watch: &Watch,
    ) -> Result<Success, Fault> {
        let matched = routes::find(&head.method, head.uri.path())?;
        told.matched = Some(matched);
        let route = matched.route;
        if route.right == Right::Nothing {
            return operations::constant(route.operation, self);
        }
        let clock = self.clock.as_ref();
        let caller = self.door.open(knock, &self.settings, self.broker.as_ref(), clock)?;
        told.token = caller.token();
        caller.check(route.right, matched.account)?;
        watch.become_known();
        let (query, headers) = (head.uri.query(), &head.headers);
        let (body_bytes, body_room, made) = (Bytes::new(), None, OnceLock::new());
        let mut call =
            Call { house: self, caller, matched, query, headers, watch, body: body_bytes, body_room, made };
        // Whose object it is comes before what is said of it.
        let place = operations::place_of(&call)?;
        let (read, has_waited) = noting_waits(pin!(body.read(&self.body_room))).await;
        (call.body, call.body_room) = read?;
        watch.continue_as(Phase::Work);
        if has_waited {
            // A body may take its time, in which the caller's token, or the queue's name, may have changed.
            call.judge_again(place)?;
        }
        let outcome = operations::carry_out(&mut call, place).await;
        told.made = call.made.take();
        outcome
    }
}

/// How many pulls may wait: as many as allowed, and never so many that no connection is left for those who push.
pub(crate) fn waiters_max(settings: &Settings) -> usize {
    let kept = (settings.connections_max / 4).max(64);
    settings.waiters_max.min(settings.connections_max.saturating_sub(kept).max(1))
}

/// Carries work out until it ends, panics, or the connection's timer says that its time is over. The work stays where it is:
/// a request's whole is some kilobytes, which were copied for each of them.
async fn guarded<T>(
    mut work: Pin<&mut impl Future<Output = Result<T, Fault>>>,
    watch: &Watch,
) -> Result<T, Fault> {
    core::future::poll_fn(|context| {
        if watch.take_expired() {
            let kind = if watch.phase() == Phase::Body { Kind::BodyTimedOut } else { Kind::RequestTimedOut };
            return Poll::Ready(Err(Fault::new(kind)));
        }
        // After a panic the work is dropped and never polled again, so nobody sees it half done.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(Fault::new(Kind::InternalError).caused_by(said(&*panic)))),
        }
    })
    .await
}

/// Carries work out, and tells whether it had to wait.
async fn noting_waits<T>(mut work: Pin<&mut impl Future<Output = T>>) -> (T, bool) {
    let mut has_waited = false;
    core::future::poll_fn(|context| {
        let poll = work.as_mut().poll(context);
        has_waited |= poll.is_pending();
        poll.map(|done| (done, has_waited))
    })
    .await
}

/// What a panic said.
fn said(panic: &(dyn core::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|text| &**text));
    format!("panic: {}", text.unwrap_or("without a text"))
}
