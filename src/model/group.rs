//! A group: people who are taught together.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Custom, Draft, Fields, Positive, Short, listed};
use super::expand::{Expand, Kin, to};
use super::filter::{
    Archived, Between, between, changed_since, chooses_among, contains, fits, longest_word, narrows,
};
use super::reference::Book;
use super::sight::{Need, among};
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows, Seen};

/// People who are taught together.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Group {
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// The branches it belongs to.
    pub branch_ids: Vec<RecordId>,
    /// The teachers, where the CRM gives ids.
    pub teacher_ids: Vec<RecordId>,
    /// The teachers' names, where the CRM gives names instead of ids.
    pub teacher_names: Vec<String>,
    /// Its status, as the CRM numbers them; there is no book of these.
    #[schema(required)]
    pub status_id: Option<RecordId>,
    /// Level of knowledge, a record of `/reference/levels`.
    #[schema(required)]
    pub level_id: Option<RecordId>,
    /// How many it is for; `null` when no limit is set.
    #[schema(required)]
    pub capacity: Option<i64>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
    /// Its first day.
    #[schema(required)]
    pub starts_on: Option<Date>,
    /// Its last day; `null` when none is set.
    #[schema(required)]
    pub ends_on: Option<Date>,
    /// Whether it is in the archive: its last day has come.
    pub archived: bool,
}

/// What lists of groups may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupFilter {
    pub archived: Archived,
    pub q: Option<String>,
    pub ids: Vec<RecordId>,
    pub teacher_id: Option<RecordId>,
    pub status_id: Option<RecordId>,
    pub level_id: Option<RecordId>,
    pub days: Between<Date>,
    pub updated_since: Option<Timestamp>,
}

impl Filter<Group> for GroupFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            archived: q
                .choice("archived", "Active groups (the default), archived ones, or both.")
                .unwrap_or_default(),
            q: q.one("q", "A part of the name."),
            ids: q.many("id", "Only these records."),
            teacher_id: q.one("teacher_id", "Groups of this teacher."),
            status_id: q.one("status_id", "Groups of this status."),
            level_id: q.one("level_id", "Groups of this level."),
            days: between(
                q,
                ("from", "Groups that do not end before this day."),
                ("to", "Groups that do not start after this day."),
                None,
            ),
            updated_since: q.one("updated_since", "Changed at this time or later."),
        }
    }

    fn narrows(&self, wider: &Self) -> bool {
        // What is said below of `archived` and teachers holds here too, and how a CRM looks for a text is its own affair.
        let told = |filter: &Self| (filter.archived, filter.q.clone(), filter.teacher_id.clone());
        told(self) == told(wider)
            && self.updated_since == wider.updated_since
            && self.days == wider.days
            && chooses_among(&self.ids, &wider.ids)
            && narrows(&self.status_id, &wider.status_id)
            && narrows(&self.level_id, &wider.level_id)
    }

    fn matches(&self, record: &Record<Group>) -> bool {
        let group = &record.data;
        let name = group.name.as_deref().unwrap_or_default();
        // Where the CRM gives names, only it can tell.
        let teacher = self
            .teacher_id
            .as_ref()
            .is_none_or(|id| group.teacher_ids.contains(id) || !group.teacher_names.is_empty());
        // Not by `archived`: the CRM honours that wish, and its day decides, not ours.
        self.q.as_deref().is_none_or(|part| contains(name, part))
            && (self.ids.is_empty() || self.ids.contains(&record.id))
            && teacher
            && fits(&self.status_id, group.status_id.as_ref())
            && fits(&self.level_id, group.level_id.as_ref())
            && self.days.from.is_none_or(|from| group.ends_on.is_none_or(|end| end >= from))
            && self.days.to.is_none_or(|to| group.starts_on.is_none_or(|start| start <= to))
            && changed_since(self.updated_since, record.updated_at)
    }
}

/// What can be written of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupDraft {
    pub name: Change<Short<50>>,
    pub branches: Change<Vec<RecordId>>,
    pub teachers: Change<Vec<RecordId>>,
    pub status: Change<RecordId>,
    pub level: Change<RecordId>,
    pub capacity: Change<Positive>,
    pub note: Change<Short<255>>,
    pub starts_on: Change<Date>,
    pub ends_on: Change<Date>,
    pub archived: Change<bool>,
    pub custom: Change<Custom>,
}

