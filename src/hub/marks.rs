//! What must not be believed any more. A write marks what it may have changed; an answer that was asked for before the
//! mark is as good as none. Marks hang on tags and not on answers, so a write costs as many steps as it has tags, however
//! many answers it outdates, and a read looks at the few tags of its question.
//!
//! A question has one tag: the record it asks for, the owner its list hangs on ([`Filter::owner`]), the branch it is
//! limited to, or else "lists" of the resource. A record is outdated wherever it is found, also in a list that it should
//! not have been in.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use super::desk::Way;
use super::tag::Tag;
use crate::crm::Chunk;
use crate::model::expand::Kin;
use crate::model::record::Touch;
use crate::model::{Entity, Filter as _, Record, RecordId};

/// Tags remembered for one resource; with more, all of it counts as changed, which is true enough.
const MOST: usize = 20_000;

/// The marks of all resources.
#[derive(Debug, Default)]
pub(super) struct AllMarks(RwLock<HashMap<&'static str, Arc<Marks>>>);

/// The marks of one resource. Points in time are on the cache's scale of generations.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Everything.
    all: AtomicU64,
    /// Lists that hang on nothing.
    lists: AtomicU64,
    /// Lists that ask for what the CRM computes.
    computed: AtomicU64,
    /// Lists of a branch, when something changed that told none.
    any_branch: AtomicU64,
    branches: Tagged<u64>,
    /// Lists below any owner, when something changed that told none.
    any_owner: AtomicU64,
    owners: Tagged<(Kin, RecordId)>,
    /// Records asked for by their ids, when it is not known which changed.
    any_record: AtomicU64,
    records: Tagged<RecordId>,
    /// Counts what was marked.
    version: AtomicU64,
}

/// Marks by tag, and the latest of them, so that nothing is looked up where nothing was marked.
#[derive(Debug)]
struct Tagged<T> {
    latest: AtomicU64,
    marks: RwLock<HashMap<T, u64>>,
}

impl<T> Default for Tagged<T> {
    fn default() -> Self {
        Self { latest: AtomicU64::new(0), marks: RwLock::default() }
    }
}

impl<T: Eq + Hash + Clone> Tagged<T> {
    /// Marks a tag; `false` when there are too many.
    fn mark(&self, tag: &T, now: u64) -> bool {
        let mut marks = self.marks.write().expect("no code panics while it holds the marks");
        if marks.len() >= MOST && !marks.contains_key(tag) {
            marks.clear();
            return false;
        }
        let mark = marks.entry(tag.clone()).or_default();
        *mark = now.max(*mark);
        drop(marks);
        self.latest.fetch_max(now, Ordering::AcqRel);
        true
    }

    /// When a tag was last marked, if that was after `since`.
    fn after(&self, since: u64, tag: &T) -> u64 {
        if self.latest.load(Ordering::Acquire) <= since {
            return 0;
        }
        let marks = self.marks.read().expect("no code panics while it holds the marks");
        marks.get(tag).copied().filter(|mark| *mark > since).unwrap_or_default()
    }
}

