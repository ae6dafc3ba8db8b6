//! Groups, their members, and the groups of a student.

use http::Method;
use serde_json::{Value, json};

use super::{
    Case, among, case, day, every_filter, middle_day, pick, round_trip, same, school, snapshot, text,
};
use crate::support::TestApp;
use crate::support::app::ids;

const ALL: [(&str, &str); 1] = [("archived", "all")];

/// The body of the last call of an operation, as the CRM received it.
pub(super) fn sent(app: &TestApp, operation: &str) -> Value {
    let entries = app.alfa.ledger().entries();
    let last = entries.iter().rev().find(|entry| entry.operation == operation);
    last.unwrap_or_else(|| panic!("{operation} was not called")).body.clone()
}

/// The keys of a body.
pub(super) fn keys(body: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn number(id: &Value) -> u64 {
    text(id).rsplit('-').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/groups?archived=all&limit=200").await;
    assert_eq!(all.len(), app.alfa.count("group"));
    let part: String = pick(&all, "name").chars().take(5).collect();
    let low = part.to_lowercase();
    let two = ids(&all[..2]);
    let wanted = two.clone();
    let middle = middle_day(&all, "ends_on");
    let (from, to) = (middle.clone(), middle.clone());
    let changed = app.alfa.rows("group")[1]["id"].as_u64().unwrap();
    app.alfa.update_row("group", changed, &json!({"level_id": 2, "status_id": 2}));
    let all = app.owner().no_cache().walk("/groups?archived=all&limit=200").await;
    let updated = text(&all.iter().find(|group| number(&group["id"]) == changed).unwrap()["updated_at"]);
    let since = updated.clone();
    let cases = vec![
        case("q", &part, move |group| text(&group["name"]).to_lowercase().contains(&low)),
        Case {
            query: two.iter().map(|id| ("id".to_owned(), id.clone())).collect(),
            fits: Box::new(move |group| wanted.contains(&text(&group["id"]))),
        },
        among(&all, "teacher_id", "teacher_ids"),
        among(&all, "branch_id", "branch_ids"),
        same(&all, "status_id", "status_id"),
        same(&all, "level_id", "level_id"),
        case("from", &middle, move |group| day(group, "ends_on").is_none_or(|end| end >= from)),
        case("to", &middle, move |group| day(group, "starts_on").is_none_or(|start| start <= to)),
        case("updated_since", &updated, move |group| text(&group["updated_at"]) >= since),
    ];
    every_filter(&app, "/groups", &ALL, &all, cases, &["archived"]).await;
    let over = |row: &Value| text(&row["e_date"]).as_str() <= "2026-02-20";
    for (query, archived) in [("", false), ("?archived=true", true)] {
        let rows = app.alfa.rows("group").into_iter().filter(|row| over(row) == archived);
        let mut wanted: Vec<String> = rows.map(|row| format!("alfa-{}", row["id"])).collect();
        let mut got = ids(&app.owner().walk(&format!("/groups{query}")).await);
        wanted.sort();
        got.sort();
        assert!(!wanted.is_empty() && got == wanted, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let all = app.owner().walk("/groups?archived=all&limit=200").await;
    round_trip(&app, "/groups", &all).await;
    let members = app.owner().walk("/groups/alfa-12/members").await;
    round_trip(&app, "/groups/alfa-12/members", &members).await;
    for nothing in ["/groups/alfa-9999", "/groups/alfa-12/members/alfa-9999", "/groups/alfa-9999/members"] {
        assert_eq!(app.owner().get(nothing).await.status, 404, "{nothing}");
    }
    // A member of one group is none of another.
    let other = format!("/groups/alfa-13/members/{}", text(&members[0]["id"]));
    assert_eq!(app.owner().get(&other).await.status, 404, "{other}");
}

#[tokio::test(start_paused = true)]
async fn a_group_is_made_changed_archived_and_deleted() {
    let app = school();
    let owner = app.owner();
    let body = json!({
        "name": "Шахматы", "branch_ids": ["alfa-1", "alfa-2"], "teacher_ids": ["alfa-4"], "capacity": 9,
        "starts_on": "2026-02-02", "ends_on": "2026-05-31", "note": "новая", "custom_fields": {"custom_chat": "чат"},
    });
    let made = owner.send(Method::POST, "/groups", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for field in ["name", "branch_ids", "teacher_ids", "capacity", "starts_on", "ends_on", "note"] {
        assert_eq!(made.json[field], body[field], "{field}");
    }
    assert_eq!(made.json["custom_fields"]["custom_chat"], "чат");
    let id = number(&made.json["id"]);
    let row = app.alfa.row("group", id).unwrap();
    assert_eq!(
        (&row["b_date"], &row["e_date"], &row["limit"]),
        (&json!("2026-02-02"), &json!("2026-05-31"), &json!(9))
    );
    assert_eq!(sent(&app, "group/create")["b_date"], "02.02.2026");

    let path = format!("/groups/alfa-{id}");
    let changed = owner.send(Method::PATCH, &path, Some(&json!({"ends_on": null}))).await;
    assert_eq!((changed.status, &changed.json["ends_on"]), (200, &Value::Null), "{}", changed.text);
    assert_eq!(sent(&app, "group/update"), json!({"e_date": "31.12.2030"}), "nothing else is sent");

    let archived = owner.send(Method::PATCH, &path, Some(&json!({"archived": true}))).await;
    assert_eq!(archived.json["archived"], true, "{}", archived.text);
    assert_eq!(sent(&app, "group/update"), json!({"removed": 1}));
    assert!(
        !ids(&owner.walk("/groups?limit=200").await).contains(&format!("alfa-{id}")),
        "lists know it at once"
    );
    let back = owner.send(Method::PATCH, &path, Some(&json!({"archived": false}))).await;
    assert_eq!((back.status, &back.json["archived"]), (200, &json!(false)), "{}", back.text);

    let gone = owner.send(Method::DELETE, &path, None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert!(app.alfa.row("group", id).is_none());
    assert_eq!(owner.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn members_come_change_and_go() {
    let app = school();
    let owner = app.owner();
    let list = "/groups/alfa-12/members";
    let before = owner.walk(list).await;
    assert!(!before.is_empty() && before.iter().all(|member| member["group_id"] == "alfa-12"));
    let inside: Vec<String> = before.iter().map(|member| text(&member["student_id"])).collect();
    let rows = app.alfa.rows("cgi");
    let in_any = |id: &str| {
        rows.iter().any(|row| row["group_id"] == 12 && format!("alfa-{}", row["customer_id"]) == id)
    };
    let student = ids(&owner.walk("/students?limit=200&branch_id=alfa-1").await)
        .into_iter()
        .find(|id| !in_any(id))
        .unwrap();

    let body = json!({"student_id": student, "from": "2026-02-02"});
    let made = owner.send(Method::POST, list, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.json["from"], &made.json["to"]), (&json!("2026-02-02"), &Value::Null));
    assert_eq!(made.json["student_id"], student.as_str());
    let call = sent(&app, "cgi/create");
    assert_eq!((&call["b_date"], &call["e_date"]), (&json!("02.02.2026"), &json!("31.12.2030")));
    let groups = owner.walk(&format!("/students/{student}/groups")).await;
    assert!(
        groups.iter().any(|member| member["id"] == made.json["id"]),
        "the student's list knows it at once"
    );

    // What is not named is sent again all the same: the CRM empties it otherwise.
    let path = format!("{list}/{}", text(&made.json["id"]));
    let changed = owner.send(Method::PATCH, &path, Some(&json!({"to": "2026-06-30"}))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!((&changed.json["from"], &changed.json["to"]), (&json!("2026-02-02"), &json!("2026-06-30")));
    let row = app.alfa.row("cgi", number(&made.json["id"])).unwrap();
    assert_eq!((&row["b_date"], &row["e_date"]), (&json!("02.02.2026"), &json!("30.06.2026")));
    assert_eq!(format!("alfa-{}", row["customer_id"]), student);
    let open = owner.send(Method::PATCH, &path, Some(&json!({"to": null}))).await;
    assert_eq!((open.status, &open.json["to"]), (200, &Value::Null), "{}", open.text);

    let wrong = owner.send(Method::PATCH, &path, Some(&json!({"to": "2026-02-01"}))).await;
    assert_eq!((wrong.status, &wrong.json["errors"][0]["pointer"]), (422, &json!("/to")), "{}", wrong.text);
    let fixed = owner.send(Method::PATCH, &path, Some(&json!({"student_id": "alfa-1"}))).await;
    assert_eq!((fixed.status, &fixed.json["errors"][0]["pointer"]), (422, &json!("/student_id")));
    let twice = json!({"student_id": inside[0], "from": "2026-02-02"});
    let twice = owner.send(Method::POST, list, Some(&twice)).await;
    assert_eq!(
        (twice.status, &twice.json["errors"][0]["pointer"]),
        (422, &json!("/student_id")),
        "{}",
        twice.text
    );

    assert_eq!(owner.send(Method::DELETE, &path, None).await.status, 204);
    assert!(app.alfa.row("cgi", number(&made.json["id"])).is_none());
    assert_eq!(ids(&owner.walk(list).await), ids(&before));
}

#[tokio::test(start_paused = true)]
async fn what_the_crm_shows_besides_is_not_lost_by_an_update_of_a_member() {
    let app = crate::support::Setup::new().students(60).in_no_hurry().start_altered(|path, json| {
        for row in json["items"].as_array_mut().into_iter().flatten().filter(|_| path.ends_with("cgi/index"))
        {
            row["branch_id"] = 1.into();
        }
    });
    let member = app.owner().walk("/groups/alfa-12/members").await.remove(0);
    let path = format!("/groups/alfa-12/members/{}", text(&member["id"]));
    let changed = app.owner().send(Method::PATCH, &path, Some(&json!({"to": "2028-01-01"}))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let body = sent(&app, "cgi/update");
    assert_eq!(keys(&body), ["b_date", "branch_id", "customer_id", "e_date", "group_id"]);
}

#[tokio::test(start_paused = true)]
async fn the_groups_of_a_student_are_those_the_crm_lists() {
    let app = school();
    let link = app.alfa.rows("cgi").into_iter().find(|row| {
        let end = text(&row["e_date"]);
        let parts: Vec<&str> = end.split('.').collect();
        format!("{}-{}-{}", parts[2], parts[1], parts[0]).as_str() > "2026-02-20"
    });
    let link = link.unwrap();
    let path = format!("/students/alfa-{}/groups?expand=group,student", link["customer_id"]);
    let groups = app.owner().walk(&path).await;
    let found = groups.iter().find(|member| number(&member["id"]) == link["id"].as_u64().unwrap()).unwrap();
    let name = &app.alfa.row("group", link["group_id"].as_u64().unwrap()).unwrap()["name"];
    assert_eq!(&found["group"]["name"], name);
    let student = &app.alfa.row("customer", link["customer_id"].as_u64().unwrap()).unwrap()["name"];
    assert_eq!(&found["student"]["name"], student);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_see_a_group_sees_nothing_below_it() {
    let app = school();
    let hidden = app.alfa.rows("group").into_iter().find(|row| row["branch_ids"] == json!([2])).unwrap();
    for path in ["", "/members", "/calendar?from=2026-02-01&to=2026-03-01"] {
        let path = format!("/groups/alfa-{}{path}", hidden["id"]);
        assert_eq!(app.branch_one().get(&path).await.status, 404, "{path}");
        assert_eq!(app.owner().get(&path).await.status, 200, "{path}");
    }
    let path = format!("/groups/alfa-{}", hidden["id"]);
    let answer = app.branch_one().send(Method::DELETE, &path, None).await;
    assert_eq!(answer.status, 404);
    let foreign = json!({"name": "x", "branch_ids": ["alfa-2"]});
    assert_eq!(app.branch_one().send(Method::POST, "/groups", Some(&foreign)).await.status, 403);
    // Who sees one branch means that one.
    let own = app.branch_one().send(Method::POST, "/groups", Some(&json!({"name": "x"}))).await;
    assert_eq!((own.status, &own.json["branch_ids"]), (201, &json!(["alfa-1"])), "{}", own.text);
    let whose = app.owner().send(Method::POST, "/groups", Some(&json!({"name": "x"}))).await;
    assert_eq!(
        (whose.status, &whose.json["errors"][0]["pointer"]),
        (422, &json!("/branch_ids")),
        "{}",
        whose.text
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_and_a_member_look_like_this() {
    let app = school();
    let page = app.owner().get("/groups/alfa-12?include=raw&expand=teachers,branches,level").await;
    snapshot("group", &page.json, &[]);
    let page = app.owner().get("/groups/alfa-12/members?limit=1&include=raw").await;
    snapshot("member", &page.json["items"][0], &[]);
}
