//! Writes the invented school down as AlfaCRM keeps it: reference books, cards, lessons, money, and a history to match.

use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::accounts;
use super::cell::{Cell, Detail, Row};
use super::dates::{self, SENTINEL};
use super::schema::Model;
use super::store::Store;
use crate::sandbox::world::{self, Lesson, Payment, Person, Standing, World};

/// How many of the latest payments the history remembers.
const LOGGED_PAYMENTS: usize = 300;

/// Fills an empty store.
pub(super) fn fill(store: &mut Store, mut world: World, now: DateTime) {
    books(store);
    school(store, &world);
    history(store, &world, now);
    let people = world.people.iter().map(card).collect();
    store.table_mut(Model::Customer).load(people);
    store.last_detail = world
        .lessons
        .iter()
        .flat_map(|lesson| &lesson.attendance)
        .map(|row| row.id)
        .max()
        .unwrap_or(70_000);
    let lessons = std::mem::take(&mut world.lessons)
        .into_iter()
        .map(lesson)
        .collect();
    store.table_mut(Model::Lesson).load(lessons);
    for payment in &world.payments {
        let till = account(payment);
        store.table_mut(Model::PayAccount).change(till, |row| {
            row.set("balance", Cell::Money(row.money("balance") + payment.amount));
        });
    }
    let payments = std::mem::take(&mut world.payments).into_iter().map(pay).collect();
    store.table_mut(Model::Pay).load(payments);
    office(store, &world, now);
    for row in world.subscriptions.iter().filter(|row| row.balance != 0) {
        store.table_mut(Model::Customer).change(row.person, |card| {
            card.set("balance", Cell::Money(card.money("balance") + row.balance));
        });
    }
    accounts::refresh(store, now, None);
}

fn blank(model: Model, id: u64) -> Row {
    Row {
        id,
        ..Row::blank(model.spec())
    }
}

