//! Tasks, comments, messages, calls, history and CRM users.

use super::customer;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::desk::{API_USER, Desk};
use crate::sandbox::alfa::errors::{Errors, Fault};
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{
    Column, DateFormat, Filter, How, Kind, Link, Model, Order, Spec, Writes, column, filter,
};

pub(crate) static TASK: Spec = Spec {
    model: Model::Task,
    name: "task",
    entity: "Task",
    columns: &[
        column("company_id", Kind::Int),
        column("branch_ids", Kind::Ints).label("Филиалы", "Branches"),
        column("user_id", Kind::Int).label("Автор", "Author"),
        column("assigned_ids", Kind::Ints).label("Ответственные", "Assigned"),
        column("group_ids", Kind::Ints).label("Группы", "Groups"),
        column("customer_ids", Kind::Ints).label("Клиенты", "Customers"),
        column("title", Kind::Text).label("Заголовок", "Title").max(255),
        column("text", Kind::Text).label("Текст", "Text"),
        column("is_archive", Kind::Flag).start(0),
        column("created_at", Kind::Stamp).fixed(),
        column("is_done", Kind::Flag).label("Выполнена", "Done").start(0),
        column("is_private", Kind::Flag).start(0),
        column("due_date", Kind::DateIso).label("Срок", "Due date"),
        column("done_date", Kind::Stamp).fixed(),
        column("is_public_entry", Kind::Flag).start(0),
        column("is_notify", Kind::Flag).start(0),
        column("priority", Kind::Int).label("Приоритет", "Priority").start(2),
    ],
    filters: &[
        filter("due_date_from", "due_date", How::Since(DateFormat::Either)),
        filter("due_date_to", "due_date", How::Until(DateFormat::Either)),
        filter("due_date_is_null", "due_date", How::Empty),
        filter("is_done", "is_done", How::Is),
        filter("is_archive", "is_archive", How::Is),
        filter("assigned_ids", "assigned_ids", How::Holds),
        filter("customer_ids", "customer_ids", How::Holds),
    ],
    order: Order::Newest("created_at"),
    link: Link::Many,
    required: &["title"],
    writes: Writes::CreateUpdate,
};

pub(crate) static COMMUNICATION: Spec = Spec {
    model: Model::Communication,
    name: "communication",
    entity: "Communication",
    columns: &[
        column("type_id", Kind::Int).label("Тип", "Type").start(1),
        column("class", Kind::Text).label("Класс", "Class").fixed(),
        column("related_id", Kind::Int).label("Объект", "Object").fixed(),
        column("user_id", Kind::Int).label("Пользователь", "User"),
        column("added", Kind::Stamp).fixed(),
        column("comment", Kind::Text).label("Комментарий", "Comment").max(2048),
    ],
    filters: &[
        filter("type_id", "type_id", How::Is),
        filter("user_id", "user_id", How::Is),
        filter("comment", "comment", How::Contains),
    ],
    order: Order::Newest("added"),
    link: Link::Everywhere,
    required: &["comment"],
    writes: Writes::CreateUpdate,
};

const USER_ID: Column = column("user_id", Kind::Int);
const IS_FAIL: Column = column("is_fail", Kind::Flag).start(0);
const IS_SENT: Column = column("is_sent", Kind::Flag).start(1);
const IS_ARCHIVE: Column = column("is_archive", Kind::Flag).start(0);
const ADDED: Column = column("added", Kind::Stamp);
const DATE: Column = column("date", Kind::Stamp);
const FLAGS_AND_DAYS: [Filter; 7] = [
    filter("user_id", "user_id", How::Is),
    filter("is_fail", "is_fail", How::Is),
    filter("is_archive", "is_archive", How::Is),
    filter("added_from", "added", How::Since(DateFormat::Iso)),
    filter("added_to", "added", How::Until(DateFormat::Iso)),
    filter("date_from", "date", How::Since(DateFormat::Iso)),
    filter("date_to", "date", How::Until(DateFormat::Iso)),
];

pub(crate) static SMS_MESSAGE: Spec = Spec {
    columns: &[
        USER_ID,
        column("phone", Kind::Text),
        column("name", Kind::Text),
        column("message", Kind::Text),
        IS_FAIL,
        IS_SENT,
        IS_ARCHIVE,
        ADDED,
        DATE,
    ],
    filters: &[
        FLAGS_AND_DAYS[0],
        FLAGS_AND_DAYS[1],
        FLAGS_AND_DAYS[2],
        FLAGS_AND_DAYS[3],
        FLAGS_AND_DAYS[4],
        FLAGS_AND_DAYS[5],
        FLAGS_AND_DAYS[6],
        filter("phone", "phone", How::Contains),
        filter("name", "name", How::Contains),
        filter("is_sent", "is_sent", How::Is),
    ],
    ..journal(Model::SmsMessage, "sms-message", "SmsMessage")
};

pub(crate) static MAIL_MESSAGE: Spec = Spec {
    columns: &[
        USER_ID,
        column("email", Kind::Text),
        column("subject", Kind::Text),
        column("message", Kind::Text),
        IS_FAIL,
        IS_SENT,
        IS_ARCHIVE,
        ADDED,
        DATE,
    ],
    filters: &[
        FLAGS_AND_DAYS[0],
        FLAGS_AND_DAYS[1],
        FLAGS_AND_DAYS[2],
        FLAGS_AND_DAYS[3],
        FLAGS_AND_DAYS[4],
        FLAGS_AND_DAYS[5],
        FLAGS_AND_DAYS[6],
        filter("email", "email", How::Contains),
        filter("subject", "subject", How::Contains),
        filter("is_sent", "is_sent", How::Is),
    ],
    ..journal(Model::MailMessage, "mail-message", "MailMessage")
};

