//! How one kind of record is searched.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join, join_all};

use super::answer::{Hit, Kind, Matched, Status};
use super::question::Question;
use crate::crm;
use crate::http::view::{fields_of, hidden};
use crate::hub::{Answer, Failure, Hub, PageRequest, Provenance, Scope};
use crate::model::filter::contains;
use crate::model::{Ctx, Entity, Incomplete, Page, Record, RecordId, Source};

/// Who asks for what.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) hub: &'a Hub,
    pub(super) ctx: &'a Ctx,
    pub(super) scope: &'a Scope,
    pub(super) question: &'a Question,
}

/// What became of the search for one kind of record.
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    pub(super) statuses: Vec<Status>,
    pub(super) incomplete: Vec<Incomplete>,
    pub(super) provenance: Provenance,
    /// Why its list could not be asked.
    pub(super) failure: Option<Failure>,
}

/// A kind of record that can be searched.
pub(super) trait Finder: Send + Sync {
    /// The resource whose scope is needed.
    fn resource(&self) -> &'static str;
    /// What it finds.
    fn kinds(&self) -> &'static [Kind];
    /// Whether a search by contact would tell what these masks hide.
    fn is_masked(&self, mask: &[String]) -> bool;
    /// Searches.
    fn find<'a>(&'a self, asking: &'a Asking<'a>) -> BoxFuture<'a, Found>;
}

/// A kind of record that is searched through its lists.
struct Part<E: Entity> {
    kinds: &'static [Kind],
    kind: fn(&E) -> Option<Kind>,
    filter: fn(&Question) -> E::Filter,
    /// How many records are looked through, where the CRM cannot be asked for names.
    through: Option<usize>,
}

/// Records whose CRM can be asked for names.
pub(super) fn by_name<E: Entity>(
    kinds: &'static [Kind],
    kind: fn(&E) -> Option<Kind>,
    filter: fn(&Question) -> E::Filter,
) -> Box<dyn Finder> {
    Box::new(Part { kinds, kind, filter, through: None })
}

/// Records whose names are compared here, `most` of them.
pub(super) fn looking_through<E: Entity>(
    most: usize,
    kinds: &'static [Kind],
    kind: fn(&E) -> Option<Kind>,
    filter: fn(&Question) -> E::Filter,
) -> Box<dyn Finder> {
    Box::new(Part { kinds, kind, filter, through: Some(most) })
}

impl<E: Entity> Finder for Part<E> {
    fn resource(&self) -> &'static str {
        E::RESOURCE
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn is_masked(&self, mask: &[String]) -> bool {
        has_contacts::<E>() && hidden::<E>(mask).contains(&"contacts")
    }

    fn find<'a>(&'a self, asking: &'a Asking<'a>) -> BoxFuture<'a, Found> {
        async move {
            let shelf = asking.hub.shelf::<E>();
            let crms = shelf.crms();
            let (ids, filter) = (asking.question.ids(&crms), (self.filter)(asking.question));
            let page = PageRequest { limit: self.through.unwrap_or(self.limit(asking)), cursor: None };
            let any = E::Filter::default();
            let by_id = join_all(ids.iter().map(|id| shelf.get(asking.ctx, asking.scope, &any, id)));
            let listed = shelf.list(asking.ctx, asking.scope, &filter, &page);
            let (by_id, listed) = join(by_id, listed).await;
            self.put_together(asking, &crms, by_id, listed)
        }
        .boxed()
    }
}

type One<E> = Result<Answer<Arc<Record<E>>>, Failure>;

impl<E: Entity> Part<E> {
    fn wanted(&self, asking: &Asking<'_>) -> impl Iterator<Item = Kind> {
        let question = asking.question;
        self.kinds.iter().copied().filter(move |kind| question.wants(*kind))
    }

    /// Enough for the limit of each kind where one list holds several.
    fn limit(&self, asking: &Asking<'_>) -> usize {
        asking.question.limit * self.wanted(asking).count()
    }

