//! What both CRMs do to those who call them, by turns: now and then a call goes wrong, then much goes wrong, then nobody is there.

use std::time::Duration;

use crm_gateway::sandbox::fault::{Fault, Faults};
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::payers::weather::Weather;

/// What a time is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sky {
    /// One call in fifty goes wrong.
    Fair,
    /// Three payments in ten do, and one in twenty of everything else.
    Storm,
    /// One of the CRMs closes every connection.
    Outage,
}

impl Sky {
    /// The next one, and for how long.
    pub(crate) fn next(dice: &mut StdRng) -> (Self, Duration) {
        let (sky, seconds) = match dice.random_range(0..10) {
            0..5 => (Self::Fair, 20..60),
            5..9 => (Self::Storm, 10..40),
            _ => (Self::Outage, 5..20),
        };
        (sky, Duration::from_secs(dice.random_range(seconds)))
    }

    pub(crate) fn over(self, alfa: &crm_gateway::sandbox::alfa::Crm, crypto: &Faults, weather: Weather) {
        crypto.clear();
        weather.calm(alfa);
        match self {
            Self::Fair => {
                alfa.faults().at_random(None, weather.seed, &mixed(0.004));
                crypto.at_random(None, weather.seed, &mixed(0.004));
            }
            Self::Storm => {
                weather.storm(alfa);
                crypto.at_random(None, weather.seed, &mixed(0.01));
            }
            // The other one stays, and must go on to be asked.
            Self::Outage if weather.seed.is_multiple_of(2) => weather.outage(alfa),
            Self::Outage => crypto.next(None, usize::MAX, Fault::DropBefore),
        }
    }
}

/// Each of five ways to fail at these odds.
fn mixed(odds: f64) -> [(f64, Fault); 5] {
    let broken = Fault::Status {
        code: 502,
        body: "<html><body>Bad gateway</body></html>".to_owned(),
        content_type: "text/html",
        retry_after: None,
    };
    [
        (odds, Fault::DropBefore),
        (odds, Fault::DropMidBody),
        (odds, broken),
        (odds, Fault::Hang),
        (odds, Fault::Latency(Duration::from_millis(900))),
    ]
}
