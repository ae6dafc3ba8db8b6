//! That a student belongs to a group for a while.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields};
use super::expand::{Expand, Kin, to};
use super::sight::Need;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows};

/// That a student belongs to a group for a while.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Member {
    /// The student.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// The group.
    #[schema(required)]
    pub group_id: Option<RecordId>,
    /// The first day.
    #[schema(required)]
    pub from: Option<Date>,
    /// The last day; `null` when none is set.
    #[schema(required)]
    pub to: Option<Date>,
}

/// Whose members or groups a list holds: the path says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberFilter {
    /// The members of this group.
    pub group_id: Option<RecordId>,
    /// The groups of this student.
    pub student_id: Option<RecordId>,
}

impl Filter<Member> for MemberFilter {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.student_id
            .clone()
            .map(|id| (Kin::Student, id))
            .or_else(|| self.group_id.clone().map(|id| (Kin::Group, id)))
    }

    fn matches(&self, record: &Record<Member>) -> bool {
        let is = |wanted: &Option<RecordId>, id: &Option<RecordId>| {
            wanted.as_ref().is_none_or(|wanted| id.as_ref().is_none_or(|id| id == wanted))
        };
        is(&self.group_id, &record.data.group_id) && is(&self.student_id, &record.data.student_id)
    }
}

/// What can be written of a membership.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberDraft {
    pub student: Change<RecordId>,
    pub from: Change<Date>,
    pub to: Change<Date>,
}

impl Draft for MemberDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            student: fields.required_fixed("student_id", "The student."),
            from: fields.required("from", "The first day."),
            to: fields.one("to", "The last day, after the first; `null`, the default, for none."),
        };
        if let (Some(from), Some(to)) = (draft.from.value(), draft.to.value())
            && to <= from
        {
            fields.refuse("to", "does not lie after `from`");
        }
        fields.read_only("group_id", "the path says it");
        draft
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        self.student.value().map(|student| (Kin::Student, "/student_id", student)).into_iter().collect()
    }
}

impl Entity for Member {
    const RESOURCE: &'static str = "members";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[];
    const ROWS: Rows<Self> = Rows {
        needs: |filter| if filter.student_id.is_some() { &[] } else { &[Need::Groups] },
        on: |filter| filter.student_id.as_ref(),
        narrow: |filter, own| match &filter.group_id {
            Some(group) if own.has(Kin::Group, group) => vec![filter.clone()],
            _ => Vec::new(),
        },
        see: |record, _, own| own.all_if(Kin::Student, record.data.student_id.as_ref()),
        ..Rows::CLOSED
    };
    type Filter = MemberFilter;
    type Draft = MemberDraft;
    const EXPANDS: &'static [Expand] =
        &[to("student", "student_id", Kin::Student), to("group", "group_id", Kin::Group)];
    // Whoever joins or leaves takes part in the planned lessons or no longer does.
    const TOUCHES: &'static [&'static str] = &["lessons", "calendars", "students"];

    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        // A list below one of them may leave it out.
        let (student, group) = (self.student_id.clone()?, self.group_id.clone()?);
        Some(vec![(Kin::Student, student), (Kin::Group, group)])
    }

    fn order() -> Order<Self> {
        // Each branch lists the same group; side by side, what comes twice is seen at once.
        Order::Merged(|a, b| a.id.number().cmp(&b.id.number()))
    }

    fn example() -> Value {
        json!({
            "id": "alfa-156", "source": "alfacrm", "source_id": "156", "student_id": "alfa-210", "group_id": "alfa-12",
            "from": "2025-09-01", "to": "2026-05-31", "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