impl Draft for GroupDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            name: fields.required("name", "Its name."),
            branches: fields.branches(),
            teachers: fields.always("teacher_ids", "The teachers, all of them."),
            status: fields.one("status_id", "Its status."),
            level: fields.one("level_id", "Level of knowledge, a record of `/reference/levels`."),
            capacity: fields.one("capacity", "How many it is for; `null` removes the limit."),
            note: fields.one("note", "Free text."),
            starts_on: fields.always("starts_on", "Its first day; today by default."),
            ends_on: fields.one("ends_on", "Its last day, after the first; `null` for none."),
            archived: fields.always(
                "archived",
                "`true` puts a group there is into the archive, `false` takes it out again.",
            ),
            custom: fields.custom(),
        };
        if let (Some(start), Some(end)) = (draft.starts_on.value(), draft.ends_on.value())
            && end <= start
        {
            fields.refuse("ends_on", "does not lie after `starts_on`");
        }
        if fields.creating() && !draft.archived.is_keep() {
            fields.refuse("archived", "can be given only for a group there is");
        }
        fields.read_only("teacher_names", "`teacher_ids` says it");
        draft
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        listed(Kin::Teacher, "/teacher_ids", &self.teachers).collect()
    }

    fn branches(&self) -> &[RecordId] {
        self.branches.value().map(Vec::as_slice).unwrap_or_default()
    }

    fn branch_field(&self) -> Option<&'static str> {
        Some("/branch_ids")
    }
}

impl Entity for Group {
    const RESOURCE: &'static str = "groups";
    const MASKED: &'static [(&'static str, &'static [&'static str])] =
        &[("notes", &["note", "custom_fields", "raw"]), ("contacts", &["custom_fields", "raw"])];
    const ROWS: Rows<Self> = Rows {
        needs: |_| &[Need::Groups],
        narrow: |filter, own| {
            let ids = among(&filter.ids, &own.groups);
            if ids.is_empty() { Vec::new() } else { vec![GroupFilter { ids, ..filter.clone() }] }
        },
        by_id: |id, own| own.has(Kin::Group, id),
        see: |record, _, own| {
            if !own.has(Kin::Group, &record.id) {
                return Seen::Nothing;
            }
            // What is noted about a group may name anybody in it.
            Seen::Part(Self { note: None, ..record.data.clone() })
        },
        ..Rows::CLOSED
    };
    type Filter = GroupFilter;
    type Draft = GroupDraft;
    const EXPANDS: &'static [Expand] = &[
        to("teachers", "teacher_ids", Kin::Teacher),
        to("branches", "branch_ids", Kin::Entry(Book::Branches)),
        to("level", "level_id", Kin::Entry(Book::Levels)),
    ];
    // A group that ends takes its members, its timetable and its planned lessons along.
    const TOUCHES: &'static [&'static str] = &["members", "schedules", "lessons", "calendars", "students"];

    fn trail(_: &GroupFilter, draft: &GroupDraft) -> GroupFilter {
        let q = draft.name.value().and_then(|name| longest_word(&name.0));
        GroupFilter { archived: Archived::All, q, ..GroupFilter::default() }
    }

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(&self.branch_ids)
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "alfa-15", "source": "alfacrm", "source_id": "15", "name": "Робототехника", "branch_ids": ["alfa-1", "alfa-2"],
            "teacher_ids": ["alfa-7"], "teacher_names": [], "status_id": "alfa-1", "level_id": "alfa-2", "capacity": 8,
            "note": "Набор открыт", "starts_on": "2025-09-01", "ends_on": null, "archived": false,
            "custom_fields": {"custom_chat": "https://chat.example/15"},
            "created_at": "2025-08-21T12:00:00+03:00", "updated_at": "2025-08-21T12:00:00+03:00"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(new: bool, body: Value) -> Vec<String> {
        let map = body.as_object().unwrap().clone();
        let mut fields = if new { Fields::of_new(map) } else { Fields::of_change(map) };
        GroupDraft::read(&mut fields);
        let bad = fields.finish(&[]).err().unwrap_or_default();
        bad.into_iter().map(|bad| bad.pointer).collect()
    }

    #[test]
    fn what_no_group_can_be_is_refused_before_the_crm_is_asked() {
        assert_eq!(read(true, json!({"name": "x", "branch_ids": ["alfa-1"]})), Vec::<String>::new());
        for (new, body, pointer) in [
            (true, json!({"name": "x", "starts_on": "2026-03-01", "ends_on": "2026-03-01"}), "/ends_on"),
            (true, json!({"name": "x", "archived": false}), "/archived"),
            (true, json!({}), "/name"),
            (false, json!({"name": "x".repeat(51)}), "/name"),
            (false, json!({"note": "x".repeat(256)}), "/note"),
            (false, json!({"branch_ids": []}), "/branch_ids"),
            (false, json!({"capacity": 0}), "/capacity"),
            (false, json!({"starts_on": null}), "/starts_on"),
            (false, json!({"teacher_names": []}), "/teacher_names"),
            (false, json!({"custom_fields": {"chat": "x"}}), "/custom_fields/chat"),
        ] {
            assert_eq!(read(new, body.clone()), [pointer], "{body}");
        }
    }
}
