//! What the managers write down: tasks and comments.

use jiff::civil::{DateTime, Time};

use super::dice::Dice;
use super::{Comment, Group, Options, Standing, Task, Topic, World, id, later, shift};

const FIRST_TASK: u64 = 31;
const FIRST_COMMENT: u64 = 1549;
const TASKS: [(&str, &str); 4] = [
    ("Позвонить лиду", "Уточнить время пробного"),
    ("Напомнить об оплате", "Остаток на нуле"),
    ("Отправить договор", "На почту родителя, \"как в прошлый раз\""),
    ("Поздравить с днём рождения 🎂", ""),
];
const COMMENTS: [&str; 5] = [
    "Позвонили, придут в среду",
    "Просят перенести занятие",
    "Не берут трубку",
    "Оплатят на следующей неделе <обещали>",
    "Довольны педагогом 👍",
];

pub(super) fn keep(world: &mut World, options: &Options) {
    let mut dice = Dice::new(options.seed, 5);
    let today = options.now.date();
    let mut tasks = Vec::new();
    let mut comments = Vec::new();
    for person in &world.people {
        let open = matches!(person.standing, Standing::Student | Standing::Lead);
        // There is something to do in the smallest school.
        let first = world.people.first().is_some_and(|first| first.id == person.id);
        if first || (open && dice.percent(if person.standing == Standing::Lead { 25 } else { 3 })) {
            let (title, text) = *dice.pick(&TASKS);
            let day = shift(today, -dice.between(0, 20)).max(person.created.date());
            let created = day.to_datetime(Time::constant(9, 5, 0, 0)).max(person.created).min(options.now);
            let done = dice.percent(40).then_some(options.now);
            tasks.push(Task {
                id: 0,
                branch: person.branches[0],
                person: person.id,
                title,
                text,
                created,
                due: (!dice.percent(15)).then(|| shift(created.date(), dice.between(0, 14))),
                done,
            });
        }
        if dice.percent(35) {
            let days = dice.between(0, 30);
            let day = shift(person.created.date(), days).min(shift(today, -1)).max(person.created.date());
            comments.push(Comment {
                id: 0,
                about: Topic::Person(person.id),
                user: if dice.percent(60) { 3 } else { 1 },
                at: day.to_datetime(Time::constant(18, 38, 17, 0)).max(person.created).min(options.now),
                text: COMMENTS[dice.below(COMMENTS.len())],
            });
        }
    }
    tasks.sort_by_key(|task| (task.created, task.person));
    for (index, task) in tasks.iter_mut().enumerate() {
        task.id = id(FIRST_TASK, index);
    }
    comments.sort_by_key(|comment| (comment.at, comment.about));
    let mut kept = talks(world, &tasks, options);
    kept.extend(comments);
    for (index, comment) in kept.iter_mut().enumerate() {
        comment.id = id(FIRST_COMMENT, index);
    }
    world.tasks = tasks;
    world.comments = kept;
}

/// Comments on whoever and whatever comes first, so that there are some however small the school, and then one on each
/// further task and group.
fn talks(world: &World, tasks: &[Task], options: &Options) -> Vec<Comment> {
    let comment = |at: DateTime, minutes: i64, about: Topic, text: &'static str| Comment {
        id: 0,
        about,
        user: 1,
        at: later(at, minutes).min(options.now),
        text,
    };
    let on_task = |task: &Task| comment(task.created, 95, Topic::Task(task.id), COMMENTS[2]);
    let on_group = |group: &Group| comment(group.created, 95, Topic::Group(group.id), COMMENTS[1]);
    let mut talks: Vec<Comment> = Vec::new();
    if let Some(first) = world.people.first() {
        let texts = COMMENTS.iter().zip(1..);
        talks.extend(texts.map(|(text, n)| comment(first.created, n * 60, Topic::Person(first.id), text)));
    }
    talks.extend(tasks.iter().take(1).map(on_task));
    talks.extend(world.groups.iter().take(1).map(on_group));
    talks.extend(tasks.iter().skip(1).map(on_task));
    talks.extend(world.groups.iter().skip(1).map(on_group));
    talks
}