    fn put_together(
        &self,
        asking: &Asking<'_>,
        crms: &[Source],
        by_id: Vec<One<E>>,
        listed: Result<Answer<Page<E>>, Failure>,
    ) -> Found {
        let mut hits: Vec<Hit> = Vec::new();
        let mut failed: Vec<Incomplete> = Vec::new();
        let mut provenance = Vec::new();
        for one in by_id {
            match one {
                Ok(Answer { value, provenance: way, .. }) => {
                    provenance.push(way);
                    hits.extend(
                        self.hit(asking, &value, Matched::Id).filter(|_| is_in(&value, &asking.scope.wanted)),
                    );
                }
                Err(Failure::Crm(error)) if error.kind != crm::Kind::NotFound => failed.push(whole(&error)),
                // There is none; and a branch that may not be seen is told by the list.
                Err(_) => {}
            }
        }
        let mut more: Vec<Kind> = Vec::new();
        let mut failure = None;
        match listed {
            Ok(Answer { value, provenance: way, .. }) => {
                provenance.push(way);
                let contact = asking.question.contact().is_some() && has_contacts::<E>();
                let matched = if contact { Matched::Contact } else { Matched::Name };
                for record in &value.items {
                    let named =
                        record.data.title().is_some_and(|name| contains(name, asking.question.text()));
                    let Some(hit) = self.hit(asking, record, matched).filter(|_| contact || named) else {
                        continue;
                    };
                    let same = hits.iter().filter(|known| known.kind == hit.kind).count();
                    if hits.iter().any(|known| known.id == hit.id) {
                        continue;
                    }
                    if same < asking.question.limit {
                        hits.push(hit);
                    } else {
                        more.push(hit.kind);
                    }
                }
                if value.next_cursor.is_some() {
                    more.extend(self.kinds);
                }
                failed.extend(value.incomplete);
            }
            Err(error) => {
                if let Failure::Crm(error) = &error {
                    failed.extend(crms.iter().map(|crm| Incomplete { source: *crm, ..whole(error) }));
                }
                failure = Some(error);
            }
        }
        let status = |kind: Kind, crm: &Source| {
            let gap = failed.iter().find(|gap| gap.source == *crm);
            Status::of(kind, *crm, gap, more.contains(&kind))
        };
        let statuses: Vec<Status> = match crms {
            [] => self.wanted(asking).map(Status::of_nobody).collect(),
            crms => self
                .wanted(asking)
                .flat_map(|kind| crms.iter().map(move |crm| (kind, crm)))
                .map(|(kind, crm)| status(kind, crm))
                .collect(),
        };
        Found { hits, statuses, incomplete: failed, provenance: Provenance::of_all(provenance), failure }
    }

    fn hit(&self, asking: &Asking<'_>, record: &Record<E>, matched: Matched) -> Option<Hit> {
        let kind = (self.kind)(&record.data).filter(|kind| asking.question.wants(*kind))?;
        Some(Hit {
            kind,
            id: record.id.clone(),
            source: record.source,
            name: record.data.title().map(str::to_owned),
            matched,
            branch_ids: record.data.branches().unwrap_or_default().to_vec(),
        })
    }
}

fn has_contacts<E: Entity>() -> bool {
    fields_of::<E>().iter().any(|field| field == "contacts")
}

/// Whether a record is in one of the branches that were asked for; one without branches is in none.
fn is_in<E: Entity>(record: &Record<E>, wanted: &[RecordId]) -> bool {
    wanted.is_empty() || record.data.branches().is_some_and(|own| own.iter().any(|id| wanted.contains(id)))
}

/// A CRM that could not be asked at all.
fn whole(error: &crm::Error) -> Incomplete {
    let (source, reason) = (error.crm, error.code().to_owned());
    Incomplete { source, branch_id: None, reason, detail: error.sentence() }
}
