//! Who waits for a call, on what terms, and whether anybody still does. A call that nobody waits for any more is not
//! sent; one that was sent is seen through, because its answer is paid for.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Ctx;
use super::allowance::Exhausted;
use super::context::Payer;

/// Those who wait for one call. Clones are the same party.
#[derive(Debug, Clone, Default)]
pub struct Interest(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    party: Mutex<Party>,
    /// Somebody joined or left, which concerns whoever works on the call.
    changed: Notify,
    /// Somebody was refused, which concerns those who wait.
    refused: Notify,
}

#[derive(Debug, Default)]
struct Party {
    members: Vec<Member>,
    /// The number of whoever joined last.
    last: u32,
    /// Those who joined until then have been judged.
    judged: u32,
    turn: Turn,
}

/// The turn of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Turn {
    /// Nobody knows yet.
    #[default]
    Unknown,
    Expected(Instant),
    /// It has left.
    Had,
}

#[derive(Debug)]
struct Member {
    number: u32,
    /// Whether the call is not given up as long as this one waits.
    keeps: bool,
    terms: Option<Terms>,
    /// Apart, because many may wait and few are refused.
    refused: Option<Box<Refused>>,
}

/// On what terms somebody waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who, and with what right.
    pub payer: Payer,
    /// Since when.
    pub since: Instant,
    /// When the answer can no longer matter.
    pub deadline: Instant,
    /// The longest wait for a turn it accepts; nothing said is as long as there is.
    pub max_wait: Option<Duration>,
}

/// Why a call is not made for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It would wait so long, which is too long.
    Wait(Duration),
    /// The CRM takes no calls for so long.
    Closed(Duration),
    /// A sign-in takes too long.
    SignIn,
    /// It may cause no more calls today.
    Exhausted(Exhausted),
}

impl Refused {
    /// How long the call would have had to wait, as far as that is known.
    pub fn wait(self) -> Duration {
        match self {
            Self::Wait(wait) | Self::Closed(wait) => wait,
            Self::Exhausted(exhausted) => exhausted.retry_after,
            Self::SignIn => Duration::ZERO,
        }
    }
}

/// One caller's interest; dropping it is leaving.
#[derive(Debug)]
pub struct Waiting {
    interest: Interest,
    number: u32,
}

impl Terms {
    /// Those of a request that came at `since`.
    pub fn of(ctx: &Ctx, since: Instant) -> Self {
        Self { payer: ctx.payer.clone(), since, deadline: ctx.deadline, max_wait: ctx.max_wait }
    }

    /// Until when it waits for a turn, where nobody may wait for more than `longest`.
    pub fn until(&self, longest: Duration) -> Instant {
        self.deadline.min(self.since + self.max_wait.unwrap_or(longest).min(longest))
    }
}

impl Interest {
    /// Joins those who wait. Without terms the call is only kept from being given up: nothing is asked for it.
    pub fn join(&self, terms: Option<Terms>) -> Waiting {
        self.enter(true, terms)
    }

    /// States terms for a call whose callers stated none. They end with the answer, and keep nothing from being given up.
    pub fn state(&self, terms: Terms) -> Waiting {
        self.enter(false, Some(terms))
    }

    fn enter(&self, keeps: bool, terms: Option<Terms>) -> Waiting {
        let mut party = self.party();
        party.last += 1;
        let number = party.last;
        let tells = terms.is_some();
        // Most have one member, and many calls may wait.
        if party.members.is_empty() {
            party.members.reserve_exact(1);
        }
        party.members.push(Member { number, keeps, terms, refused: None });
        drop(party);
        if tells {
            self.0.changed.notify_waiters();
        }
        Waiting { interest: self.clone(), number }
    }

    /// Whether anybody who was not refused waits on terms.
    pub fn has_terms(&self) -> bool {
        self.party().accepted().next().is_some()
    }

    /// The terms of all who were not refused; they count as judged, so [`Self::joined`] completes for later ones only.
    pub fn all(&self) -> Vec<(u32, Terms)> {
        self.since(0)
    }

    /// The terms of those who joined since they were last asked for.
    pub fn newcomers(&self) -> Vec<(u32, Terms)> {
        let judged = self.party().judged;
        self.since(judged)
    }

    /// Completes when somebody has joined on terms who was not judged.
    pub fn joined(&self) -> impl Future<Output = ()> {
        known(&self.0.changed, || self.party().has_newcomers().then_some(()))
    }

    /// Tells one of those who wait that it cannot be served on its terms.
    pub fn refuse(&self, number: u32, why: Refused) {
        if let Some(member) = self.party().members.iter_mut().find(|member| member.number == number) {
            member.refused = Some(Box::new(why));
        }
        self.0.refused.notify_waiters();
    }

    /// When the first of those who wait gives up waiting for a turn, where nobody may wait for more than `longest`.
    pub fn first_until(&self, longest: Duration) -> Option<Instant> {
        self.party().accepted().map(|(_, terms)| terms.until(longest)).min()
    }

    /// When the last of them does.
    pub fn last_until(&self, longest: Duration) -> Option<Instant> {
        self.party().accepted().map(|(_, terms)| terms.until(longest)).max()
    }

