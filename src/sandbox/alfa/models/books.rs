//! The reference books: branches, rooms, subjects, statuses, reasons. They have columns and filters and nothing of
//! their own to do.

use crate::sandbox::alfa::schema::{Column, How, Kind, Link, Model, Order, Spec, Writes, column, filter};

const NAME: Column = column("name", Kind::Text).label("Название", "Name").max(50);
const WEIGHT: Column = column("weight", Kind::Int).label("Вес", "Weight").start(0);
const ENABLED: Column = column("is_enabled", Kind::Flag).label("Доступен", "Enabled").start(1);
const ACTIVE: Column = column("is_active", Kind::Flag).label("Активен", "Active").start(1);
const BRANCH_ID: Column = column("branch_id", Kind::Int).label("Филиал", "Branch");

pub(crate) static BRANCH: Spec = Spec {
    model: Model::Branch,
    name: "branch",
    entity: "Branch",
    columns: &[NAME, ACTIVE, column("subject_ids", Kind::Ints).label("Предметы", "Subjects"), WEIGHT],
    filters: &[
        filter("name", "name", How::Contains),
        filter("is_active", "is_active", How::Is),
        filter("subject_ids", "subject_ids", How::Holds),
    ],
    order: Order::Weight("weight"),
    link: Link::Everywhere,
    required: &["name", "is_active"],
    writes: Writes::CreateUpdate,
};

pub(crate) static LOCATION: Spec = Spec {
    model: Model::Location,
    name: "location",
    entity: "Location",
    columns: &[BRANCH_ID, ACTIVE, NAME, WEIGHT],
    filters: &[],
    order: Order::Weight("weight"),
    link: Link::One,
    required: &["name", "is_active", "branch_id"],
    writes: Writes::CreateUpdate,
};

pub(crate) static ROOM: Spec = Spec {
    model: Model::Room,
    name: "room",
    entity: "Room",
    columns: &[
        BRANCH_ID,
        column("location_id", Kind::Int).label("Локация", "Location"),
        column("streaming_id", Kind::Int),
        column("color_id", Kind::Int).label("Цвет", "Color"),
        NAME,
        column("note", Kind::Text).label("Полное название", "Full name").max(50),
        ENABLED,
        WEIGHT,
    ],
    filters: &[filter("is_enabled", "is_enabled", How::Is)],
    order: Order::Weight("weight"),
    link: Link::One,
    required: &["branch_id", "name", "color_id", "weight"],
    writes: Writes::CreateUpdate,
};

pub(crate) static SUBJECT: Spec = Spec {
    model: Model::Subject,
    name: "subject",
    entity: "Subject",
    columns: &[NAME, WEIGHT, column("is_active", Kind::Flag).start(1).hidden()],
    filters: &[filter("active", "is_active", How::Is)],
    order: Order::Weight("weight"),
    link: Link::Everywhere,
    required: &["name"],
    writes: Writes::CreateUpdate,
};

pub(crate) static STUDY_STATUS: Spec =
    book(Model::StudyStatus, "study-status", "StudyStatus", Writes::CreateUpdate);
pub(crate) static LEAD_STATUS: Spec =
    book(Model::LeadStatus, "lead-status", "LeadStatus", Writes::CreateUpdate);
pub(crate) static LEAD_REJECT: Spec =
    book(Model::LeadReject, "lead-reject", "LeadReject", Writes::CreateUpdate);
pub(crate) static CUSTOMER_REJECT: Spec =
    book(Model::CustomerReject, "customer-reject", "CustomerReject", Writes::CreateUpdate);
pub(crate) static PIPELINE: Spec = book(Model::Pipeline, "pipeline", "Pipeline", Writes::None);
pub(crate) static LEVEL: Spec = book(Model::Level, "level", "Level", Writes::None);

pub(crate) static LEAD_SOURCE: Spec = Spec {
    columns: &[column("code", Kind::Text).label("Код", "Code"), NAME, ENABLED, WEIGHT],
    ..book(Model::LeadSource, "lead-source", "LeadSource", Writes::CreateUpdate)
};

/// A plain list of names.
const fn book(model: Model, name: &'static str, entity: &'static str, writes: Writes) -> Spec {
    Spec {
        model,
        name,
        entity,
        columns: &[NAME, ENABLED, WEIGHT],
        filters: &[],
        order: Order::Weight("weight"),
        link: Link::Everywhere,
        required: &["name"],
        writes,
    }
}

pub(crate) static COMPANY: Spec =
    Spec { columns: &[NAME], order: Order::Name, ..book(Model::Company, "company", "Company", Writes::None) };

pub(crate) static STREAMING: Spec = Spec {
    columns: &[NAME],
    order: Order::Name,
    ..book(Model::Streaming, "streaming", "Streaming", Writes::None)
};

/// `lesson-type/index?group_id=` is taken; what it filters is undocumented, so it filters nothing.
pub(crate) static LESSON_TYPE: Spec = Spec {
    columns: &[
        NAME,
        column("type", Kind::Int),
        column("icon", Kind::Text),
        ACTIVE,
        column("sort", Kind::Int),
    ],
    order: Order::Weight("sort"),
    ..book(Model::LessonType, "lesson-type", "LessonType", Writes::None)
};
