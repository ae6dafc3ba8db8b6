//! References that can be shown with the names of what they point to: `expand=teachers` puts
//! `"teachers": [{"id": "alfa-4", "name": "…"}]` beside `"teacher_ids": ["alfa-4"]`.

use serde_json::{Map, Value, json};

use super::RecordId;
use super::reference::Book;

/// A reference that can be expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expand {
    /// The word in `expand`, and the field that is added: `teachers`, `subject`.
    pub name: &'static str,
    /// The field that holds the ids: `teacher_ids`, `subject_id`.
    pub field: &'static str,
    /// The list of objects that holds the field, where it is not the record itself: `attendance`.
    pub within: Option<&'static str>,
    /// What the ids point to.
    pub to: Kin,
}

/// What a reference points to, and what a path may hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kin {
    /// Students and leads.
    Student,
    /// Groups.
    Group,
    /// Teachers.
    Teacher,
    /// Tasks.
    Task,
    /// Tariffs.
    Tariff,
    /// Lessons.
    Lesson,
    /// Projects.
    Project,
    /// An entry of a reference book.
    Entry(Book),
}

impl Kin {
    /// The resource whose scope is needed to read the names.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Student => "students",
            Self::Group => "groups",
            Self::Teacher => "teachers",
            Self::Task => "tasks",
            Self::Tariff => "tariffs",
            Self::Lesson => "lessons",
            Self::Project => "projects",
            Self::Entry(_) => "reference",
        }
    }

    /// An id of one, for examples in the API document.
    pub fn example(self) -> &'static str {
        match self {
            Self::Student => "alfa-101",
            Self::Group => "alfa-12",
            Self::Teacher => "alfa-4",
            Self::Task => "alfa-31",
            Self::Tariff => "alfa-40",
            Self::Lesson => "alfa-5001",
            Self::Project => "crypto-101",
            Self::Entry(_) => "alfa-1",
        }
    }
}

/// A reference of the record itself.
pub const fn to(name: &'static str, field: &'static str, to: Kin) -> Expand {
    Expand { name, field, within: None, to }
}

/// A reference in each object of a list.
pub const fn within(list: &'static str, name: &'static str, field: &'static str, to: Kin) -> Expand {
    Expand { name, field, within: Some(list), to }
}

impl Expand {
    /// The ids that a record, written as JSON, holds there.
    pub fn ids(&self, record: &Map<String, Value>) -> Vec<RecordId> {
        self.holders(record).into_iter().flat_map(|holder| ids(holder.get(self.field))).collect()
    }

    /// Puts the names beside the ids; an id without a name shows as `#5`.
    pub fn apply(&self, record: &mut Map<String, Value>, name: &dyn Fn(&RecordId) -> Option<String>) {
        let named = |id: &RecordId| {
            let name = name(id).unwrap_or_else(|| format!("#{}", id.number()));
            json!({"id": id, "name": name})
        };
        let put = |holder: &mut Map<String, Value>| {
            let value = match holder.get(self.field) {
                // Pruned or hidden: then its names are too.
                None => return,
                list @ Some(Value::Array(_)) => ids(list).iter().map(named).collect(),
                one => ids(one).first().map_or(Value::Null, named),
            };
            holder.insert(self.name.to_owned(), value);
        };
        match self.within {
            None => put(record),
            Some(list) => {
                let entries = record.get_mut(list).and_then(Value::as_array_mut);
                entries.into_iter().flatten().filter_map(Value::as_object_mut).for_each(put);
            }
        }
    }

    fn holders<'a>(&self, record: &'a Map<String, Value>) -> Vec<&'a Map<String, Value>> {
        match self.within {
            None => vec![record],
            Some(list) => {
                let entries = record.get(list).and_then(Value::as_array);
                entries.into_iter().flatten().filter_map(Value::as_object).collect()
            }
        }
    }
}

fn ids(value: Option<&Value>) -> Vec<RecordId> {
    let one = |value: &Value| value.as_str()?.parse().ok();
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_beside_the_ids_wherever_they_are() {
        let mut record = json!({"teacher_ids": ["alfa-4", "alfa-9"], "subject_id": null, "attendance": [{"student_id": "alfa-1"}]});
        let record = record.as_object_mut().unwrap();
        let teachers = to("teachers", "teacher_ids", Kin::Teacher);
        let subject = to("subject", "subject_id", Kin::Entry(Book::Subjects));
        let student = within("attendance", "student", "student_id", Kin::Student);
        assert_eq!(teachers.ids(record).len(), 2);
        let name = |id: &RecordId| (id.number() != 9).then(|| format!("N{}", id.number()));
        for expand in [teachers, subject, student, to("room", "room_id", Kin::Entry(Book::Rooms))] {
            expand.apply(record, &name);
        }
        assert_eq!(
            record["teachers"],
            json!([{"id": "alfa-4", "name": "N4"}, {"id": "alfa-9", "name": "#9"}])
        );
        assert_eq!(record["subject"], Value::Null);
        assert_eq!(record["attendance"][0]["student"]["name"], "N1");
        assert!(!record.contains_key("room"), "what is pruned is not expanded");
    }
}
