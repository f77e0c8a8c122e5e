//! What becomes of a request on its way, and of its answer on the way back.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::line::{Answer, Line, Pace};
use super::pass;
use super::site::Site;

/// How long a client waits for an answer that the network has lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// By when the server must have answered whatever reached it, by its own time, a wait of a pull included.
const ANSWERED_BY: Duration = Duration::from_secs(20);

/// An accident, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The request does not arrive.
    LostRequest,
    /// The connection breaks within the request: in its head, or in its body.
    CutRequest,
    /// The request arrives when the client has given up.
    LateRequest,
    /// It arrives twice, the second time after a while.
    TwiceRequest,
    /// It arrives in small pieces.
    SlowRequest,
    /// The client leaves before the answer.
    LostAnswer,
    /// The connection breaks within the answer.
    CutAnswer,
    /// The answer is taken in small pieces.
    SlowAnswer,
}

impl Trouble {
    const ALL: [Self; 9] = [
        Self::None,
        Self::LostRequest,
        Self::CutRequest,
        Self::LateRequest,
        Self::TwiceRequest,
        Self::SlowRequest,
        Self::LostAnswer,
        Self::CutAnswer,
        Self::SlowAnswer,
    ];
}

/// How often each accident happened, in their order.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Troubles([u64; Trouble::ALL.len()]);

impl Troubles {
    fn count(&mut self, trouble: Trouble) {
        self.0[trouble as usize] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// How many there were.
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().skip(1).sum()
    }

    pub(super) fn all_happened(&self) -> bool {
        self.0.iter().all(|count| *count > 0)
    }
}

/// What a client, and whoever sees all, knows after a request was sent once.
#[derive(Debug)]
pub(super) enum Told {
    /// It was answered. `times`: how often the server got it.
    Answer { answer: Answer, times: u32 },
    /// No server has got it whole, nor will.
    NeverWhole,
    /// There is no answer, and it may be carried out so often, now or later.
    Nothing { times: u32 },
}

impl Told {
    /// No answer to a request that arrived, or will arrive, so often.
    fn after(times: u32) -> Self {
        if times == 0 { Self::NeverWhole } else { Self::Nothing { times } }
    }
}

/// A client's connection, and what it sends over it.
pub(super) struct Journey {
    pub(super) site: Arc<Site>,
    pub(super) random: StdRng,
    pub(super) trouble: f64,
    line: Option<Line>,
}

impl Journey {
    pub(super) fn new(site: Arc<Site>, random: StdRng, trouble: f64) -> Self {
        Self { site, random, trouble, line: None }
    }

    /// Sends the bytes of a request once.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Told {
        let is_troubled = self.random.random_bool(self.trouble);
        let kinds = 1..Trouble::ALL.len();
        let trouble = if is_troubled { Trouble::ALL[self.random.random_range(kinds)] } else { Trouble::None };
        {
            let mut counts = self.site.counts.lock().unwrap();
            counts.requests += 1;
            counts.troubles.count(trouble);
        }
        if self.random.random_bool(self.site.gathers) {
            self.site.gather(Duration::from_millis(self.random.random_range(1..40)));
        }
        let cut = self.random.random_range(0..bytes.len());
        match trouble {
            Trouble::LostRequest => {
                self.line = None;
                pass(PATIENCE).await;
                Told::NeverWhole
            }
            Trouble::CutRequest => {
                self.deliver(&bytes[..cut], Pace::FULL).await;
                self.line = None;
                Told::NeverWhole
            }
            Trouble::LateRequest => {
                self.again_later(bytes);
                self.line = None;
                pass(PATIENCE).await;
                Told::Nothing { times: 1 }
            }
            Trouble::TwiceRequest => {
                self.again_later(bytes);
                self.exchange(bytes, Pace::FULL, Pace::FULL, 2).await
            }
            Trouble::SlowRequest => {
                let pace = self.slow(bytes.len());
                self.exchange(bytes, pace, Pace::FULL, 1).await
            }
            Trouble::SlowAnswer => {
                let pace = self.slow(2_000);
                self.exchange(bytes, Pace::FULL, pace, 1).await
            }
            Trouble::LostAnswer | Trouble::CutAnswer => self.leave_early(bytes, trouble).await,
            Trouble::None => self.exchange(bytes, Pace::FULL, Pace::FULL, 1).await,
        }
    }

    /// A pace at which so many bytes take three seconds at most.
    fn slow(&mut self, bytes: usize) -> Pace {
        let pieces = self.random.random_range(2..30);
        Pace {
            piece_bytes: bytes.div_ceil(pieces),
            pause: Duration::from_millis(self.random.random_range(1..100)),
        }
    }

    /// Has the same bytes arrive once more, on a connection of their own.
    fn again_later(&mut self, bytes: &[u8]) {
        let (site, bytes) = (self.site.clone(), bytes.to_vec());
        let delay = Duration::from_millis(self.random.random_range(0..6_000));
        let waits = self.random.random_bool(0.5);
        self.site.later(async move {
            pass(delay).await;
            let Some(mut line) = site.connect(16_384).await else { return };
            if line.write(&bytes, Pace::FULL).await.is_ok() && waits {
                let _ = timeout(ANSWERED_BY, line.answer(Pace::FULL)).await;
            }
        });
    }

    /// Writes to the connection, or to a new one; false when that breaks.
    async fn deliver(&mut self, bytes: &[u8], pace: Pace) -> bool {
        if self.line.is_none() {
            let room_bytes = [100, 1_000, 65_536][self.random.random_range(0..3)];
            self.line = self.site.connect(room_bytes).await;
        }
        match &mut self.line {
            Some(line) => line.write(bytes, pace).await.is_ok(),
            None => false,
        }
    }

    async fn exchange(&mut self, bytes: &[u8], out: Pace, back: Pace, times: u32) -> Told {
        if !self.deliver(bytes, out).await {
            self.line = None;
            return Told::after(times - 1);
        }
        let Some(line) = &mut self.line else { return Told::after(times) };
        match timeout(ANSWERED_BY, line.answer(back)).await {
            Ok(Ok(answer)) => Told::Answer { answer, times },
            Ok(Err(_)) => {
                self.line = None;
                Told::after(times)
            }
            Err(_) => {
                let request = String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
                self.site.record.lock().unwrap().wrong.push(format!("{request} was not answered"));
                self.line = None;
                Told::after(times)
            }
        }
    }

    async fn leave_early(&mut self, bytes: &[u8], trouble: Trouble) -> Told {
        let is_whole = self.deliver(bytes, Pace::FULL).await;
        let wait = Duration::from_millis(self.random.random_range(0..60));
        let most_bytes = self.random.random_range(1..400);
        if let Some(mut line) = self.line.take() {
            match trouble {
                Trouble::CutAnswer => drop(timeout(ANSWERED_BY, line.read(most_bytes)).await),
                _ => pass(wait).await,
            }
        }
        Told::after(u32::from(is_whole))
    }
}