    /// When the answer can no longer matter to any of those who wait.
    pub fn deadline(&self) -> Option<Instant> {
        self.party().accepted().map(|(_, terms)| terms.deadline).max()
    }

    /// Notes when the turn of the call is expected.
    pub fn expect_turn(&self, at: Instant) {
        self.party().turn = Turn::Expected(at);
    }

    /// When the turn of the call is expected; `None` while nobody knows, and when it has left.
    pub fn expected_turn(&self) -> Option<Instant> {
        match self.party().turn {
            Turn::Expected(at) => Some(at),
            Turn::Unknown | Turn::Had => None,
        }
    }

    /// Whether the call has left for the CRM.
    pub fn is_sent(&self) -> bool {
        self.party().turn == Turn::Had
    }

    /// Notes that the call has left for the CRM.
    pub fn sent(&self) {
        self.party().turn = Turn::Had;
    }

    /// Notes that what was sent came to nothing and waits to be sent again.
    pub fn not_sent(&self) {
        self.party().turn = Turn::Unknown;
        self.0.changed.notify_waiters();
    }

    /// Completes when all callers have left before the call was sent.
    pub async fn lost(&self) {
        known(&self.0.changed, || self.party().is_lost().then_some(())).await;
    }

    fn since(&self, number: u32) -> Vec<(u32, Terms)> {
        let mut party = self.party();
        party.judged = party.last;
        let accepted = party.accepted().filter(|(joined, _)| *joined > number);
        accepted.map(|(number, terms)| (number, terms.clone())).collect()
    }

    fn party(&self) -> MutexGuard<'_, Party> {
        self.0.party.lock().expect("no code panics while it holds the party")
    }
}

impl Party {
    fn accepted(&self) -> impl Iterator<Item = (u32, &Terms)> {
        let accepted = self.members.iter().filter(|member| member.refused.is_none());
        accepted.filter_map(|member| Some((member.number, member.terms.as_ref()?)))
    }

    fn has_newcomers(&self) -> bool {
        self.accepted().any(|(number, _)| number > self.judged)
    }

    fn is_lost(&self) -> bool {
        self.turn != Turn::Had && self.members.iter().all(|member| !member.keeps)
    }

    fn refused(&self, number: u32) -> Option<Refused> {
        self.members.iter().find(|member| member.number == number)?.refused.as_deref().copied()
    }
}

impl Waiting {
    /// Completes when the call cannot be served on the terms of this caller, with why.
    pub async fn refused(&self) -> Refused {
        let Interest(shared) = &self.interest;
        known(&shared.refused, || self.interest.party().refused(self.number)).await
    }
}

/// What `look` finds, looking again whenever something changes.
#[allow(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice, and many may wait")]
fn known<T>(changed: &Notify, look: impl Fn() -> Option<T>) -> impl Future<Output = T> {
    async move {
        loop {
            let mut change = pin!(changed.notified());
            // Listening begins before looking, so that nothing is missed.
            change.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            change.await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut party = self.interest.party();
        if let Some(at) = party.members.iter().position(|member| member.number == self.number) {
            party.members.swap_remove(at);
        }
        let all_left = party.is_lost();
        drop(party);
        if all_left {
            self.interest.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use futures_util::FutureExt as _;

    fn terms(max_wait: u32) -> Terms {
        let payer = Payer { consumer: "somebody".into(), class: Class::Batch, weight: 1, allowance: None };
        let since = Instant::now();
        let deadline = since + Duration::from_secs(30);
        Terms { payer, since, deadline, max_wait: Some(Duration::from_secs(max_wait.into())) }
    }

    #[tokio::test]
    async fn a_call_is_lost_when_the_last_one_leaves_and_it_was_not_sent() {
        let interest = Interest::default();
        let (one, other) = (interest.join(None), interest.join(Some(terms(1))));
        drop(one);
        assert!(interest.lost().now_or_never().is_none());
        interest.sent();
        drop(other);
        assert!(interest.lost().now_or_never().is_none(), "its answer is paid for");
        interest.not_sent();
        assert!(interest.lost().now_or_never().is_some());
    }

    #[tokio::test]
    async fn each_is_judged_once_and_only_whoever_is_refused_learns_of_it() {
        let interest = Interest::default();
        let patient = interest.join(Some(terms(20)));
        assert_eq!(interest.all().len(), 1);
        assert!(interest.joined().now_or_never().is_none());
        let hasty = interest.join(Some(terms(2)));
        assert!(interest.joined().now_or_never().is_some());
        let newcomers = interest.newcomers();
        assert_eq!(newcomers.len(), 1);
        assert!(interest.joined().now_or_never().is_none());
        let why = Refused::Wait(Duration::from_secs(9));
        interest.refuse(newcomers[0].0, why);
        assert_eq!(hasty.refused().now_or_never(), Some(why));
        assert!(patient.refused().now_or_never().is_none());
        assert_eq!(
            interest.first_until(Duration::from_secs(60)),
            Some(interest.all()[0].1.until(Duration::from_secs(60)))
        );
        assert_eq!(interest.all().len(), 1, "whoever was refused is not asked about again");
    }
}
