//! Lists are whole while rows are added and deleted between their pages: of the records that are there all the time
//! none is skipped, and none is doubled as long as rows are only added. Seeded, so that a failure comes again.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_gateway::sandbox::crypto::Table;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::conformance::small;
use crate::support::TestApp;

/// A list and how its rows move.
#[derive(Debug, Clone, Copy)]
struct Moving {
    path: &'static str,
    /// All rows that belong in it.
    ids: fn(&TestApp) -> Vec<String>,
    /// Adds a row: at the head if so wished, else anywhere.
    add: fn(&TestApp, &mut StdRng, bool),
    /// Deletes the row of this id.
    delete: fn(&TestApp, &str),
}

const LISTS: [Moving; 6] = [
    Moving {
        path: "/students",
        ids: students,
        add: add_student,
        delete: |app, id| assert!(app.alfa.delete_row("customer", number(id))),
    },
    Moving {
        path: "/payments?source=alfacrm&branch_id=alfa-1",
        ids: |app| alfa(app, "pay", |row| row["branch_id"] == 1),
        add: add_payment,
        delete: |app, id| assert!(app.alfa.delete_row("pay", number(id))),
    },
    Moving {
        path: "/lessons?branch_id=alfa-1",
        ids: |app| alfa(app, "lesson", |row| row["branch_id"] == 1),
        add: add_lesson,
        delete: |app, id| assert!(app.alfa.delete_row("lesson", number(id))),
    },
    Moving { path: "/projects", ids: projects, add: add_project, delete: delete_project },
    Moving { path: "/projects?sort=-id", ids: projects, add: add_project, delete: delete_project },
    Moving { path: "/projects?sort=created", ids: projects, add: add_project, delete: delete_project },
];

fn number(id: &str) -> u64 {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

fn alfa(app: &TestApp, model: &str, fits: fn(&Value) -> bool) -> Vec<String> {
    app.alfa.rows(model).iter().filter(|row| fits(row)).map(|row| format!("alfa-{}", row["id"])).collect()
}

fn students(app: &TestApp) -> Vec<String> {
    let active = |row: &Value| row["is_study"] == 1 && row["e_date"].as_str().unwrap() > "2026-02-20";
    alfa(app, "customer", active)
}

fn projects(app: &TestApp) -> Vec<String> {
    let living = app.crypto.projects().into_iter().filter(|row| row["deleted"] != "1");
    living.map(|row| format!("crypto-{}", row["id"])).collect()
}

fn add_student(app: &TestApp, dice: &mut StdRng, at_head: bool) {
    let letter = if at_head { 'А' } else { ['А', 'Г', 'К', 'О', 'С', 'Я'][dice.random_range(0..6)] };
    let name = format!("{letter}аанов Новый {}", dice.random_range(0..1000));
    app.alfa
        .insert_row("customer", &json!({"name": name, "is_study": 1, "branch_ids": [1], "legal_type": 1}));
}

fn some_day(dice: &mut StdRng) -> String {
    format!("2026-{:02}-{:02}", dice.random_range(1..3), dice.random_range(1..20))
}

fn add_payment(app: &TestApp, dice: &mut StdRng, at_head: bool) {
    let day = if at_head { "2026-02-20".to_owned() } else { some_day(dice) };
    app.alfa.insert_row(
        "pay",
        &json!({"branch_id": 1, "document_date": day, "income": "10.00", "pay_type_id": 1}),
    );
}

fn add_lesson(app: &TestApp, dice: &mut StdRng, at_head: bool) {
    let day = if at_head { "2026-12-01".to_owned() } else { some_day(dice) };
    let status = dice.random_range(1..4);
    let (from, to) = (format!("{day} 10:00:00"), format!("{day} 11:00:00"));
    let row = json!({"branch_id": 1, "date": day, "time_from": from, "time_to": to, "status": status});
    app.alfa.insert_row("lesson", &row);
}

fn add_project(app: &TestApp, dice: &mut StdRng, at_head: bool) {
    let ids = app.crypto.project_ids();
    let free = |from: u64| (from..).find(|id| !ids.contains(id)).unwrap();
    let id = if at_head {
        (1..ids[0]).rev().find(|id| !ids.contains(id)).unwrap_or(free(1))
    } else {
        free(dice.random_range(1..2000))
    };
    let created =
        format!("{} 10:00:00", some_day(dice).replace("2026", if at_head { "2010" } else { "2025" }));
    let row = json!({"id": id, "created": created, "name": "Новый", "deleted": "0", "data": {}});
    app.crypto.insert(Table::Projects, row).unwrap();
}

fn delete_project(app: &TestApp, id: &str) {
    app.crypto.delete(Table::Projects, number(id));
}

/// What happens between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Delete,
    Both,
}

