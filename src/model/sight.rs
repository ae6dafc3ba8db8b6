//! What somebody may see who may not see everything: some branches, or some students and what hangs on them. Each kind
//! of record says for itself what of it hangs on a student ([`Rows`]); it must say so, or it does not compile.

use super::expand::Kin;
use super::{Entity, Record, RecordId};

/// What a consumer may see. Made once for each consumer, and applied to every record after the shared memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// The AlfaCRM branches; `None` is all.
    pub branches: Option<Vec<u64>>,
    /// The only students, in order and each once; `None` is all there are.
    pub students: Option<Vec<RecordId>>,
}

impl Sight {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether it is limited to some students.
    pub fn is_personal(&self) -> bool {
        self.students.is_some()
    }
}

/// The students somebody is limited to, and what is known to be theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// The students.
    pub students: Vec<RecordId>,
    /// The groups they are in.
    pub groups: Vec<RecordId>,
    /// The projects they are linked to.
    pub projects: Vec<RecordId>,
}

/// What has to be known of students besides their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// [`Own::groups`].
    Groups,
    /// [`Own::projects`].
    Projects,
}

/// What of a record is theirs.
#[derive(Debug)]
pub enum Seen<E> {
    /// All of it.
    Whole,
    /// This part. The CRM's own fields and its own record are not in it.
    Part(E),
    /// Nothing: for them there is no such record.
    Nothing,
}

/// Which records of a kind are seen by who sees some students only.
pub struct Rows<E: Entity> {
    /// What must be known to tell.
    pub needs: fn(&E::Filter) -> &'static [Need],
    /// The student whom the question names.
    pub on: fn(&E::Filter) -> Option<&RecordId>,
    /// The questions that together hold all that is theirs of a list whose question names no student; none when nothing
    /// in it can be. It saves calls and decides nothing: [`Rows::see`] does.
    pub narrow: fn(&E::Filter, &Own) -> Vec<E::Filter>,
    /// Whether the record of this id may be theirs, so that no other is asked for. It decides nothing either.
    pub by_id: fn(&RecordId, &Own) -> bool,
    /// What of a record is seen. `filter` is what the path says, for records that do not tell what they hang on.
    pub see: fn(&Record<E>, &E::Filter, &Own) -> Seen<E>,
    /// Whether a new record hangs on one student, so that it can be made for one's own.
    pub made_for_one: bool,
    /// Whether all see all of it, so that its totals tell nothing.
    pub open: bool,
}

impl<E: Entity> Rows<E> {
    /// Nobody's: all may see it.
    pub const OPEN: Self = Self {
        needs: |_| &[],
        on: |_| None,
        narrow: |filter, _| vec![filter.clone()],
        by_id: |_, _| true,
        see: |_, _, _| Seen::Whole,
        made_for_one: false,
        open: true,
    };

    /// The school's own: nobody sees it who sees some students only.
    pub const CLOSED: Self =
        Self { narrow: |_, _| Vec::new(), see: |_, _, _| Seen::Nothing, open: false, ..Self::OPEN };

    /// What hangs on a student whom the path names, and every record.
    pub const fn of_student(
        on: fn(&E::Filter) -> Option<&RecordId>,
        see: fn(&Record<E>, &E::Filter, &Own) -> Seen<E>,
    ) -> Self {
        Self { on, see, made_for_one: true, ..Self::CLOSED }
    }

    /// What hangs on a project that every record names.
    pub const fn of_project(see: fn(&Record<E>, &E::Filter, &Own) -> Seen<E>) -> Self {
        Self { needs: |_| &[Need::Projects], see, open: false, ..Self::OPEN }
    }

    /// The questions to ask in place of one, so that no more is read than may be theirs.
    pub fn narrowed(&self, filter: &E::Filter, own: &Own) -> Vec<E::Filter> {
        match (self.on)(filter) {
            Some(student) if own.students.contains(student) => vec![filter.clone()],
            Some(_) => Vec::new(),
            None => (self.narrow)(filter, own),
        }
    }
}

impl<E: Entity> std::fmt::Debug for Rows<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("of", &E::RESOURCE).finish_non_exhaustive()
    }
}

impl Own {
    /// Whether a record that is referred to is theirs.
    pub fn has(&self, kin: Kin, id: &RecordId) -> bool {
        match kin {
            Kin::Student => self.students.contains(id),
            Kin::Group => self.groups.contains(id),
            Kin::Project => self.projects.contains(id),
            Kin::Teacher | Kin::Task | Kin::Tariff | Kin::Lesson | Kin::Entry(_) => false,
        }
    }

    /// All of a record if this one, which it names, is theirs.
    pub fn all_if<E>(&self, kin: Kin, id: Option<&RecordId>) -> Seen<E> {
        if id.is_some_and(|id| self.has(kin, id)) { Seen::Whole } else { Seen::Nothing }
    }
}

/// Ids that are wanted and theirs; all of theirs when none are wanted.
pub fn among(wanted: &[RecordId], theirs: &[RecordId]) -> Vec<RecordId> {
    if wanted.is_empty() {
        return theirs.to_vec();
    }
    wanted.iter().filter(|id| theirs.contains(id)).cloned().collect()
}
