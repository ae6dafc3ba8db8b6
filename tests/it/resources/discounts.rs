//! Discounts of a student.

use serde_json::{Value, json};

use super::{every_filter, round_trip, school, snapshot};
use crate::support::TestApp;
use crate::support::app::ids;

/// A discount of somebody in branch 1.
fn granted(app: &TestApp) -> Value {
    let rows = app.alfa.rows("discount").into_iter();
    rows.into_iter().find(|row| row["branch_id"] == 1).expect("somebody has a discount")
}

#[tokio::test(start_paused = true)]
async fn a_students_discounts_are_those_of_the_crm() {
    let app = school();
    let row = granted(&app);
    let student = row["customer_id"].as_u64().unwrap();
    let path = format!("/students/alfa-{student}/discounts");
    let all = app.owner().walk(&path).await;
    let rows = app.alfa.rows("discount");
    assert_eq!(all.len(), rows.iter().filter(|row| row["customer_id"] == student).count());
    let number = row["id"].to_string();
    let seen = all.iter().find(|record| record["source_id"] == *number).unwrap();
    assert_eq!(seen["student_id"], format!("alfa-{student}"));
    assert_eq!(seen["amount"], row["amount"].to_string());
    assert_eq!(seen["kind"], row["discount_type"]);
    assert_eq!(seen["note"], row["note"]);
    round_trip(&app, &path, &all).await;
    assert_eq!(app.owner().get(&format!("{path}/alfa-999999")).await.status, 404);
    every_filter(&app, "/students/{id}/discounts", &[], &[], Vec::new(), &[]).await;
    let shown = app.owner().get(&format!("{path}?limit=1&include=raw&expand=branch,subjects")).await;
    snapshot("discount", &shown.json["items"][0], &[]);
    assert!(app.masked().get(&path).await.items()[0].get("note").is_none());
}

/// One discount for each branch of a student in two.
#[tokio::test(start_paused = true)]
async fn who_may_see_one_branch_sees_its_discounts_only() {
    let app = school();
    let student = app
        .alfa
        .rows("customer")
        .into_iter()
        .find(|row| row["branch_ids"] == json!([1, 2]) || row["branch_ids"] == json!([2, 1]));
    let student = student.unwrap_or_else(|| app.alfa.rows("customer").remove(0))["id"].as_u64().unwrap();
    app.alfa.update_row("customer", student, &json!({"branch_ids": [1, 2]}));
    let grant = |branch: u64| {
        let row = json!({"branch_id": branch, "customer_id": student, "amount": 12.5, "begin": "01.09.2025"});
        app.alfa.insert_row("discount", &row)
    };
    let (here, there) = (grant(1), grant(2));
    let path = format!("/students/alfa-{student}/discounts");
    let seen = ids(&app.branch_one().walk(&path).await);
    assert!(seen.contains(&format!("alfa-{here}")) && !seen.contains(&format!("alfa-{there}")), "{seen:?}");
    assert_eq!(app.branch_one().get(&format!("{path}/alfa-{there}")).await.status, 404);
    let both = ids(&app.owner().walk(&path).await);
    assert!(both.contains(&format!("alfa-{here}")) && both.contains(&format!("alfa-{there}")), "{both:?}");
}