/// Walks a list while its rows move. Gives how often each record came, and which were there all the time.
async fn walk(
    list: Moving,
    seed: u64,
    change: Change,
    remembering: bool,
) -> (BTreeMap<String, usize>, BTreeSet<String>) {
    let mut dice = StdRng::seed_from_u64(seed);
    let page_size = [5, 10, 20][dice.random_range(0..3)].to_string();
    let setup = small().students(25).projects(45).set("alfacrm.page_size", &page_size);
    let setup = setup.set("cryptocrm.page_size", &page_size);
    let app = if remembering { setup } else { setup.forgetful() }.start();
    let (limit, most) = (dice.random_range(1..30), dice.random_range(1..8));
    let at_head = dice.random_bool(0.4);
    let joint = if list.path.contains('?') { '&' } else { '?' };
    let path = format!("{}{joint}limit={limit}", list.path);
    let mut stayed: BTreeSet<String> = (list.ids)(&app).into_iter().collect();
    let mut came: BTreeMap<String, usize> = BTreeMap::new();
    let mut cursor = None;
    for round in 0.. {
        assert!(round < 2000, "{path} has no end");
        let answer = app.owner().page(&path, cursor.as_deref()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.json["incomplete"], json!([]), "{path}");
        for id in crate::support::app::ids(&answer.items()) {
            *came.entry(id).or_default() += 1;
        }
        cursor = answer.next_cursor();
        if cursor.is_none() {
            break;
        }
        // The list must not grow faster than it is read.
        for _ in 0..dice.random_range(0..=most.min(limit)) {
            let adding = match change {
                Change::Add => true,
                Change::Delete => false,
                Change::Both => dice.random_bool(0.5),
            };
            if adding {
                if round < 40 {
                    (list.add)(&app, &mut dice, at_head);
                }
            } else {
                let now = (list.ids)(&app);
                let victim = now[dice.random_range(0..now.len())].clone();
                (list.delete)(&app, &victim);
                stayed.remove(&victim);
            }
        }
        if dice.random_bool(0.2) {
            tokio::time::advance(std::time::Duration::from_secs(30)).await;
        }
    }
    (came, stayed)
}

