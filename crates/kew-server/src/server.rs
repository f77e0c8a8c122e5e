//! The server: accept, hand over, and in the end drain.

use core::future::Future;
use core::pin::pin;
use std::sync::Arc;

use kew_model::{Broker, Chance, Clock};
use kew_wire::lease_id::KeyRing;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::connection::{self, Stage};
use crate::guest::Guest;
use crate::house::House;
use crate::listen::Listener;
use crate::meters::Arrival;
use crate::settings::Settings;

/// The HTTP house, ready to serve.
pub struct Server {
    house: Arc<House>,
}

/// Tells a server that runs what `/readyz` is to say.
#[derive(Clone)]
pub struct Readiness(Arc<House>);

impl Readiness {
    /// Whether `/readyz` says that the server takes requests.
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// From now on the server says that it is not ready, and serves on: whoever spreads requests has time to send them
    /// elsewhere before it drains.
    pub fn leave(&self) {
        self.0.stage.send_if_modified(|stage| {
            let is_serving = *stage == Stage::Serving;
            if is_serving {
                *stage = Stage::Leaving;
            }
            is_serving
        });
    }
}

impl Server {
    /// A server in front of `broker`. Lease ids are sealed with `keys`, tokens expire by `clock`, and new tokens are
    /// drawn from `chance`.
    pub fn new(
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        keys: KeyRing,
        settings: Settings,
    ) -> Self {
        Self { house: Arc::new(House::new(broker, clock, chance, keys, settings)) }
    }

    /// A handle on what `/readyz` says.
    pub fn readiness(&self) -> Readiness {
        Readiness(self.house.clone())
    }

    /// Serves until `shutdown` is over, then drains: accepts no more, answers what is in hand (pulls that wait, at once), closes idle connections,
    /// and returns when the last connection is closed, after [`Settings::request_timeout`] and
    /// [`Settings::write_timeout`] at the latest. The broker is left open. A listener that fails drains as well.
    pub async fn run<L: Listener>(self, mut listener: L, shutdown: impl Future<Output = ()> + Send) {
        let settings = self.house.settings();
        let connections_max = settings.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(connections_max));
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (listener.accept().await, place)
            };
            let ((stream, address), place) = tokio::select! {
                biased;
                () = shutdown.as_mut() => break,
                (accepted, place) = next => match (accepted, place) {
                    (Ok(accepted), Ok(place)) => (accepted, place),
                    (Err(error), _) => {
                        tracing::error!(%error, "the listener failed");
                        break;
                    }
                    (Ok(_), Err(_)) => break,
                },
            };
            let guest = Guest::new(address);
            let counted = guest.counted(&settings.trusted_proxies);
            let Some(seat) = self.house.guests.seat(counted, settings.connections_per_address_max) else {
                self.house.meters.arrived(Arrival::Refused);
                tracing::debug!(address = %guest, "a connection was refused: its address has as many as it may");
                continue;
            };
            self.house.meters.arrived(Arrival::Accepted);
            let (house, told) = (self.house.clone(), self.house.stage.subscribe());
            tokio::spawn(async move {
                connection::serve(stream, guest, house, told).await;
                drop((seat, place));
            });
        }
        drop(listener);
        self.house.stage.send_replace(Stage::Draining);
        let everything = u32::try_from(connections_max).unwrap_or(u32::MAX);
        let latest = Instant::now() + settings.request_timeout + settings.write_timeout;
        let all_closed = timeout_at(latest, places.acquire_many(everything)).await;
        self.house.stage.send_replace(Stage::Ending);
        if all_closed.is_err() {
            tracing::warn!("connections were closed before their answers were taken");
        }
    }
}
