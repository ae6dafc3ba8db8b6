//! Who takes part in a lesson, who came and what it cost. Conducting charges the students; taking a lesson back returns
//! the money.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::lesson::{CONDUCTED, PLANNED};
use super::tariff;
use crate::sandbox::alfa::accounts;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::{Cell, flag, hundredths, int};
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::detail::{Detail, ILLNESS};
use crate::sandbox::alfa::filter;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::Model;

/// Puts the members of its groups on that day into a lesson.
pub(super) fn join_members(desk: &Desk<'_>, row: &mut Row) {
    let Some(day) = row.date("date") else { return };
    let mut customers = row.ints("customer_ids").to_vec();
    for link in desk.store.table(Model::Cgi).iter() {
        let here = link.key("group_id").is_some_and(|id| row.ints("group_ids").contains(&id));
        if let Some(customer) = link.key("customer_id")
            && here
            && is_member(link, day)
            && !customers.contains(&customer)
        {
            customers.push(customer);
        }
    }
    row.set("customer_ids", customers.into());
}

fn is_member(link: &Row, day: Date) -> bool {
    link.date("b_date").is_none_or(|start| start <= day) && link.date("e_date").is_none_or(|end| end >= day)
}

/// Writes the attendance rows: planned ones with the expected charge, conducted ones from the marks sent. Whoever is
/// not marked where others are was absent and pays nothing; without marks at all everybody came.
pub(super) fn attend(desk: &mut Desk<'_>, call: &Call, old: Option<&Row>, row: &mut Row) {
    let marks: Option<Vec<(u64, &Value)>> =
        call.body.get("details").and_then(Value::as_array).map(|details| {
            details
                .iter()
                .filter_map(|mark| {
                    let customer =
                        mark.get("customer_id").and_then(int).and_then(|id| u64::try_from(id).ok())?;
                    desk.store.table(Model::Customer).has(customer).then_some((customer, mark))
                })
                .collect()
        });
    let mut customers = row.ints("customer_ids").to_vec();
    for (customer, _) in marks.iter().flatten() {
        if !customers.contains(customer) {
            customers.push(*customer);
        }
    }
    let conducted = row.int("status") == Some(CONDUCTED);
    let was_conducted = old.is_some_and(|old| old.int("status") == Some(CONDUCTED));
    let mut details = Vec::with_capacity(customers.len());
    for customer in &customers {
        let known = row.details().iter().find(|detail| detail.customer == *customer);
        // A conducted lesson that is only edited keeps its attendance.
        if let Some(known) = known
            && conducted == was_conducted
            && marks.is_none()
        {
            details.push(known.clone());
            continue;
        }
        let (subscription, price) = tariff::charge(desk, *customer, row);
        let id = known.map_or(0, |known| known.id);
        let mut detail = Detail {
            id,
            customer: *customer,
            subscription,
            reason: None,
            attended: conducted,
            commission: price,
            grade: None,
            bonus: 0,
            note: "".into(),
        };
        if conducted && let Some(marks) = &marks {
            let mark = marks.iter().find(|(marked, _)| marked == customer).map(|(_, mark)| *mark);
            detail.mark(mark, price);
        }
        details.push(detail);
    }
    for detail in &mut details {
        if detail.id == 0 {
            desk.store.last_detail += 1;
            detail.id = desk.store.last_detail;
        }
    }
    row.set("customer_ids", customers.into());
    row.set("details", Cell::Details(details));
}

impl Detail {
    /// Fills in one student's mark. Present pays; absent pays unless ill; an amount in the mark beats both.
    fn mark(&mut self, mark: Option<&Value>, price: i64) {
        let Some(mark) = mark else {
            self.attended = false;
            self.commission = 0;
            return;
        };
        self.attended = mark.get("is_attend").and_then(flag).unwrap_or(false);
        self.reason = mark
            .get("reason_id")
            .and_then(int)
            .and_then(|id| u64::try_from(id).ok())
            .filter(|_| !self.attended);
        self.commission = match mark.get("commission").and_then(hundredths) {
            Some(amount) => amount,
            None if self.reason == Some(ILLNESS) => 0,
            None => price,
        };
        self.grade = mark.get("grade").and_then(filter::text).map(Into::into);
        self.bonus = mark.get("bonus").and_then(int).unwrap_or(0);
        if let Some(note) = mark.get("note").and_then(Value::as_str) {
            self.note = note.to_owned().into();
        }
    }
}

/// Takes the old lesson's charges back and books the new one's.
pub(in crate::sandbox::alfa) fn settle(desk: &mut Desk<'_>, old: Option<&Row>, new: &Row) {
    let mut touched = BTreeSet::new();
    for (row, sign) in old.into_iter().map(|old| (old, 1)).chain([(new, -1)]) {
        touched.extend(row.ints("customer_ids"));
        if row.int("status") != Some(CONDUCTED) {
            continue;
        }
        for detail in row.details() {
            accounts::post(desk.store, detail.customer, detail.subscription, sign * detail.commission);
            accounts::add_bonus(desk.store, detail.customer, -sign * detail.bonus);
        }
    }
    accounts::refresh(desk.store, desk.now, Some(&touched));
}

/// Puts a client into a group's planned lessons from today on, or takes him out, as his memberships say.
pub(in crate::sandbox::alfa) fn align(desk: &mut Desk<'_>, group: u64, customer: u64) {
    let today = desk.now.date();
    let lessons: Vec<Row> = desk
        .store
        .table(Model::Lesson)
        .iter()
        .take_while(|row| row.date("date") >= Some(today))
        .filter(|row| row.int("status") == Some(PLANNED) && row.ints("group_ids").contains(&group))
        .cloned()
        .collect();
    for mut row in lessons {
        let Some(day) = row.date("date") else { continue };
        let member = desk.store.table(Model::Cgi).iter().any(|link| {
            link.key("group_id") == Some(group)
                && link.key("customer_id") == Some(customer)
                && is_member(link, day)
        });
        let mut customers = row.ints("customer_ids").to_vec();
        if customers.contains(&customer) == member {
            continue;
        }
        if member {
            customers.push(customer);
        } else {
            customers.retain(|id| *id != customer);
        }
        row.set("customer_ids", customers.into());
        attend(desk, &Call::default(), Some(&row.clone()), &mut row);
        desk.store.table_mut(Model::Lesson).change(row.id, |stored| {
            *stored = row;
        });
    }
}