/// A plain reference book.
fn book(store: &mut Store, model: Model, names: &[(u64, &'static str)]) {
    let weight = if model.spec().find("weight").is_some() {
        Some("weight")
    } else {
        None
    };
    let rows = names.iter().zip(1_i64..).map(|((id, name), place)| {
        let mut row = blank(model, *id).with("name", *name);
        if let Some(column) = weight {
            row.set(column, place.into());
        }
        row
    });
    store.table_mut(model).load(rows.collect());
}

fn books(store: &mut Store) {
    book(
        store,
        Model::StudyStatus,
        &[(1, "Без статуса"), (4, "Занимается"), (10, "Завершил обучение")],
    );
    book(
        store,
        Model::LeadStatus,
        &[
            (1, "Новый лид"),
            (2, "Записан на пробное"),
            (3, "Пришёл на пробное"),
            (4, "Оплатил"),
            (5, "Отказался"),
        ],
    );
    book(store, Model::LeadSource, &[(2, "Рекомендация"), (5, "Сайт")]);
    store.set(Model::LeadSource, 2, "code", "recommend".into());
    store.set(Model::LeadSource, 5, "code", "site".into());
    book(store, Model::LeadReject, &[(6, "Не отвечает"), (7, "Дорого")]);
    book(
        store,
        Model::CustomerReject,
        &[(1, "Переезд"), (3, "Неудобное расписание")],
    );
    book(store, Model::Pipeline, &[(1, "Основная воронка")]);
    book(store, Model::Level, &[(1, "A1"), (2, "A2")]);
    book(store, Model::Company, &[(1, "ООО Пример")]);
    book(store, Model::Streaming, &[(1, "Видеокласс")]);
    book(store, Model::PayType, &[(1, "Доход"), (2, "Расход")]);
    book(store, Model::PayItemCategory, &[(1, "Доходы"), (2, "Расходы")]);
    let types = [
        (1, "Индивидуальный", 1, "user"),
        (2, "Групповой", 2, "users"),
        (3, "Пробный", 1, "star"),
    ];
    let types = types.map(|(id, name, kind, icon)| {
        blank(Model::LessonType, id)
            .with("name", name)
            .with("type", kind)
            .with("icon", icon)
            .with("sort", id)
    });
    store.table_mut(Model::LessonType).load(types.into());
    let users = [
        (1, "Администратор Примерова", "admin@school.example", 901),
        (2, "Робот API", "api@school.example", 902),
        (3, "Менеджер Образцов", "manager@school.example", 903),
    ];
    let users = users.map(|(id, name, email, phone)| {
        blank(Model::User, id)
            .with("name", name)
            .with("email", email)
            .with("phone", format!("+7(900)000-0{}-{:02}", phone / 100, phone % 100))
    });
    store.table_mut(Model::User).load(users.into());
    let items = [
        (3, 1, 1, "Оплата обучения"),
        (8, 2, 2, "Аренда"),
        (9, 2, 2, "Зарплата"),
        (10, 2, 2, "Возврат"),
    ];
    let items = items.map(|(id, category, kind, name)| {
        blank(Model::PayItem, id)
            .with("branch_ids", vec![1_u64, 2, 3])
            .with("category_id", category)
            .with("pay_type_ids", vec![kind])
            .with("name", name)
            .with("weight", id)
    });
    store.table_mut(Model::PayItem).load(items.into());
}

fn school(store: &mut Store, world: &World) {
    let locations = ["Главный корпус", "Павильон", "Флигель"];
    let mut rows = (Vec::new(), Vec::new(), Vec::new());
    for (branch, location) in world.branches.iter().zip(locations) {
        rows.0.push(
            blank(Model::Branch, branch.id)
                .with("name", branch.name)
                .with("subject_ids", branch.subjects.clone())
                .with("weight", branch.id),
        );
        rows.1.push(
            blank(Model::Location, branch.id)
                .with("branch_id", branch.id)
                .with("name", location)
                .with("weight", 1),
        );
        for (offset, name) in [(1, "Касса"), (2, "Расчётный счёт")] {
            let users = if offset == 1 { vec![1, 3] } else { Vec::new() };
            rows.2.push(
                blank(Model::PayAccount, (branch.id - 1) * 2 + offset)
                    .with("branch_id", branch.id)
                    .with("name", name)
                    .with("user_ids", users)
                    .with("weight", offset)
                    .with("balance", Cell::Money(0)),
            );
        }
    }
    store.table_mut(Model::Branch).load(rows.0);
    store.table_mut(Model::Location).load(rows.1);
    store.table_mut(Model::PayAccount).load(rows.2);
    let rooms = world.rooms.iter().map(|room| {
        blank(Model::Room, room.id)
            .with("branch_id", room.branch)
            .with("location_id", room.branch)
            .with("color_id", room.id % 7 + 1)
            .with("name", room.name.clone())
            .with("note", room.note)
            .with("is_enabled", room.enabled)
            .with("weight", room.id)
    });
    store.table_mut(Model::Room).load(rooms.collect());
    let subjects: Vec<_> = world.subjects.iter().map(|row| (row.id, row.name)).collect();
    book(store, Model::Subject, &subjects);
    let tariffs = world.tariffs.iter().map(|row| {
        let added = DateTime::constant(2025, 8, 1, 12, 0, 0, 0);
        blank(Model::Tariff, row.id)
            .with("type", row.kind)
            .with("name", row.name)
            .with("price", Cell::Money(row.price))
            .with("lesson_count", row.lessons)
            .with("lessons_count", row.lessons)
            .with("duration", row.minutes)
            .with("added", added)
            .with("branch_ids", row.branches.clone())
    });
    store.table_mut(Model::Tariff).load(tariffs.collect());
    teachers(store, world);
    let groups = world.groups.iter().map(|row| {
        let chat = (row.id % 2 == 0).then(|| Cell::from(format!("https://chat.example/{}", row.id)));
        blank(Model::Group, row.id)
            .with("branch_ids", vec![row.branch])
            .with("teacher_ids", vec![row.teacher])
            .with("name", row.name.clone())
            .with("level_id", row.level)
            .with("limit", row.limit)
            .with("note", row.note)
            .with("b_date", row.begins)
            .with("e_date", row.ends)
            .with("created_at", row.created)
            .with("updated_at", row.created)
            .with("custom_chat", chat.unwrap_or(Cell::Null))
    });
    store.table_mut(Model::Group).load(groups.collect());
    let slots = world.slots.iter().map(slot);
    store.table_mut(Model::RegularLesson).load(slots.collect());
    let links = world.memberships.iter().map(|row| {
        blank(Model::Cgi, row.id)
            .with("customer_id", row.person)
            .with("group_id", row.group)
            .with("b_date", row.begins)
            .with("e_date", row.ends)
    });
    store.table_mut(Model::Cgi).load(links.collect());
    subscriptions(store, world);
}

fn teachers(store: &mut Store, world: &World) {
    let skill = |subject: u64| -> Value {
        let row = world.subjects.iter().find(|row| row.id == subject);
        row.map(|row| json!([{"id": row.id, "name": row.name}]))
            .unwrap_or(json!([]))
    };
    let teachers = world.teachers.iter().map(|row| {
        blank(Model::Teacher, row.id)
            .with("branch_ids", row.branches.clone())
            .with("name", row.name.clone())
            .with("dob", row.born)
            .with("gender", if row.female { 2 } else { 1 })
            .with("e_date", row.left.unwrap_or(SENTINEL))
            .with("phone", vec![row.phone.clone()])
            .with("email", vec![format!("teacher{}@school.example", row.id)])
            .with("teacher-to-skill", Cell::Json(Box::new(skill(row.subject))))
    });
    store.table_mut(Model::Teacher).load(teachers.collect());
    let rates = world.teachers.iter().zip(1_u64..).map(|(row, id)| {
        let begins = dates::parse_iso("2025-09-01");
        blank(Model::TeacherRate, id)
            .with("teacher_id", row.id)
            .with("lesson_type_ids", vec![2_u64])
            .with("subject_ids", vec![row.subject])
            .with("rate", Cell::Money(60_000))
            .with("b_date", begins)
            .with("e_date", SENTINEL)
    });
    store.table_mut(Model::TeacherRate).load(rates.collect());
    let mut hours = Vec::new();
    for row in &world.teachers {
        for weekday in [2, 4] {
            let id = u64::try_from(hours.len()).unwrap_or(0) + 1;
            hours.push(
                blank(Model::WorkingHour, id)
                    .with("teacher_id", row.id)
                    .with("weekday", weekday)
                    .with("time_from", "10:00")
                    .with("time_to", "20:00"),
            );
        }
    }
    store.table_mut(Model::WorkingHour).load(hours);
}

fn slot(row: &world::Slot) -> Row {
    let (class, related) = match row.group {
        Some(group) => ("Group", Some(group)),
        None => ("Customer", row.person),
    };
    let time = |hour: i8, minute: i8| format!("{hour:02}:{minute:02}");
    let to = if row.tight {
        time(row.hour, 59)
    } else {
        time(row.hour + 1, 0)
    };
    let day = u64::try_from(row.day).unwrap_or(1);
    blank(Model::RegularLesson, row.id)
        .with("branch_id", row.branch)
        .with("lesson_type_id", if row.group.is_some() { 2 } else { 1 })
        .with("related_class", class)
        .with("related_id", related)
        .with("subject_id", row.subject)
        .with("teacher_ids", vec![row.teacher])
        .with("room_id", row.room)
        .with("day", day)
        .with("days", vec![day])
        .with("time_from_v", time(row.hour, 0))
        .with("time_to_v", to)
        .with("b_date_v", row.begins)
        .with("e_date_v", row.ends)
        .with("b_date", row.begins)
        .with("e_date", row.ends)
}

fn subscriptions(store: &mut Store, world: &World) {
    let rows = world.subscriptions.iter().map(|row| {
        blank(Model::CustomerTariff, row.id)
            .with("customer_id", row.person)
            .with("tariff_id", row.tariff)
            .with("subject_ids", vec![row.subject])
            .with("lesson_type_ids", vec![2_u64, 1, 3])
            .with("is_separate_balance", row.separate)
            .with("balance", Cell::Money(row.balance))
            .with("b_date", row.begins)
            .with("e_date", row.ends)
    });
    store.table_mut(Model::CustomerTariff).load(rows.collect());
    let rows = world.discounts.iter().map(|row| {
        blank(Model::Discount, row.id)
            .with("branch_id", row.branch)
            .with("customer_id", row.person)
            .with("amount", row.percent)
            .with("note", row.note)
            .with("subject_ids", vec![row.subject])
            .with("lesson_type_ids", vec![2_u64])
            .with("begin", row.begins)
            .with("end", row.ends)
    });
    store.table_mut(Model::Discount).load(rows.collect());
}

fn card(row: &Person) -> Row {
    let student = matches!(row.standing, Standing::Student | Standing::FormerStudent);
    let status: i64 = match row.standing {
        Standing::Student => 4,
        Standing::FormerStudent => 10,
        _ => 1,
    };
    let (contract, signed) = match &row.contract {
        Some((number, day)) => (number.clone(), Some(*day)),
        None => (String::new(), None),
    };
    let class = row
        .class
        .map_or(Cell::Null, |class| Cell::from(class.to_string()));
    // Archived leads nearly always have a reason.
    let rejected = row.standing == Standing::RejectedLead && !row.id.is_multiple_of(97);
    blank(Model::Customer, row.id)
        .with("branch_ids", row.branches.clone())
        .with("teacher_ids", row.teachers.clone())
        .with("name", row.name.clone())
        .with("color", row.color.map_or(Cell::Null, Cell::from))
        .with("is_study", student)
        .with("study_status_id", status)
        .with("pipeline_id", (!student).then_some(1))
        .with("lead_status_id", row.stage)
        .with("lead_reject_id", rejected.then_some(6 + row.id % 2))
        .with(
            "customer_reject_id",
            (row.standing == Standing::FormerStudent).then_some(if row.id.is_multiple_of(2) { 1 } else { 3 }),
        )
        .with("lead_source_id", row.source)
        .with("assigned_id", row.assigned)
        .with("legal_type", 1)
        .with("legal_name", row.parent.clone())
        .with("dob", row.born)
        .with("balance", Cell::Money(row.balance))
        .with("balance_base", Cell::Money(row.balance))
        .with("balance_bonus", row.bonus)
        .with("b_date", row.created)
        .with("e_date", row.archived.unwrap_or(SENTINEL))
        .with("note", Cell::Text(row.note.clone()))
        .with("phone", row.phones.clone())
        .with("email", row.emails.clone())
        .with("addr", row.address.iter().cloned().collect::<Vec<String>>())
        .with("created_at", row.created)
        .with("updated_at", row.updated)
        .with("custom_klass", class)
        .with("custom_dogovor", contract)
        .with("custom_datadogovora", signed)
        .with("gender", if row.female { 2 } else { 1 })
}

fn lesson(row: Lesson) -> Row {
    let details = row
        .attendance
        .into_iter()
        .map(|row| Detail {
            id: row.id,
            customer: row.person,
            subscription: row.subscription,
            reason: row.reason,
            attended: row.attended,
            commission: row.charge,
            grade: row.grade.map(Into::into),
            bonus: row.bonus,
            note: "".into(),
        })
        .collect();
    blank(Model::Lesson, row.id)
        .with("branch_id", row.branch)
        .with("regular_id", row.slot)
        .with("date", row.from.date())
        .with("time_from", row.from)
        .with("time_to", row.to)
        .with("lesson_type_id", row.kind)
        .with("status", row.status as i64)
        .with("subject_id", row.subject)
        .with("room_id", row.room)
        .with("teacher_ids", vec![row.teacher])
        .with("customer_ids", row.people)
        .with("group_ids", row.group.into_iter().collect::<Vec<u64>>())
        .with("note", row.note)
        .with("topic", row.topic)
        .with("homework", row.homework)
        .with("created_at", row.created)
        .with("updated_at", row.updated)
        .with("details", Cell::Details(details))
}

/// The till of a payment: each branch has one for cash and one at the bank.
fn account(row: &Payment) -> u64 {
    (row.branch - 1) * 2 + if row.cash { 1 } else { 2 }
}

fn pay(row: Payment) -> Row {
    let expense = row.amount < 0;
    let till = account(&row);
    let item: u64 = match (expense, row.person, row.teacher) {
        (false, ..) => 3,
        (true, Some(_), _) => 10,
        (true, None, Some(_)) => 9,
        (true, None, None) => 8,
    };
    blank(Model::Pay, row.id)
        .with("branch_id", row.branch)
        .with("location_id", row.branch)
        .with("customer_id", row.person)
        .with("pay_type_id", if expense { 2 } else { 1 })
        .with("pay_type_name", if expense { "Расход" } else { "Доход" })
        .with("pay_account_id", till)
        .with("pay_item_id", item)
        .with("teacher_id", row.teacher)
        .with("ctt_id", row.subscription)
        .with("document_date", row.day)
        .with("income", Cell::Money(row.amount))
        .with("payer_name", row.payer)
        .with("note", row.note)
        .with("is_confirmed", row.confirmed)
        .with("created_at", row.created)
        .with("updated_at", row.created)
}

fn office(store: &mut Store, world: &World, now: DateTime) {
    let tasks = world.tasks.iter().map(|row| {
        blank(Model::Task, row.id)
            .with("branch_ids", vec![row.branch])
            .with("user_id", 1)
            .with("assigned_ids", vec![3_u64])
            .with("customer_ids", vec![row.person])
            .with("title", row.title)
            .with("text", row.text)
            .with("created_at", row.created)
            .with("is_done", row.done.is_some())
            .with("due_date", row.due)
            .with("done_date", row.done)
            .with("is_notify", 1)
    });
    store.table_mut(Model::Task).load(tasks.collect());
    let comments = world.comments.iter().map(|row| {
        blank(Model::Communication, row.id)
            .with("class", "Customer")
            .with("related_id", row.person)
            .with("user_id", row.user)
            .with("added", row.at)
            .with("comment", row.text)
    });
    store.table_mut(Model::Communication).load(comments.collect());
    let sent = |model: Model, id: u64, back: u64| {
        let minutes = i64::try_from(back * 97).unwrap_or(0);
        let at = now
            .checked_sub(jiff::SignedDuration::from_mins(minutes))
            .unwrap_or(now);
        blank(model, id)
            .with("user_id", 1)
            .with("added", at)
            .with("date", at)
    };
    let texted: Vec<&Person> = world
        .people
        .iter()
        .filter(|row| row.standing == Standing::Student && !row.phones.is_empty())
        .take(30)
        .collect();
    let count = u64::try_from(texted.len()).unwrap_or(0);
    let numbered = || {
        texted
            .iter()
            .zip(1_u64..)
            .map(|(person, place)| (*person, place, count - place))
    };
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    let sms = numbered().map(|(person, place, back)| {
        sent(Model::SmsMessage, 76 + place, back)
            .with("phone", digits(&person.phones[0]))
            .with("name", "SCHOOL")
            .with("message", "Занятие завтра в 17:00")
            .with("is_fail", place % 10 == 0)
            .with("is_sent", place % 10 != 0)
    });
    store.table_mut(Model::SmsMessage).load(sms.collect());
    let mail = numbered().filter(|(person, ..)| !person.emails.is_empty());
    let mail = mail.map(|(person, place, back)| {
        sent(Model::MailMessage, 20 + place, back)
            .with("email", person.emails[0].clone())
            .with("subject", "Расписание")
            .with("message", "Расписание на месяц")
    });
    store.table_mut(Model::MailMessage).load(mail.collect());
    let calls = numbered().map(|(person, place, back)| {
        sent(Model::PhoneCall, 50 + place, back)
            .with("phone", digits(&person.phones[0]))
            .with("customer_id", person.id)
            .with("direction", place % 2)
            .with("duration", 30 + place * 7)
    });
    store.table_mut(Model::PhoneCall).load(calls.collect());
}

/// A history of recent payments and of leads that came, moved on and were rejected.
fn history(store: &mut Store, world: &World, now: DateTime) {
    let mut events: Vec<(DateTime, &'static str, u64, i64, Value, Value)> = Vec::new();
    let none = || json!([]);
    for row in world.payments.iter().rev().take(LOGGED_PAYMENTS) {
        let new = json!({
            "customer_id": row.person.map(|id| id.to_string()),
            "income": (row.amount / 100).to_string(),
            "document_date": dates::iso(row.day),
        });
        events.push((row.created, "Pay", row.id, 1, none(), new));
    }
    let leads = world
        .people
        .iter()
        .filter(|row| matches!(row.standing, Standing::Lead | Standing::RejectedLead));
    for row in leads {
        let new = json!({"name": row.name, "is_study": 0, "legal_type": 1, "branch_ids": row.branches});
        events.push((row.created, "Customer", row.id, 1, none(), new));
        if let Some(stage) = row.stage.filter(|stage| *stage > 1) {
            let at = row.updated.max(row.created).min(now);
            let (old, new) = (json!({"lead_status_id": 1}), json!({"lead_status_id": stage}));
            events.push((at, "Customer", row.id, 2, old, new));
        }
    }
    for row in world
        .memberships
        .iter()
        .filter(|row| row.ends < now.date())
        .take(20)
    {
        let at = row.ends.to_datetime(jiff::civil::Time::constant(8, 0, 0, 0));
        let old = json!({"customer_id": row.person, "group_id": row.group});
        events.push((at, "CustomerGroupInvolve", 5_000_000 + row.id, 3, old, none()));
    }
    events.sort_by_key(|(at, _, id, ..)| (*at, *id));
    let rows = events
        .into_iter()
        .zip(90_001_u64..)
        .map(|((at, entity, entity_id, event, old, new), id)| {
            blank(Model::Log, id)
                .with("entity", entity)
                .with("entity_id", entity_id)
                .with("user_id", if id % 3 == 0 { 3 } else { 1 })
                .with("event", event)
                .with("fields_old", Cell::Json(Box::new(old)))
                .with("fields_new", Cell::Json(Box::new(new)))
                // Now and then an empty map is empty text.
                .with("fields_rel", Cell::Json(Box::new(if id % 5 == 0 { json!("") } else { none() })))
                .with("date_time", at)
        });
    store.table_mut(Model::Log).load(rows.collect());
}
