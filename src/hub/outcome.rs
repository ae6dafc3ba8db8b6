//! Finding out what became of a write that nobody knows of: the CRM is searched for what it would have left behind.
//!
//! That a record is found is believed at once. That it is not is believed only when the search began longer after the
//! call than the CRM may work on it in secret and its lists may lag behind (`settle`). Until then nothing is repeated, and
//! nobody is told that nothing happened.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::deeds::{Act, Clerk, Decision, Made, Teller, not_carried_out};
use super::{Failure, Hub, PageRequest, Provenance, Scope, Shelf};
use crate::crm::{Kind, Likeness, Source, mark};
use crate::idempotency::{Claimed, Deed, Intent, Operation};
use crate::model::allowance::Allowance;
use crate::model::context::{Freshness, Payer, Reason};
use crate::model::interest::Interest;
use crate::model::{Ctx, Entity, Record, RecordId};

/// The pause before a second look; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long one look may take.
const A_LOOK: Duration = Duration::from_secs(60);
/// How long a CRM may refuse to be searched before a person is asked.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Records on a page of a search, and pages of one.
const PAGE: usize = 200;
const PAGES: usize = 50;
/// How far the CRM's clock may be off without anybody being asked.
const SKEW: SignedDuration = SignedDuration::from_mins(15);
/// How far it may be off, in the wrong zone included, without anything being believed that is not so.
const WORST_SKEW: SignedDuration = SignedDuration::from_hours(26);

/// What a write would have left behind, and where.
pub(super) struct Search<E: Entity> {
    source: Arc<dyn Source<E>>,
    intent: Intent,
    path: E::Filter,
    trail: E::Filter,
    claimed: Arc<Claimed>,
    begun: Timestamp,
    /// Whether the CRM said that it did it.
    certain: bool,
}

/// Records that show all that was sent.
struct Alike<E> {
    /// Not older than the write.
    new: Vec<Arc<Record<E>>>,
    /// Older, but not by so much that it is sure.
    recent: Vec<Arc<Record<E>>>,
    /// Not surely older, and the same in what tells one from another, but not in all.
    near: Vec<Arc<Record<E>>>,
}

/// What a look found.
enum Seen<E> {
    /// What was written.
    Record(Arc<Record<E>>),
    /// That the record is gone.
    Gone,
    /// Nothing of it.
    Nothing,
    /// What may be it and may not.
    Unclear(Value),
}

impl<E: Entity> Search<E> {
    pub(super) fn of(act: &Act<E>, claimed: &Arc<Claimed>, certain: bool) -> Self {
        let known = claimed.intended_operation();
        let (intent, begun) =
            known.map(|known| (known.intent, known.at)).expect("it was intended before it was sent");
        Self {
            source: Arc::clone(&act.source),
            intent,
            path: act.path.clone(),
            trail: act.trail.clone(),
            claimed: Arc::clone(claimed),
            begun,
            certain,
        }
    }
}

impl Hub {
    /// Finds out what became of a write that an earlier process left open. `path` is what its path says, and `draft` what
    /// its body says.
    pub async fn resume<E: Entity>(
        &self,
        payer: Payer,
        claimed: Arc<Claimed>,
        operation: Operation,
        (path, draft): (E::Filter, E::Draft),
        clerk: Arc<dyn Clerk<E>>,
    ) {
        let shelf = self.shelf::<E>();
        let ctx = Arc::new(of_nobody(payer));
        let mut teller = Teller::nobody(Arc::clone(&claimed), Arc::clone(&ctx));
        let Ok(source) = shelf.home() else {
            // The CRM it was sent to is not configured any more: it stays open until it is.
            tracing::error!(operation = %operation.id, "an open write cannot be looked for: its CRM is not configured");
            return;
        };
        let search = Search {
            source: Arc::clone(source),
            begun: operation.at,
            trail: E::trail(&path, &draft),
            path,
            certain: false,
            intent: operation.intent,
            claimed: Arc::clone(&claimed),
        };
        // What was known before may be what was before the write.
        shelf.desk.written::<E>(None, None).await;
        let elsewhere = search.intent.crm.as_deref().filter(|address| *address != search.source.address());
        let decision = match elsewhere {
            // That it is not found here would say nothing.
            Some(address) => {
                let reason =
                    format!("it was sent to {address}, and the CRM is called at another address now");
                Decision::Review(search.evidence(&reason, &[]))
            }
            None => shelf.find_out(&ctx, &search, &mut teller).await,
        };
        shelf.decide(&claimed, &*clerk, decision, Provenance::default(), teller).await;
    }
}

/// Whether the CRM was asked and did not answer as it should: then it may be working on the write still.
fn stalls(failure: &Failure) -> bool {
    match failure {
        Failure::Crm(error) => error.sent && error.kind != Kind::Overloaded,
        Failure::Partial(_) => true,
        _ => false,
    }
}

