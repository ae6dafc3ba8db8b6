//! What a search answers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::find::Found;
use crate::http::codes::Code;
use crate::model::{Incomplete, RecordId, Source};

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SearchKind)]
pub(super) enum Kind {
    /// A student.
    Student,
    /// A lead.
    Lead,
    /// A group.
    Group,
    /// A teacher.
    Teacher,
    /// A project.
    Project,
}

/// Where the text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SearchMatched)]
pub(super) enum Matched {
    /// It is the record's id.
    Id,
    /// In the name.
    Name,
    /// In the contacts.
    Contact,
}

/// A record that was found. The record itself is at its own path.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchHit)]
pub(super) struct Hit {
    /// What it is.
    pub(super) kind: Kind,
    /// The gateway's id.
    pub(super) id: RecordId,
    /// The CRM it lives in.
    pub(super) source: Source,
    /// What it is called.
    #[schema(required)]
    pub(super) name: Option<String>,
    /// Where the text was found.
    pub(super) matched: Matched,
    /// The branches it belongs to; none for what belongs to no branch.
    pub(super) branch_ids: Vec<RecordId>,
}

/// What became of the search for one kind in one CRM.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchStatus)]
pub(super) struct Status {
    /// The CRM; `null` when none was asked.
    #[schema(required)]
    source: Option<Source>,
    /// The kind.
    kind: Kind,
    /// `ok`, or why not all could be searched, one of the codes of errors: `forbidden`, `upstream_unavailable` …
    status: String,
    /// One sentence for people, where it is not `ok`.
    #[schema(required)]
    detail: Option<String>,
    /// Whether there may be others than those shown.
    more: bool,
}

impl Status {
    /// What became of it in a CRM, `gap` being what is missing.
    pub(super) fn of(kind: Kind, source: Source, gap: Option<&Incomplete>, more: bool) -> Self {
        Self {
            source: Some(source),
            kind,
            status: gap.map_or_else(|| "ok".to_owned(), |gap| gap.reason.clone()),
            detail: gap.map(|gap| gap.detail.clone()),
            more,
        }
    }

    /// It was not searched.
    pub(super) fn of_none(kind: Kind, code: Code, detail: String) -> Self {
        let status = code.entry().name.to_owned();
        Self { source: None, kind, status, detail: Some(detail), more: false }
    }

    /// No CRM has it.
    pub(super) fn of_nobody(kind: Kind) -> Self {
        Self::of_none(kind, Code::NotSupported, "No configured CRM has such records.".to_owned())
    }
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchAnswer)]
pub(super) struct Answer {
    /// The records, kind by kind.
    items: Vec<Hit>,
    /// What became of each kind.
    pub(super) sources: Vec<Status>,
    /// Who could not be asked; empty when nobody is missing.
    pub(super) incomplete: Vec<Incomplete>,
}

impl Answer {
    /// Of what was found kind by kind.
    pub(super) fn of(parts: Vec<Found>) -> Self {
        let mut answer = Self { items: Vec::new(), sources: Vec::new(), incomplete: Vec::new() };
        for part in parts {
            answer.items.extend(part.hits);
            answer.sources.extend(part.statuses);
            for gap in part.incomplete {
                if !answer.incomplete.contains(&gap) {
                    answer.incomplete.push(gap);
                }
            }
        }
        answer
    }
}

/// For the API document.
pub(super) fn example() -> Value {
    json!({
        "items": [
            {"kind": "STUDENT", "id": "alfa-101", "source": "alfacrm", "name": "Образцов Пётр", "matched": "id",
             "branch_ids": ["alfa-1"]}
        ],
        "sources": [
            {"source": "alfacrm", "kind": "STUDENT", "status": "ok", "detail": null, "more": false},
            {"source": "alfacrm", "kind": "LEAD", "status": "ok", "detail": null, "more": false},
            {"source": null, "kind": "PROJECT", "status": "forbidden",
             "detail": "This key lacks the scope `projects:read`.", "more": false}
        ],
        "incomplete": []
    })
}
