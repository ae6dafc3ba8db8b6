//! Branches, rooms, teachers, groups with members and timetable, packages and subscriptions.

use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::blank;
use super::books::book;
use crate::sandbox::alfa::cell::Cell;
use crate::sandbox::alfa::dates::{self, SENTINEL};
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::Model;
use crate::sandbox::alfa::store::Store;
use crate::sandbox::world::{self, World};

pub(super) fn school(store: &mut Store, world: &World) {
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
        row.map(|row| json!([{"id": row.id, "name": row.name}])).unwrap_or(json!([]))
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
    let mut rates = Vec::new();
    for row in &world.teachers {
        // Lessons of a group, of one student, and trials.
        for (kind, amount) in [(2_u64, 60_000), (1, 80_000), (3, 30_000)] {
            let id = u64::try_from(rates.len()).unwrap_or(0) + 1;
            rates.push(
                blank(Model::TeacherRate, id)
                    .with("teacher_id", row.id)
                    .with("lesson_type_ids", vec![kind])
                    .with("subject_ids", vec![row.subject])
                    .with("rate", Cell::Money(amount))
                    .with("b_date", dates::parse_iso("2025-09-01"))
                    .with("e_date", SENTINEL),
            );
        }
    }
    store.table_mut(Model::TeacherRate).load(rates);
    let mut hours = Vec::new();
    for row in &world.teachers {
        for weekday in [2, 4, 6] {
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
    let to = if row.tight { time(row.hour, 59) } else { time(row.hour + 1, 0) };
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