pub(crate) static PHONE_CALL: Spec = Spec {
    columns: &[
        USER_ID,
        column("phone", Kind::Text),
        column("customer_id", Kind::Int),
        column("direction", Kind::Int),
        column("duration", Kind::Int),
        IS_FAIL,
        IS_ARCHIVE,
        ADDED,
        DATE,
    ],
    filters: &[
        FLAGS_AND_DAYS[0],
        FLAGS_AND_DAYS[1],
        FLAGS_AND_DAYS[2],
        FLAGS_AND_DAYS[3],
        FLAGS_AND_DAYS[4],
        FLAGS_AND_DAYS[5],
        FLAGS_AND_DAYS[6],
        filter("phone", "phone", How::Contains),
    ],
    ..journal(Model::PhoneCall, "phone-call", "PhoneCall")
};

/// What was sent or said, latest first.
const fn journal(model: Model, name: &'static str, entity: &'static str) -> Spec {
    Spec {
        model,
        name,
        entity,
        columns: &[],
        filters: &[],
        order: Order::Newest("added"),
        link: Link::Everywhere,
        required: &[],
        writes: Writes::None,
    }
}

pub(crate) static LOG: Spec = Spec {
    model: Model::Log,
    name: "log",
    entity: "Log",
    columns: &[
        column("entity", Kind::Text),
        column("entity_id", Kind::Int),
        USER_ID,
        column("event", Kind::Int),
        column("fields_old", Kind::Json),
        column("fields_new", Kind::Json),
        column("fields_rel", Kind::Json),
        column("date_time", Kind::Stamp),
    ],
    filters: &[
        filter("entity", "entity", How::Same),
        filter("entity_id", "entity_id", How::Is),
        filter("user_id", "user_id", How::Is),
        filter("event", "event", How::Is),
        filter("date_from", "date_time", How::Since(DateFormat::Ru)),
        filter("date_to", "date_time", How::Until(DateFormat::Ru)),
    ],
    order: Order::Newest("date_time"),
    ..journal(Model::Log, "log", "Log")
};

pub(crate) static USER: Spec = Spec {
    columns: &[column("name", Kind::Text), column("email", Kind::Text), column("phone", Kind::Text)],
    filters: &[filter("email", "email", How::Same)],
    order: Order::Id,
    ..journal(Model::User, "user", "User")
};

/// Comments of the object in the query.
pub(in crate::sandbox::alfa) fn communication_tests(call: &Call) -> Vec<Test<'_>> {
    let (class, related) = (call.query("class").unwrap_or_default(), call.query_id("related_id"));
    vec![Box::new(move |row| row.text("class") == class && row.key("related_id") == related)]
}

/// A comment belongs to the object in the query.
pub(in crate::sandbox::alfa) fn check_communication(
    desk: &Desk<'_>,
    call: &Call,
    row: &mut Row,
    errors: &mut Errors,
) {
    let class = call.query("class").unwrap_or_default().to_owned();
    row.set("related_id", call.query_id("related_id").into());
    match class.as_str() {
        "Customer" => errors.must_exist(desk, row, "related_id", Model::Customer),
        "Group" => errors.must_exist(desk, row, "related_id", Model::Group),
        "Task" => errors.must_exist(desk, row, "related_id", Model::Task),
        _ => errors.at(row, "class", Fault::Unknown),
    }
    row.set("class", class.into());
    if row.cell("added").is_empty() {
        row.set("added", desk.now.into());
    }
    if row.cell("user_id").is_empty() {
        row.set("user_id", API_USER.into());
    }
    errors.must_exist(desk, row, "user_id", Model::User);
}

pub(in crate::sandbox::alfa) fn check_task(desk: &Desk<'_>, call: &Call, row: &mut Row, errors: &mut Errors) {
    if row.cell("branch_ids").is_empty() {
        row.set("branch_ids", call.branch.into_iter().collect::<Vec<u64>>().into());
    }
    if row.cell("user_id").is_empty() {
        row.set("user_id", API_USER.into());
    }
    let done = row.int("is_done") == Some(1);
    match (done, row.stamp("done_date")) {
        (true, None) => row.set("done_date", desk.now.into()),
        (false, Some(_)) => row.set("done_date", None::<u64>.into()),
        _ => {}
    }
    errors.must_all_exist(desk, row, "assigned_ids", Model::User);
    errors.must_all_exist(desk, row, "customer_ids", Model::Customer);
    errors.must_all_exist(desk, row, "group_ids", Model::Group);
}

/// The card a public form makes: a lead with what the visitor typed.
pub(in crate::sandbox::alfa) fn form_lead(desk: &Desk<'_>, call: &Call) -> Option<Row> {
    let text = |key: &str| call.body_text(key).map(str::trim).filter(|text| !text.is_empty());
    let branch =
        call.branch.or_else(|| desk.store.table(Model::Branch).iter().next().map(|branch| branch.id));
    let list = |key: &str| -> Vec<String> { text(key).map(customer::format_phone).into_iter().collect() };
    Some(
        Row::blank(&customer::CUSTOMER)
            .with("name", text("name")?.chars().take(50).collect::<String>())
            .with("is_study", 0)
            .with("legal_type", 1)
            .with("branch_ids", branch.into_iter().collect::<Vec<u64>>())
            .with("phone", list("phone"))
            .with("email", list("email"))
            .with("note", text("note").unwrap_or_default().to_owned()),
    )
}
