//! Communications (section 9.19 of the reference). What they are about stands in the query of every call; they belong
//! to that, whichever of its branches stands in the path.

use super::filter::Body;
use super::form::Form;
use super::model::{Branching, Calls, Model, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::communication::{About, AboutKind, Communication, CommunicationDraft, CommunicationFilter};

/// Communications.
pub(super) struct Communications;

/// The CRM's classes of what can be written about.
const CLASSES: [(AboutKind, &str); 3] =
    [(AboutKind::Student, "Customer"), (AboutKind::Group, "Group"), (AboutKind::Task, "Task")];

/// The only type the documents name: a comment.
const COMMENT: u64 = 1;

fn class(kind: AboutKind) -> Option<&'static str> {
    CLASSES.iter().find(|(known, _)| *known == kind).map(|(_, class)| *class)
}

impl Model for Communications {
    type Record = Communication;
    const CALLS: Calls = Calls {
        create: Some("communication/create"),
        update: Some("communication/update"),
        ..Calls::reads("communication/index")
    };
    const TEXT: Option<(&'static str, usize)> = Some(("comment", 2048));

    fn branching(_: &CommunicationFilter) -> Branching {
        Branching::Any
    }

    fn ask(filter: &CommunicationFilter, body: &mut Body) {
        let about = filter.about.as_ref().and_then(|(kind, id)| Some((class(*kind)?, id)));
        if let Some((class, _)) = about {
            body.query("class", class);
        }
        body.parent("related_id", about.map(|(_, id)| id));
        body.inexact_if(!filter.days.is_open());
    }

    /// A row that says it belongs to something else than was asked about is not given as an answer.
    fn number(row: &Row<'_>, scene: &Scene) -> Option<u64> {
        let elsewhere =
            row.number("related_id").is_some_and(|id| scene.parent.is_some_and(|parent| parent != id));
        row.number("id").filter(|number| *number > 0 && !elsewhere)
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Communication {
        let class = row.text("class");
        let kind = CLASSES.iter().find(|(_, known)| class.as_deref() == Some(*known));
        if kind.is_none() {
            row.note("class");
        }
        Communication {
            about: About {
                kind: kind.map_or(AboutKind::Unknown, |(kind, _)| *kind),
                id: row.id("related_id").or_else(|| scene.parent()),
            },
            type_id: row.id("type_id"),
            user_id: row.id("user_id"),
            text: row.text("comment"),
        }
    }

    fn write(
        draft: &CommunicationDraft,
        before: Option<&Record<Communication>>,
        place: &Place<'_, CommunicationFilter>,
        form: &mut Form,
    ) {
        if let Some((kind, id)) = &place.filter.about
            && let Some(class) = class(*kind)
        {
            form.query("class", class);
            form.parent("related_id", Some(id));
        }
        if before.is_none() {
            form.set("type_id", "", COMMENT);
        }
        form.text("comment", "text", &draft.text);
        form.id("user_id", "user_id", &draft.user);
    }
}
