//! Who calls with credentials that are not good, again and again. Guessing a key is hopeless, but each bad token costs a
//! signature, and a flood of either costs answers.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::Instant;

/// Failures of one peer within [`WINDOW`] after which its further ones are refused without a look.
const MOST: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);
/// Peers that are remembered; who was forgotten begins anew.
const PEERS: u64 = 10_000;

/// The failures of all peers.
#[derive(Debug)]
pub(super) struct Failures {
    peers: Cache<IpAddr, Arc<Mutex<Window>>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    failures: u32,
}

impl Default for Failures {
    fn default() -> Self {
        Self { peers: Cache::builder().max_capacity(PEERS).eviction_policy(EvictionPolicy::lru()).build() }
    }
}

impl Failures {
    /// How long a peer that failed too often is not looked at any more.
    pub(super) fn pause(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let window = self.peers.get(&network(peer))?;
        let window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let left = WINDOW.checked_sub(now.saturating_duration_since(window.began))?;
        (window.failures >= MOST && !left.is_zero()).then_some(left)
    }

    /// A peer failed.
    pub(super) fn note(&self, peer: IpAddr, now: Instant) {
        let new = || Arc::new(Mutex::new(Window { began: now, failures: 0 }));
        let window = self.peers.get_with(network(peer), new);
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= WINDOW {
            *window = Window { began: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
    }
}

/// Whoever has one address of IPv6 has the rest of its network too.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_fails_too_often_is_left_alone_for_a_while_and_others_are_not() {
        let failures = Failures::default();
        let [flood, other]: [IpAddr; 2] = ["2001:db8::1", "203.0.113.7"].map(|text| text.parse().unwrap());
        let neighbour = "2001:db8::2".parse().unwrap();
        for _ in 0..MOST {
            assert_eq!(failures.pause(flood, Instant::now()), None);
            failures.note(flood, Instant::now());
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(failures.pause(flood, Instant::now()), Some(Duration::from_secs(6)));
        assert_eq!(failures.pause(neighbour, Instant::now()), Some(Duration::from_secs(6)));
        assert_eq!(failures.pause(other, Instant::now()), None);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(failures.pause(flood, Instant::now()), None);
        failures.note(flood, Instant::now());
        assert_eq!(failures.pause(flood, Instant::now()), None, "it begins anew");
    }
}
