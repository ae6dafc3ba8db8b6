//! What the crowd knows of the school: whom one can ask for.

use crm_gateway::sandbox::{alfa, crypto};
use jiff::civil::Date;
use serde_json::Value;

/// Numbers of the crowd are for so many students.
const STUDENTS: f64 = 3000.0;

#[derive(Debug, Clone)]
pub(crate) struct Pupil {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) branch: u64,
    pub(crate) phone: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Lesson {
    pub(crate) id: u64,
    pub(crate) teacher: u64,
    /// The hour of the day.
    pub(crate) ends: f64,
}

#[derive(Debug)]
pub(crate) struct School {
    /// How much larger it is than the one that the crowd's numbers are for.
    pub(crate) scale: f64,
    pub(crate) pupils: Vec<Pupil>,
    /// Those of today that are planned.
    pub(crate) lessons: Vec<Lesson>,
    pub(crate) tasks: Vec<u64>,
    pub(crate) projects: Vec<u64>,
}

impl School {
    pub(crate) fn of(alfa: &alfa::Crm, crypto: &crypto::Crm, day: Date) -> Self {
        let active = |row: &Value| row["is_study"] == 1 && row["e_date"] == "2030-12-31";
        let rows = alfa.rows("customer");
        let pupils: Vec<Pupil> = rows.iter().filter(|row| active(row)).filter_map(pupil).collect();
        let today = day.to_string();
        let is_planned = |row: &Value| row["status"] == 1 && row["date"] == today.as_str();
        let lessons = alfa.rows("lesson");
        let open = alfa.rows("task").into_iter().filter(|row| row["is_done"] == 0 && row["is_archive"] == 0);
        Self {
            scale: pupils.len() as f64 / STUDENTS,
            lessons: lessons.iter().filter(|row| is_planned(row)).filter_map(lesson).collect(),
            tasks: open.filter_map(|row| row["id"].as_u64()).collect(),
            projects: crypto.project_ids(),
            pupils,
        }
    }

    /// Somebody, some much more often than others.
    pub(crate) fn somebody(&self, dice: f64, power: f64) -> &Pupil {
        some(&self.pupils, dice, power)
    }
}

/// One of them: `dice` from 0 to 1 chooses by Zipf's law.
pub(crate) fn some<T>(all: &[T], dice: f64, power: f64) -> &T {
    // The inverse of the law's integral, which is close enough to its sum.
    let rest = 1.0 - power;
    let place = (dice * ((all.len() as f64 + 1.0).powf(rest) - 1.0) + 1.0).powf(1.0 / rest) - 1.0;
    // Places are dealt out, so that the favourites are not those who come first in lists.
    &all[(place as usize).min(all.len() - 1) * 7919 % all.len()]
}

fn pupil(row: &Value) -> Option<Pupil> {
    Some(Pupil {
        id: row["id"].as_u64()?,
        name: row["name"].as_str()?.to_owned(),
        branch: row["branch_ids"][0].as_u64()?,
        phone: row["phone"][0].as_str()?.to_owned(),
    })
}

fn lesson(row: &Value) -> Option<Lesson> {
    let ends = row["time_to"].as_str()?.split(' ').nth(1)?;
    let mut parts = ends.split(':').filter_map(|part| part.parse::<f64>().ok());
    Some(Lesson {
        id: row["id"].as_u64()?,
        teacher: row["teacher_ids"][0].as_u64()?,
        ends: parts.next()? + parts.next()? / 60.0,
    })
}
