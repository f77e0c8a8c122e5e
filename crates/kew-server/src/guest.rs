//! Where a connection comes from, and how many come from there.
//!
//! An address is one of IPv4, or the first half of one of IPv6, since whoever has one of those has 2⁶⁴. Loopback and
//! proxies that the operator named stand for many, so they are not counted; for whom such a proxy speaks is told by its
//! header `x-forwarded-for`, which is believed from nobody else.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::header::HeaderName;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Its address; `None` within the process.
    address: Option<IpAddr>,
}

impl Guest {
    pub(crate) fn new(address: Option<IpAddr>) -> Self {
        Self { address }
    }

    /// The address; `None` within the process.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.address
    }

    /// Who asks through this connection: the other end itself, or the one that a trusted proxy speaks for.
    pub(crate) fn asker(self, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        if !self.address.is_some_and(|address| proxies.contains(&address)) {
            return self;
        }
        // Each proxy adds whom it speaks for at the end, so what stands before the last stranger may be made up.
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut names =
            lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(',').map(str::trim));
        let stranger =
            names.find_map(|name| match name.parse::<IpAddr>().map(|address| address.to_canonical()) {
                Ok(address) if proxies.contains(&address) => None,
                Ok(address) => Some(Self::new(Some(address))),
                // What cannot be read hides who stands before it.
                Err(_) => Some(self),
            });
        stranger.unwrap_or(self)
    }

    /// What it counts under; `None` when it is not to be counted.
    pub(crate) fn counted(self, proxies: &[IpAddr]) -> Option<IpAddr> {
        match self.address? {
            address if address.is_loopback() || proxies.contains(&address) => None,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            address => Some(address),
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// How many connections each address has. It holds an address as long as it has a connection, so it is never larger than
/// the bound on all connections.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    counts: Mutex<HashMap<IpAddr, usize>>,
    open: AtomicUsize,
}

/// The place of one connection in the count of its address.
pub(crate) struct Seat {
    guests: Arc<Guests>,
    counted: Option<IpAddr>,
}

impl Guests {
    /// Counts one more connection from an address; `None` when it has as many as it may.
    pub(crate) fn seat(self: &Arc<Self>, counted: Option<IpAddr>, most: usize) -> Option<Seat> {
        if let Some(address) = counted {
            let mut counts = self.counts();
            let count = counts.entry(address).or_default();
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        self.open.fetch_add(1, Relaxed);
        Some(Seat { guests: Arc::clone(self), counted })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guests.open.fetch_sub(1, Relaxed);
        let Some(address) = self.counted else { return };
        let mut counts = self.guests.counts();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn asker(from: &str, lines: &[&'static str], proxies: &[IpAddr]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        Guest::new(Some(ip(from))).asker(&headers, proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_whom_it_speaks_for() {
        let proxies = [ip("10.0.0.1"), ip("10.0.0.2")];
        let lines = ["203.0.113.9, 198.51.100.7", "10.0.0.2"];
        assert_eq!(asker("10.0.0.1", &lines, &proxies), "198.51.100.7");
        assert_eq!(asker("192.0.2.1", &lines, &proxies), "192.0.2.1");
        assert_eq!(asker("127.0.0.1", &lines, &proxies), "127.0.0.1");
        assert_eq!(asker("10.0.0.1", &[], &proxies), "10.0.0.1");
        assert_eq!(asker("10.0.0.1", &["198.51.100.7, unknown"], &proxies), "10.0.0.1");
        assert_eq!(asker("10.0.0.1", &["::ffff:198.51.100.7"], &proxies), "198.51.100.7");
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_count_as_one_and_loopback_as_none() {
        let counted = |address| Guest::new(Some(ip(address))).counted(&[ip("10.0.0.1")]);
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:1"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("192.0.2.1"), Some(ip("192.0.2.1")));
        assert_eq!((counted("127.0.0.1"), counted("::1"), counted("10.0.0.1")), (None, None, None));
    }

    #[test]
    fn an_address_has_so_many_seats_and_is_forgotten_without_any() {
        let guests = Arc::new(Guests::default());
        let one = Some(ip("192.0.2.1"));
        let seats = [guests.seat(one, 2).unwrap(), guests.seat(one, 2).unwrap()];
        assert!(guests.seat(one, 2).is_none());
        assert!(guests.seat(Some(ip("192.0.2.2")), 2).is_some() && guests.seat(None, 0).is_some());
        drop(seats);
        assert!(guests.counts().is_empty());
        assert!(guests.seat(one, 2).is_some());
    }
}