impl AllMarks {
    /// The marks of a resource.
    pub(super) fn of(&self, resource: &'static str) -> Arc<Marks> {
        let known = self.0.read().expect("no code panics while it holds the marks").get(resource).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.0.write().expect("no code panics while it holds the marks");
            Arc::clone(all.entry(resource).or_default())
        })
    }

    /// A record was written, and looked like this before and after. Where neither is known, anything may have changed.
    /// Tells what it marked.
    pub(super) fn written<E: Entity>(
        &self,
        before: Option<&Record<E>>,
        after: Option<&Record<E>>,
        now: u64,
    ) -> Vec<Marked> {
        let known: Vec<&Record<E>> = before.into_iter().chain(after).collect();
        let mut tags: Vec<Marked> = Vec::new();
        if known.is_empty() {
            let touched = E::TOUCHES.iter().copied();
            tags.extend(touched.chain([E::RESOURCE]).map(|resource| (resource, Tag::All)));
        }
        for record in known {
            changed(record, &mut tags);
            record.data.touched().into_iter().for_each(|touch| touched(touch, &mut tags));
        }
        tags.push(("history", Tag::All));
        tags.into_iter().map(|(resource, tag)| (resource, self.of(resource).mark(tag, now))).collect()
    }

    /// Marks whatever carries a tag an operator names: a resource, one of its records, or an owner or a branch anywhere.
    /// Tells what it marked: nothing when there is no such tag.
    pub(super) fn purge(&self, tag: &Purge, now: u64) -> Vec<Marked> {
        let mut marked = Vec::new();
        for (name, marks) in self.known() {
            let tags = match tag {
                Purge::Everything => vec![Tag::All],
                Purge::Resource(resource) if resource == name => vec![Tag::All],
                Purge::Record(resource, id) if resource == name => {
                    // All lists, whatever they hang on; records asked for by their ids are left alone but this one.
                    let lists = [Tag::Lists, Tag::Computed, Tag::AnyBranch, Tag::AnyOwner];
                    [Tag::Record(id.clone())].into_iter().chain(lists).collect()
                }
                Purge::Below(kin, id) => {
                    let own = (kin.resource() == name).then(|| Tag::Record(id.clone()));
                    [Tag::Owner(*kin, id.clone())].into_iter().chain(own).collect()
                }
                Purge::Branch(branch) => vec![Tag::Branch(*branch)],
                Purge::Resource(_) | Purge::Record(..) => Vec::new(),
            };
            marked.extend(tags.into_iter().map(|tag| (name, marks.mark(tag, now))));
        }
        marked
    }

    /// Marks again what was marked before a restart. Of resources that are gone there are no answers either.
    pub(super) fn restore(&self, resource: &str, tag: Tag, at: u64) {
        if let Some((_, marks)) = self.known().into_iter().find(|(name, _)| *name == resource) {
            marks.mark(tag, at);
        }
    }

    /// The resources that anybody asked for, with their marks.
    fn known(&self) -> Vec<(&'static str, Arc<Marks>)> {
        let all = self.0.read().expect("no code panics while it holds the marks");
        all.iter().map(|(name, marks)| (*name, Arc::clone(marks))).collect()
    }
}

/// Marked: something of a resource.
pub(super) type Marked = (&'static str, Tag);

/// What a record that was written is found by.
fn changed<E: Entity>(record: &Record<E>, tags: &mut Vec<Marked>) {
    let mut mark = |tag| tags.push((E::RESOURCE, tag));
    mark(Tag::Record(record.id.clone()));
    match record.data.owners() {
        Some(owners) => owners.into_iter().for_each(|(kin, owner)| mark(Tag::Owner(kin, owner))),
        None => mark(Tag::AnyOwner),
    }
    match record.data.branches() {
        Some(branches) if !branches.is_empty() => {
            branches.iter().for_each(|branch| mark(Tag::Branch(branch.number())));
        }
        Some(_) | None => mark(Tag::AnyBranch),
    }
    mark(Tag::Lists);
    mark(Tag::Computed);
}

/// What else a write reached.
fn touched(touch: Touch, tags: &mut Vec<Marked>) {
    match touch {
        Touch::All(resource) => tags.push((resource, Tag::All)),
        Touch::Record(resource, id) => {
            tags.extend([Tag::Record(id), Tag::Computed].map(|tag| (resource, tag)));
        }
        Touch::Below(resource, kin, id) => {
            let around = [Tag::Lists, Tag::Computed, Tag::AnyBranch, Tag::AnyRecord];
            tags.push((resource, Tag::Owner(kin, id)));
            tags.extend(around.map(|tag| (resource, tag)));
        }
    }
}

/// What an operator wants to be asked anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Everything there is.
    Everything,
    /// All of a resource: `students`.
    Resource(String),
    /// A record and the lists it may be in: `students:alfa-17`.
    Record(String, RecordId),
    /// What hangs on a record, and the record itself: `student:alfa-17`.
    Below(Kin, RecordId),
    /// The lists of a branch: `branch:alfa-1`.
    Branch(u64),
}