/// Whether looking again would end the same way: what is configured or allowed is in the way, not the CRM's state.
fn is_final(failure: &Failure) -> bool {
    match failure {
        Failure::Crm(error) => matches!(error.kind, Kind::Denied | Kind::Unsupported),
        Failure::ForbiddenBranch(_) => true,
        _ => false,
    }
}

/// The circumstances of a look that no request waits for. No answer is taken that memory has, not even when the CRM fails.
fn of_nobody(payer: Payer) -> Ctx {
    // Counted like any other, but not left undone: a budget must not keep anybody from knowing what became of a payment.
    let allowance = payer.allowance.as_ref().map(Allowance::unbound);
    Ctx {
        payer: Payer { allowance, ..payer },
        reason: Reason::Write,
        deadline: Instant::now(),
        max_wait: None,
        freshness: Freshness { max_age: Some(Duration::ZERO), only_if_cached: false },
        interest: Interest::default(),
        rehearsal: None,
    }
}

impl<E: Entity> Shelf<E> {
    /// Looks until it is known what became of a write.
    pub(super) async fn find_out(&self, ctx: &Ctx, search: &Search<E>, teller: &mut Teller) -> Decision<E> {
        let since = Instant::now();
        let (settles_after, open_for) = (search.source.settles_after(), search.claimed.left_open_for());
        let mut settled = since + settles_after.saturating_sub(open_for);
        // For which end of the settling time what was asked before it is outdated.
        let mut outdated_for = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let looked = Instant::now();
            if looked >= settled && outdated_for != Some(settled) {
                // The look that counts joins no question that was asked before it could count.
                self.desk.written::<E>(None, None).await;
                outdated_for = Some(settled);
            }
            let look = Ctx { deadline: looked + A_LOOK, ..of_nobody(ctx.payer.clone()) };
            match self.look(&look, search).await {
                Ok(Seen::Record(record)) => {
                    self.desk.written(None, Some(&*record)).await;
                    return Decision::Done(Some(Made::whole(record)));
                }
                Ok(Seen::Gone) => return Decision::Done(None),
                Ok(Seen::Unclear(evidence)) if looked >= settled => return Decision::Review(evidence),
                Ok(Seen::Nothing) if looked >= settled && search.certain => {
                    let reason =
                        "the CRM said that it carried the write out, but what it wrote is not to be found";
                    return Decision::Review(search.evidence(reason, &[]));
                }
                Ok(Seen::Nothing) if looked >= settled => {
                    return Decision::Failed(not_carried_out(search.source.crm()));
                }
                Ok(Seen::Nothing | Seen::Unclear(_)) => {}
                Err(failure) if looked >= settled && is_final(&failure) => {
                    let reason = format!("the CRM cannot be searched: {failure}");
                    return Decision::Review(search.evidence(&reason, &[]));
                }
                Err(failure) if looked + open_for >= since + PATIENCE => {
                    let reason = format!("the CRM could not be searched for a day: {failure}");
                    return Decision::Review(search.evidence(&reason, &[]));
                }
                Err(failure) => {
                    if stalls(&failure) {
                        // A CRM that wakes up works off what lies before it in any order.
                        settled = settled.max(Instant::now() + settles_after);
                    }
                    let operation = search.claimed.operation();
                    tracing::warn!(%operation, %failure, "what became of a write could not be looked up yet");
                }
            }
            teller.undecided();
            // The look that counts begins as soon as it may.
            let now = Instant::now();
            let until = if now < settled { (now + pause).min(settled) } else { now + pause };
            sleep(until - now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn look(&self, ctx: &Ctx, search: &Search<E>) -> Result<Seen<E>, Failure> {
        match &search.intent.deed {
            Deed::Create => match &search.intent.parents_own {
                Some(id) => self.look_at_parents_own(ctx, search, id).await,
                None => self.look_for_new(ctx, search).await,
            },
            Deed::Change { id, before } => {
                let now = self.now(ctx, search, id).await?;
                let Some(now) = now else {
                    return Ok(Seen::Unclear(search.evidence("the record is not there any more", &[])));
                };
                Ok(match search.likeness(&now) {
                    Likeness::Alike | Likeness::Marked => Seen::Record(now),
                    Likeness::Near | Likeness::Other if now.raw.value() == *before => Seen::Nothing,
                    Likeness::Near | Likeness::Other => {
                        let reason =
                            "the record has changed, but it does not show all that was to be written";
                        Seen::Unclear(search.evidence(reason, &[now]))
                    }
                })
            }
            Deed::Remove { id, before } => Ok(match self.now(ctx, search, id).await? {
                None => Seen::Gone,
                Some(now) if now.raw.value() == *before => Seen::Nothing,
                Some(now) => {
                    Seen::Unclear(search.evidence("the record is still there, but it has changed", &[now]))
                }
            }),
        }
    }

    /// The record of an id as it is now.
    async fn now(&self, ctx: &Ctx, search: &Search<E>, id: &str) -> Result<Option<Arc<Record<E>>>, Failure> {
        let Ok(id) = id.parse::<RecordId>() else { return Ok(None) };
        match self.get(ctx, &Scope::all(), &search.path, &id).await {
            Ok(found) => Ok(Some(found.value)),
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What is its parent's own cannot be told from what it was before: only the CRM's word says that it was written to.
    async fn look_at_parents_own(&self, ctx: &Ctx, search: &Search<E>, id: &str) -> Result<Seen<E>, Failure> {
        match self.now(ctx, search, id).await? {
            Some(record) if search.certain => Ok(Seen::Record(record)),
            found => {
                let reason = "the CRM does not tell its changes one by one";
                Ok(Seen::Unclear(search.evidence(reason, found.as_slice())))
            }
        }
    }

    async fn look_for_new(&self, ctx: &Ctx, search: &Search<E>) -> Result<Seen<E>, Failure> {
        let mut alike = Alike { new: Vec::new(), recent: Vec::new(), near: Vec::new() };
        let mut page = PageRequest { limit: PAGE, cursor: None };
        for _ in 0..PAGES {
            let found = self.list(ctx, &search.scope(), &search.trail, &page).await?.value;
            if let Some(part) = found.incomplete.first() {
                return Err(Failure::Partial(part.reason.clone()));
            }
            for record in found.items {
                match search.likeness(&record) {
                    Likeness::Marked => return Ok(Seen::Record(record)),
                    Likeness::Alike => search.sort(record, &mut alike),
                    Likeness::Near => search.sort_near(record, &mut alike),
                    Likeness::Other => {}
                }
            }
            page.cursor = found.next_cursor;
            if page.cursor.is_none() {
                return Ok(search.judge(alike));
            }
        }
        // Not all was seen, so nothing follows from not having seen it.
        Ok(Seen::Unclear(
            search.evidence("the list that it would be in is too long to be searched", &alike.new),
        ))
    }
}

impl<E: Entity> Search<E> {
    fn likeness(&self, record: &Record<E>) -> Likeness {
        self.source.likeness(&self.intent.sent, &self.claimed.operation().to_string(), record)
    }

    /// The branch that a new record was made in, where its kind has lists of branches.
    fn scope(&self) -> Scope {
        let branch = self.intent.branch.filter(|_| self.source.needs_branches(&self.trail));
        let wanted = branch.map(|branch| RecordId::new(self.source.crm(), branch));
        Scope { wanted: wanted.into_iter().collect(), ..Scope::all() }
    }

    /// Keeps a record that looks like it and can be it: not much older than the write, and not known to be another's.
    fn sort(&self, record: Arc<Record<E>>, alike: &mut Alike<E>) {
        if self.claimed.is_of_another(E::RESOURCE, &record.id.to_string()) {
            return;
        }
        let older = |by: SignedDuration| record.created_at.is_some_and(|at| at.timestamp() + by < self.begun);
        if !older(SKEW) {
            alike.new.push(record);
        } else if !older(WORST_SKEW) {
            alike.recent.push(record);
        }
    }

    /// Keeps a record that may be it, changed since: it is not surely older, and not known to be another's.
    fn sort_near(&self, record: Arc<Record<E>>, alike: &mut Alike<E>) {
        let older = record.created_at.is_some_and(|at| at.timestamp() + WORST_SKEW < self.begun);
        if !older && !self.claimed.is_of_another(E::RESOURCE, &record.id.to_string()) {
            alike.near.push(record);
        }
    }

    /// What follows from records that look like it and carry no mark.
    fn judge(&self, mut alike: Alike<E>) -> Seen<E> {
        if !self.intent.marked && alike.new.len() == 1 && !self.claimed.has_rivals() {
            return Seen::Record(alike.new.remove(0));
        }
        let found: Vec<Arc<Record<E>>> = alike.new.into_iter().chain(alike.recent).collect();
        if found.is_empty() && !alike.near.is_empty() {
            let reason = "there is one that agrees in who, how much and when, but not in all that was sent";
            return Seen::Unclear(self.evidence(reason, &alike.near));
        }
        if found.is_empty() {
            return Seen::Nothing;
        }
        Seen::Unclear(self.evidence(
            if self.intent.marked {
                "there is one like it, but without the mark that the gateway wrote"
            } else {
                "there are some that may be it and may not"
            },
            &found,
        ))
    }

    fn evidence(&self, reason: &str, found: &[Arc<Record<E>>]) -> Value {
        let candidates: Vec<String> = found.iter().map(|record| record.id.to_string()).collect();
        let mark = self.intent.marked.then(|| mark::behind("", &self.claimed.operation().to_string()));
        json!({
            "reason": reason,
            "resource": E::RESOURCE,
            "candidates": candidates,
            "mark": mark,
            "sent_after": self.begun.to_string(),
        })
    }
}
