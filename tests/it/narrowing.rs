//! What fits a filter is found in a list with a wider one, as long as memory holds all of that: it is the same as the
//! CRM would have told, and costs no call.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::advance;

use crate::conformance::small;
use crate::support::app::ids;

/// A list, and the conditions it may be narrowed by: of each row at most one.
pub(crate) type Narrowed = (&'static str, &'static [&'static [&'static str]]);

pub(crate) const LISTS: [Narrowed; 7] = [
    (
        "/lessons",
        &[
            &["status=PLANNED", "status=CONDUCTED", "status=CONDUCTED&status=CANCELLED"],
            &[
                "from=2026-02-01",
                "from=2026-02-16&to=2026-02-22",
                "to=2026-02-20",
                "from=2026-02-20&to=2026-02-20",
            ],
            &["group_id=alfa-12", "group_id=alfa-13"],
            &["teacher_id=alfa-4", "teacher_id=alfa-5"],
            &["subject_id=alfa-2"],
            &["room_id=alfa-3"],
            &["student_id=alfa-101"],
            &["branch_id=alfa-1"],
        ],
    ),
    (
        "/payments?source=alfacrm",
        &[
            &["student_id=alfa-101", "student_id=alfa-103"],
            &["from=2026-02-01&to=2026-02-10", "from=2026-02-01", "to=2025-09-30"],
            &["direction=INCOME", "direction=EXPENSE"],
            &["confirmed=true", "confirmed=false"],
            &["account_id=alfa-1"],
            &["item_id=alfa-3"],
            &["amount_from=1000", "amount_from=1000&amount_to=4000"],
            &["payer=%D0%BE%D0%B2"],
        ],
    ),
    (
        "/students",
        &[
            &["stage=ALL", "stage=LEAD"],
            &["archived=all", "archived=true"],
            &["status_id=alfa-4"],
            &["assigned_user_id=alfa-3"],
            &["color=ORANGE", "color=GREEN"],
            &["birth_date_from=2014-01-01", "birth_date_from=2014-01-01&birth_date_to=2015-12-31"],
            &["balance_from=0.01", "balance_to=-0.01"],
            &["last_attended_from=2026-02-17&last_attended_to=2026-02-18"],
            &["created_from=2025-01-01&created_to=2025-12-31"],
            &["branch_id=alfa-2"],
        ],
    ),
    (
        "/tasks",
        &[
            &["archived=all", "archived=true"],
            &["done=true", "done=false"],
            &["assigned_user_id=alfa-3"],
            &["due_from=2026-02-15", "due_to=2026-02-15"],
        ],
    ),
    (
        "/schedules",
        &[&["group_id=alfa-12"], &["student_id=alfa-101"], &["teacher_id=alfa-4"], &["branch_id=alfa-1"]],
    ),
    (
        "/groups",
        &[
            &["archived=all", "archived=true"],
            &["teacher_id=alfa-5"],
            &["level_id=alfa-1"],
            &["status_id=alfa-1"],
        ],
    ),
    (
        "/history",
        &[
            &["entity=Pay", "entity=Customer"],
            &["event=DELETED", "event=CHANGED"],
            &["user_id=alfa-3"],
            &["from=2026-02-01&to=2026-02-10", "to=2025-12-31"],
        ],
    ),
];

/// A question with some of the conditions, and the same with more.
pub(crate) fn two(dice: &mut StdRng, (path, rows): Narrowed) -> [String; 2] {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut paths = [(); 2].map(|()| format!("{path}{joint}limit=100"));
    for row in rows {
        let condition = row[dice.random_range(0..row.len())];
        let (wide, narrow) = (dice.random_bool(0.15), dice.random_bool(0.3));
        for (path, has) in paths.iter_mut().zip([wide, wide || narrow]) {
            if has {
                *path = format!("{path}&{condition}");
            }
        }
    }
    paths
}

#[tokio::test(start_paused = true)]
async fn what_a_wider_list_in_memory_holds_is_the_same_as_what_the_crm_tells() {
    let mut dice = StdRng::seed_from_u64(5);
    let app = small().set("alfacrm.page_size", "40").start();
    for list in LISTS {
        let (mut found, mut telling) = (0, 0);
        for _ in 0..60 {
            let [wide, narrow] = two(&mut dice, list);
            if wide == narrow {
                continue;
            }
            advance(Duration::from_secs(25 * 3600)).await;
            let all = app.owner().walk(&wide).await;
            let calls = app.calls();
            let remembered = app.owner().with("cache-control", "only-if-cached").get(&narrow).await;
            assert_eq!(app.calls(), calls, "{narrow}");
            if remembered.status != 200 {
                continue;
            }
            let told = app.owner().no_cache().get(&narrow).await;
            assert_eq!(remembered.items(), told.items(), "{narrow} in {wide}");
            assert_eq!(remembered.next_cursor(), None, "{narrow}");
            found += 1;
            telling += usize::from(!told.items().is_empty() && told.items().len() < all.len());
        }
        assert!(found >= 8 && telling >= 2, "{}: {found} found, {telling} of them tell rows apart", list.0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_shows_in_what_a_wider_list_held() {
    let app = small().start();
    let open = "/tasks?done=false";
    app.owner().walk("/tasks").await;
    let calls = app.calls();
    let known = app.owner().get(open).await;
    assert_eq!((app.calls(), known.header("cache-status")), (calls, "crm-gateway; hit; ttl=60"));
    let id = ids(&known.items())[0].clone();
    let done = serde_json::json!({"done": true});
    let written = app.owner().send(http::Method::PATCH, &format!("/tasks/{id}"), Some(&done)).await;
    assert_eq!(written.status, 200, "{}", written.text);
    assert!(!ids(&app.owner().walk(open).await).contains(&id));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_memory_does_not_hold_wholly_is_no_list_to_look_into() {
    let app = small().students(60).set("alfacrm.page_size", "20").start();
    assert!(app.owner().get("/students?limit=20").await.next_cursor().is_some());
    let calls = app.calls();
    let narrow = "/students?color=ORANGE";
    assert_eq!(app.owner().get(narrow).await.header("cache-status"), "crm-gateway; fwd=miss; stored");
    assert!(app.calls() > calls);
    // Once it was read to its end, it is; when the CRM is gone, what is old will do.
    app.owner().walk("/students?limit=20").await;
    let calls = app.calls();
    let green = "/students?color=GREEN";
    assert_eq!(app.owner().get(green).await.status, 200);
    assert_eq!(app.calls(), calls);
    app.alfa.faults().next(None, usize::MAX, crm_gateway::sandbox::fault::Fault::DropBefore);
    advance(Duration::from_secs(3600)).await;
    let old = app.owner().get("/students?color=GREEN&limit=7").await;
    assert_eq!(old.status, 200, "{}", old.text);
    assert!(old.header("cache-status").contains("stale-if-error"), "{}", old.header("cache-status"));
}