impl std::str::FromStr for Purge {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD_ID: &str = "must be an id like `alfa-17` behind the colon";
        let Some((kind, id)) = text.split_once(':') else {
            return Ok(if text == "*" { Self::Everything } else { Self::Resource(text.to_owned()) });
        };
        let id: RecordId = id.parse().map_err(|_| BAD_ID)?;
        Ok(match kind {
            "student" => Self::Below(Kin::Student, id),
            "group" => Self::Below(Kin::Group, id),
            "teacher" => Self::Below(Kin::Teacher, id),
            "project" => Self::Below(Kin::Project, id),
            "branch" => Self::Branch(id.number()),
            resource => Self::Record(resource.to_owned(), id),
        })
    }
}

impl Marks {
    /// What an answer to a question must be newer than.
    pub(super) fn of<E: Entity>(&self, way: &Way<'_, E>) -> Option<u64> {
        let all = self.all.load(Ordering::Acquire);
        let own = match way {
            Way::Record { id, .. } | Way::Gathered(_, id) => {
                self.records.after(0, id).max(self.any_record.load(Ordering::Acquire))
            }
            Way::Page(lane, filter, _) => {
                let computed = if filter.is_computed() { self.computed.load(Ordering::Acquire) } else { 0 };
                let tagged = match (filter.owner(), lane.branch) {
                    (Some(owner), _) => {
                        self.owners.after(0, &owner).max(self.any_owner.load(Ordering::Acquire))
                    }
                    (None, Some(branch)) => {
                        self.branches.after(0, &branch).max(self.any_branch.load(Ordering::Acquire))
                    }
                    (None, None) => self.lists.load(Ordering::Acquire),
                };
                tagged.max(computed)
            }
        };
        let mark = all.max(own);
        (mark > 0).then_some(mark)
    }

    /// What an answer asked for at `generation` should have been newer than, for a record it holds was written since.
    pub(super) fn outdates<E>(&self, chunk: &Chunk<E>, generation: u64) -> Option<u64> {
        if self.records.latest.load(Ordering::Acquire) <= generation {
            return None;
        }
        let marks = chunk.records.iter().map(|record| self.records.after(generation, &record.id));
        marks.max().filter(|mark| *mark > 0)
    }

    /// Another number after each mark: what was judged at the same number would be judged the same.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Marks a tag, or everything where there are too many of its kind; tells which.
    fn mark(&self, tag: Tag, now: u64) -> Tag {
        let had_room = match &tag {
            Tag::Branch(branch) => self.branches.mark(branch, now),
            Tag::Owner(kin, id) => self.owners.mark(&(*kin, id.clone()), now),
            Tag::Record(id) => self.records.mark(id, now),
            Tag::All => raise(&self.all, now),
            Tag::Lists => raise(&self.lists, now),
            Tag::Computed => raise(&self.computed, now),
            Tag::AnyBranch => raise(&self.any_branch, now),
            Tag::AnyOwner => raise(&self.any_owner, now),
            Tag::AnyRecord => raise(&self.any_record, now),
        };
        if !had_room {
            raise(&self.all, now);
        }
        // After the mark that it counts.
        self.version.fetch_add(1, Ordering::AcqRel);
        if had_room { tag } else { Tag::All }
    }
}