#[tokio::test(start_paused = true)]
async fn while_rows_are_added_none_is_skipped_and_none_doubled() {
    for (number, list) in LISTS.into_iter().enumerate() {
        for seed in 0..8 {
            let (came, stayed) = walk(list, seed * 100 + number as u64, Change::Add, seed % 2 == 0).await;
            let skipped: Vec<_> = stayed.iter().filter(|id| !came.contains_key(*id)).collect();
            let doubled: Vec<_> = came.iter().filter(|(_, times)| **times > 1).collect();
            let what = format!("{} seed {seed}", list.path);
            assert!(
                skipped.is_empty() && doubled.is_empty(),
                "{what}: skipped {skipped:?}, doubled {doubled:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_rows_are_deleted_none_that_stays_is_skipped() {
    for (number, list) in LISTS.into_iter().enumerate() {
        for seed in 0..8 {
            let (came, stayed) = walk(list, seed * 100 + number as u64, Change::Delete, false).await;
            let skipped: Vec<_> = stayed.iter().filter(|id| !came.contains_key(*id)).collect();
            assert!(skipped.is_empty(), "{} seed {seed}: skipped {skipped:?}", list.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lists_that_read_rows_again_skip_none_whatever_moves() {
    for (number, list) in LISTS.into_iter().enumerate().filter(|(_, list)| list.path.starts_with("/projects"))
    {
        for seed in 0..8 {
            let (came, stayed) = walk(list, seed * 100 + number as u64, Change::Both, false).await;
            let skipped: Vec<_> = stayed.iter().filter(|id| !came.contains_key(*id)).collect();
            assert!(skipped.is_empty(), "{} seed {seed}: skipped {skipped:?}", list.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_rows_added_at_once_move_the_place_and_do_not_lose_it() {
    for list in LISTS {
        let setup = small().students(25).projects(45);
        let app = setup.set("alfacrm.page_size", "5").set("cryptocrm.page_size", "7").forgetful().start();
        let mut dice = StdRng::seed_from_u64(7);
        let stayed = (list.ids)(&app);
        let joint = if list.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{joint}limit=10", list.path);
        let first = app.owner().get(&path).await;
        // More than are looked for where nothing tells how many came.
        for _ in 0..60 {
            (list.add)(&app, &mut dice, true);
        }
        let mut came = crate::support::app::ids(&first.items());
        let mut cursor = first.next_cursor();
        while let Some(at) = cursor {
            let answer = app.owner().page(&path, Some(&at)).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            came.extend(crate::support::app::ids(&answer.items()));
            cursor = answer.next_cursor();
        }
        let distinct: BTreeSet<&String> = came.iter().collect();
        assert_eq!(distinct.len(), came.len(), "{}: doubled", list.path);
        assert!(stayed.iter().all(|id| distinct.contains(id)), "{}: skipped", list.path);
    }
}

#[tokio::test(start_paused = true)]
async fn the_place_is_kept_when_all_that_was_read_is_deleted() {
    for list in LISTS {
        for pages in [1, 3] {
            let setup = small().students(40).projects(60);
            let app = setup.set("alfacrm.page_size", "5").set("cryptocrm.page_size", "7").forgetful().start();
            let joint = if list.path.contains('?') { '&' } else { '?' };
            let path = format!("{}{joint}limit=8", list.path);
            let mut stayed: BTreeSet<String> = (list.ids)(&app).into_iter().collect();
            let (mut came, mut cursor) = (BTreeSet::new(), None);
            for round in 0.. {
                let answer = app.owner().page(&path, cursor.as_deref()).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                let page = crate::support::app::ids(&answer.items());
                if round < pages {
                    for id in &page {
                        (list.delete)(&app, id);
                        stayed.remove(id);
                    }
                }
                came.extend(page);
                cursor = answer.next_cursor();
                if cursor.is_none() {
                    break;
                }
            }
            let skipped: Vec<_> = stayed.difference(&came).collect();
            assert!(skipped.is_empty(), "{}: skipped {skipped:?}", list.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_the_crm_ignores_is_told_and_does_not_go_on_for_ever() {
    let app = small().projects(60).set("cryptocrm.page_size", "10").start();
    app.crypto.switches(|switches| switches.ignore_offset = true);
    let mut cursor = None;
    for _ in 0..20 {
        let answer = app.owner().page("/projects?limit=200", cursor.as_deref()).await;
        if answer.status != 200 || answer.json["incomplete"] != json!([]) {
            assert!(answer.text.contains("upstream_invalid"), "{}", answer.text);
            return;
        }
        cursor = answer.next_cursor();
    }
    panic!("the list goes on, or looked whole");
}

/// What stands in a cursor decides what is searched for, so nobody but the gateway may write one.
#[tokio::test(start_paused = true)]
async fn a_forged_cursor_is_refused_and_costs_nothing() {
    let app = small().projects(3).set("cryptocrm.page_size", "2").forgetful().start();
    for path in ["/projects", "/students"] {
        let start = app.owner().get(&format!("{path}?limit=1")).await;
        let cursor = URL_SAFE_NO_PAD.decode(start.json["next_cursor"].as_str().unwrap()).unwrap();
        app.alfa.ledger().clear();
        app.crypto.ledger().clear();
        for at in 0..cursor.len() {
            let mut forged = cursor.clone();
            forged[at] ^= 4;
            let forged = URL_SAFE_NO_PAD.encode(forged);
            let answer = app.owner().get(&format!("{path}?limit=1&cursor={forged}")).await;
            assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{path}: {}", answer.text);
        }
        assert_eq!(app.calls(), 0, "{path}");
    }
}

/// A large school whose students belong to several branches: branch by branch many come more than once.
#[tokio::test(start_paused = true)]
async fn ten_thousand_records_come_once_over_all_branches() {
    let app = crate::support::Setup::new().students(7000).projects(1).in_no_hurry().start();
    let known: BTreeSet<String> = alfa(&app, "customer", |_| true).into_iter().collect();
    assert!(known.len() >= 10_000, "{}", known.len());
    let branches: Vec<String> =
        app.alfa.rows("branch").iter().map(|row| format!("branch_id=alfa-{}", row["id"])).collect();
    let path = format!("/students?stage=ALL&archived=all&fields=id&limit=200&{}", branches.join("&"));
    let seen = crate::support::app::ids(&app.owner().walk(&path).await);
    let once: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(seen.len(), once.len(), "some came twice");
    assert_eq!(once, known);
}
