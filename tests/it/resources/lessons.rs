//! Lessons.

use serde_json::Value;

use super::{Case, among, case, days, every_filter, pick, round_trip, same, school, snapshot, text};

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/lessons?limit=200").await;
    assert_eq!(all.len(), app.alfa.count("lesson"), "no lesson is missing without a filter");
    let updated = pick(&all, "updated_at");
    let since = updated.clone();
    let mut cases = vec![
        case("status", "CANCELLED", |record| record["status"] == "CANCELLED"),
        Case {
            query: vec![
                ("status".to_owned(), "PLANNED".to_owned()),
                ("status".to_owned(), "CONDUCTED".to_owned()),
            ],
            fits: Box::new(|record| record["status"] != "CANCELLED"),
        },
        among(&all, "student_id", "student_ids"),
        among(&all, "group_id", "group_ids"),
        among(&all, "teacher_id", "teacher_ids"),
        same(&all, "subject_id", "subject_id"),
        same(&all, "lesson_type_id", "lesson_type_id"),
        same(&all, "room_id", "room_id"),
        same(&all, "branch_id", "branch_id"),
        case("updated_since", &updated, move |record| text(&record["updated_at"]) >= since),
    ];
    cases.extend(days(&all, "from", "to", "date"));
    every_filter(&app, "/lessons", &[], &all, cases, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn all_statuses_are_one_list_newest_day_first() {
    let app = school();
    let all = app.owner().walk("/lessons").await;
    assert_eq!(all.len(), app.alfa.count("lesson"));
    let days: Vec<String> = all.iter().map(|lesson| text(&lesson["date"])).collect();
    assert!(days.is_sorted_by(|a, b| a >= b), "{days:?}");
    for status in ["PLANNED", "CANCELLED", "CONDUCTED"] {
        assert!(all.iter().any(|lesson| lesson["status"] == status), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let mut some: Vec<Value> = Vec::new();
    for status in ["PLANNED", "CANCELLED", "CONDUCTED"] {
        some.extend(app.owner().get(&format!("/lessons?limit=5&status={status}")).await.items());
    }
    assert_eq!(some.len(), 15);
    round_trip(&app, "/lessons", &some).await;
    assert_eq!(app.owner().get("/lessons/alfa-99999999").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn who_comes_is_not_told_before_the_lesson() {
    let app = school();
    let told = async |status: &str| {
        let lessons = app.owner().walk(&format!("/lessons?limit=200&status={status}")).await;
        let entries =
            lessons.iter().flat_map(|lesson| lesson["attendance"].as_array().cloned().unwrap_or_default());
        entries.map(|entry| entry["attended"].clone()).collect::<Vec<_>>()
    };
    assert!(told("PLANNED").await.iter().all(Value::is_null));
    let conducted = told("CONDUCTED").await;
    assert!(conducted.iter().any(|attended| attended == true) && conducted.iter().all(Value::is_boolean));
}

#[tokio::test(start_paused = true)]
async fn a_lesson_looks_like_this() {
    let app = school();
    let page = app.owner().get("/lessons?limit=1&status=CONDUCTED&include=raw").await;
    snapshot("lesson", &page.json["items"][0], &[]);
}

#[tokio::test(start_paused = true)]
async fn names_stand_beside_the_ids() {
    let app = school();
    let path = "/lessons?status=CONDUCTED&limit=5&expand=subject,lesson_type,room,branch,students,student";
    let page = app.owner().get(path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let name = |model: &str, id: &Value| {
        let number = text(id).trim_start_matches("alfa-").parse().unwrap();
        app.alfa.row(model, number).unwrap()["name"].clone()
    };
    for lesson in page.items() {
        for (field, model) in
            [("subject", "subject"), ("lesson_type", "lesson-type"), ("room", "room"), ("branch", "branch")]
        {
            let id = &lesson[format!("{field}_id")];
            if id.is_null() {
                assert!(lesson[field].is_null());
            } else {
                assert_eq!((&lesson[field]["id"], &lesson[field]["name"]), (id, &name(model, id)), "{field}");
            }
        }
        let students = lesson["students"].as_array().unwrap();
        assert_eq!(students.len(), lesson["student_ids"].as_array().unwrap().len());
        assert!(students.iter().all(|student| student["name"] == name("customer", &student["id"])));
        for entry in lesson["attendance"].as_array().unwrap() {
            assert_eq!(entry["student"]["name"], name("customer", &entry["student_id"]));
        }
    }
}