fn raise(mark: &AtomicU64, now: u64) -> bool {
    mark.fetch_max(now, Ordering::AcqRel);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::Lane;
    use crate::model::payment::{Direction, Payment, PaymentFilter};
    use crate::model::student::{Student, StudentFilter};
    use crate::model::{Filter, Raw, Source};
    use serde_json::{Map, Value};

    fn id(number: u64) -> RecordId {
        RecordId::new(Source::AlfaCrm, number)
    }

    fn payment(number: u64, student: Option<u64>, branch: Option<u64>, note: u64) -> Record<Payment> {
        let data = Payment {
            branch_id: branch.map(id),
            student_id: student.map(id),
            project_id: None,
            direction: Direction::Income,
            amount: None,
            date: None,
            payer_name: None,
            note: Some(note.to_string()),
            confirmed: None,
            type_id: None,
            type_name: None,
            account_id: None,
            item_id: None,
            subscription_id: None,
            teacher_id: None,
            location_id: None,
        };
        let (source, source_id) = (Source::AlfaCrm, number.to_string());
        let (custom_fields, raw) = (Map::new(), Raw::of(&Value::Null));
        Record {
            id: id(number),
            source,
            source_id,
            data,
            custom_fields,
            created_at: None,
            updated_at: None,
            raw,
        }
    }

    /// A question about payments, or about what the CRM computes of students out of them.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Question {
        Payment(u64),
        OfStudent(u64),
        OfBranch(u64),
        All,
        Student(u64),
        Students,
        Debtors,
    }

    const QUESTIONS: [Question; 12] = [
        Question::Payment(1),
        Question::Payment(2),
        Question::OfStudent(1),
        Question::OfStudent(2),
        Question::OfStudent(3),
        Question::OfBranch(1),
        Question::OfBranch(2),
        Question::All,
        Question::Student(1),
        Question::Student(2),
        Question::Students,
        Question::Debtors,
    ];

    /// What a CRM would answer, as far as it can differ: which records, and how each is.
    type Answer = Vec<(u64, String)>;

    #[derive(Default)]
    struct Crm(std::collections::BTreeMap<u64, Record<Payment>>);

    impl Crm {
        fn balance(&self, student: u64) -> usize {
            let owns = |payment: &&Record<Payment>| payment.data.student_id == Some(id(student));
            self.0
                .values()
                .filter(owns)
                .map(|payment| 1 + payment.data.note.as_ref().map_or(0, String::len))
                .sum()
        }

        fn answer(&self, question: Question) -> Answer {
            let payments = |fits: &dyn Fn(&Record<Payment>) -> bool| -> Answer {
                let fitting = self.0.iter().filter(|(_, payment)| fits(payment));
                fitting.map(|(number, payment)| (*number, format!("{:?}", payment.data))).collect()
            };
            let student = |student: u64| (student, self.balance(student).to_string());
            match question {
                Question::Payment(number) => payments(&|payment| payment.id == id(number)),
                Question::OfStudent(student) => {
                    payments(&|payment| payment.data.student_id == Some(id(student)))
                }
                Question::OfBranch(branch) => payments(&|payment| payment.data.branch_id == Some(id(branch))),
                Question::All => payments(&|_| true),
                Question::Student(one) => vec![student(one)],
                Question::Students => (1..4).map(student).collect(),
                Question::Debtors => (1..4).map(student).filter(|(_, balance)| balance == "0").collect(),
            }
        }
    }

    /// What a question's answer must be newer than.
    fn mark(marks: &AllMarks, question: Question) -> u64 {
        let payments = |lane: Lane, filter: PaymentFilter| {
            marks.of("payments").of::<Payment>(&Way::Page(&lane, &filter, None))
        };
        let students = |filter: StudentFilter| {
            marks.of("students").of::<Student>(&Way::Page(&Lane::pages("a"), &filter, None))
        };
        let mark = match question {
            Question::Payment(number) => {
                marks.of("payments").of::<Payment>(&Way::Record { id: &id(number), alone: true })
            }
            Question::OfStudent(student) => {
                let filter = PaymentFilter { student_id: Some(id(student)), ..PaymentFilter::default() };
                payments(Lane::in_branch("a", 1), filter)
            }
            Question::OfBranch(branch) => payments(Lane::in_branch("a", branch), PaymentFilter::default()),
            Question::All => payments(Lane::pages("a"), PaymentFilter::default()),
            Question::Student(student) => {
                marks.of("students").of::<Student>(&Way::Record { id: &id(student), alone: true })
            }
            Question::Students => students(StudentFilter::default()),
            Question::Debtors => {
                let mut filter = StudentFilter::default();
                filter.balance.to = Some(rust_decimal::Decimal::ZERO);
                students(filter)
            }
        };
        mark.unwrap_or_default()
    }

    /// Whether an answer is believed, as [`super::super::desk::Desk::ask`] decides it.
    fn is_believed(marks: &AllMarks, question: Question, answer: &Answer, generation: u64) -> bool {
        let resource = match question {
            Question::Student(_) | Question::Students | Question::Debtors => "students",
            _ => "payments",
        };
        let records: Vec<Arc<Record<Payment>>> =
            answer.iter().map(|(number, _)| Arc::new(payment(*number, None, None, 0))).collect();
        let chunk = Chunk { records, ..Chunk::default() };
        generation > mark(marks, question) && marks.of(resource).outdates(&chunk, generation).is_none()
    }

    /// Numbers that depend on nothing but the seed (xorshift).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }

        fn maybe(&mut self, sides: u64) -> Option<u64> {
            Some(self.roll(sides)).filter(|number| *number > 0)
        }
    }

    /// A write as the hub makes it, and now and then one by somebody else, of which nobody tells us.
    fn write(crm: &mut Crm, marks: &AllMarks, dice: &mut Dice, clock: &mut u64) -> Vec<Marked> {
        let number = 1 + dice.roll(4);
        let before = crm.0.get(&number).cloned();
        let after = payment(number, dice.maybe(4), dice.maybe(3), dice.roll(1000));
        let removes = before.is_some() && dice.roll(4) == 0;
        let after = (!removes).then_some(after);
        match &after {
            Some(after) => drop(crm.0.insert(number, after.clone())),
            None => drop(crm.0.remove(&number)),
        }
        *clock += 1;
        // Now and then the CRM does not show what it took.
        if dice.roll(8) == 0 {
            marks.written::<Payment>(None, None, *clock)
        } else {
            marks.written(before.as_ref(), after.as_ref(), *clock)
        }
    }

    /// The marks of a process that has read what the one before it had written down.
    fn restarted(written: &HashMap<(&'static str, String), u64>) -> AllMarks {
        let marks = AllMarks::default();
        for ((resource, tag), at) in written {
            marks.of(resource);
            marks.restore(resource, tag.parse().unwrap(), *at);
        }
        marks
    }

    /// Whatever is written in whatever order, with fills under way before, during and after: an answer that is believed is
    /// what the CRM would answer now. Restarts change nothing: marks are written down, and the answers kept elsewhere.
    #[test]
    fn after_a_write_no_answer_that_is_believed_shows_what_was_before() {
        let mut believed = 0_u64;
        let mut refused = 0_u64;
        for seed in 1..=100_000_u64 {
            let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let (mut crm, mut marks, mut clock) = (Crm::default(), AllMarks::default(), 1_u64);
            let mut written = HashMap::new();
            let mut kept: Vec<(Question, Answer, u64)> = Vec::new();
            let mut filling: Vec<(Question, Answer, u64)> = Vec::new();
            for _ in 0..12 {
                let question = QUESTIONS[usize::try_from(dice.roll(QUESTIONS.len() as u64)).unwrap()];
                if dice.roll(16) == 0 {
                    marks = restarted(&written);
                    // Who asked is gone with the process.
                    filling.clear();
                }
                match dice.roll(4) {
                    0 => {
                        let marked = write(&mut crm, &marks, &mut dice, &mut clock);
                        written.extend(
                            marked.into_iter().map(|(resource, tag)| ((resource, tag.to_string()), clock)),
                        );
                    }
                    1 => {
                        clock += 1;
                        // The CRM may answer with what was so when the call came, or when the answer left.
                        filling.push((question, crm.answer(question), clock));
                    }
                    2 if !filling.is_empty() => {
                        let landed = filling.swap_remove(0);
                        kept.retain(|(question, ..)| *question != landed.0);
                        kept.push(landed);
                    }
                    _ => {
                        let Some((question, answer, generation)) =
                            kept.iter().find(|(known, ..)| *known == question)
                        else {
                            continue;
                        };
                        if is_believed(&marks, *question, answer, *generation) {
                            believed += 1;
                            assert_eq!(*answer, crm.answer(*question), "{question:?}, seed {seed}");
                        } else {
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert!(believed > 10_000 && refused > 1_000, "{believed} believed, {refused} not");
    }

    #[test]
    fn a_write_leaves_what_it_cannot_have_changed() {
        let marks = AllMarks::default();
        let paid = payment(7, Some(1), Some(1), 0);
        marks.written(None, Some(&paid), 5);
        for (question, is_old) in [
            (Question::Payment(7), true),
            (Question::Payment(2), false),
            (Question::OfStudent(1), true),
            (Question::OfStudent(2), false),
            (Question::OfBranch(1), true),
            (Question::OfBranch(2), false),
            (Question::All, true),
            (Question::Student(1), true),
            (Question::Student(2), false),
            (Question::Students, false),
            (Question::Debtors, true),
        ] {
            assert_eq!(mark(&marks, question) > 0, is_old, "{question:?}");
        }
        // The list of students stays, unless the student is in it.
        assert!(!is_believed(&marks, Question::Students, &vec![(1, String::new())], 4));
        assert!(is_believed(&marks, Question::Students, &vec![(2, String::new())], 4));
    }

    #[test]
    fn more_tags_than_can_be_remembered_are_everything() {
        let marks = AllMarks::default();
        for (now, number) in (1..=MOST as u64 + 1).enumerate() {
            marks.written(None, Some(&payment(number, Some(number), None, 0)), now as u64 + 1);
        }
        assert_eq!(mark(&marks, Question::Payment(1_000_000)), MOST as u64 + 1);
    }

    #[test]
    fn an_operator_names_what_is_asked_anew() {
        let all = |text: &str| text.parse::<Purge>();
        assert_eq!(all("*"), Ok(Purge::Everything));
        assert_eq!(all("students"), Ok(Purge::Resource("students".to_owned())));
        assert_eq!(all("students:alfa-17"), Ok(Purge::Record("students".to_owned(), id(17))));
        assert_eq!(all("student:alfa-17"), Ok(Purge::Below(Kin::Student, id(17))));
        assert_eq!(all("branch:alfa-1"), Ok(Purge::Branch(1)));
        assert!(all("student:17").is_err());
        let marks = AllMarks::default();
        assert_eq!(marks.purge(&Purge::Resource("payments".to_owned()), 1), [], "nobody ever asked for any");
        marks.of("payments");
        let below = marks.purge(&Purge::Below(Kin::Student, id(1)), 2);
        assert_eq!(below, [("payments", Tag::Owner(Kin::Student, id(1)))]);
        assert_eq!((mark(&marks, Question::OfStudent(1)), mark(&marks, Question::OfStudent(2))), (2, 0));
        assert_eq!(marks.purge(&Purge::Everything, 3), [("payments", Tag::All)]);
        assert_eq!(mark(&marks, Question::OfStudent(2)), 3);
    }

    #[test]
    fn what_a_filter_says_it_hangs_on_its_records_name() {
        let filter = PaymentFilter { student_id: Some(id(1)), ..PaymentFilter::default() };
        for student in [None, Some(1), Some(2)] {
            let payment = payment(1, student, None, 0);
            let named = payment.data.owners().unwrap().contains(&filter.owner().unwrap());
            assert_eq!(filter.matches(&payment), named);
        }
    }
}
