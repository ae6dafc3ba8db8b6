//! The Crypto CRM documents no answer, so every shape it might have must give the same records.

use crm_gateway::sandbox::crypto::{
    Checklists, DynamicFields, EmptyData, Envelope, ErrorShape, FilterDate, Flags, IdLists, Missing, Numbers,
    OverCap, Switches, Table,
};
use serde_json::{Value, json};

use crate::support::app::ids;
use crate::support::{Setup, TestApp};

fn setup() -> Setup {
    Setup::new().students(1).projects(14).without("alfacrm").in_no_hurry().set("cryptocrm.page_size", "6")
}

/// Projects, deleted ones, a filtered list, single ones, what hangs on two of them, and all payments.
async fn picture(app: &TestApp) -> Vec<Value> {
    let owner = app.owner();
    let mut records = owner.walk("/projects").await;
    for id in ids(&records).iter().step_by(5) {
        let one = owner.get(&format!("/projects/{id}")).await;
        assert_eq!(one.status, 200, "{}", one.text);
        records.push(one.json);
    }
    records.extend(owner.walk("/projects?deleted=true").await);
    records.extend(owner.walk("/projects?funnel_id=crypto-1&sort=-id").await);
    for project in ["crypto-102", "crypto-106"] {
        for part in ["steps", "actions", "checklists", "goods"] {
            let mut rows = owner.walk(&format!("/projects/{project}/{part}")).await;
            // Where rows are items, a checklist without any is not there.
            rows.retain(|row| row["items"] != json!([]));
            records.extend(rows);
        }
        let event = ids(&owner.walk(&format!("/projects/{project}/actions?limit=1")).await)[0].clone();
        let one = owner.get(&format!("/projects/{project}/actions/{event}")).await;
        assert_eq!(one.status, 200, "{}", one.text);
        records.push(one.json);
        let mut payments = owner.walk(&format!("/projects/{project}/payments")).await;
        assert!(!payments.is_empty());
        payments.sort_by_key(|record| record["id"].to_string());
        records.extend(payments);
    }
    let mut payments = owner.walk("/payments").await;
    // Within a project they are in order page by page only, and pages differ.
    payments.sort_by_key(|record| record["id"].to_string());
    assert!(!payments.is_empty());
    let one = owner.get(&format!("/payments/{}", ids(&payments)[0])).await;
    assert_eq!(one.status, 200, "{}", one.text);
    records.push(one.json);
    records.extend(payments);
    records
}

fn differs(name: &str, seen: &[Value], expected: &[Value]) {
    assert_eq!(seen.len(), expected.len(), "{name}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert_eq!(seen, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_combination_of_shapes_gives_the_same_records() {
    // A project without any dynamic field: an empty map has spellings of its own.
    let bare = json!({"id": 7, "created": "2025-01-02 10:00:00", "name": "Пустой", "sales_funnel_id": 1, "step_id": 1,
        "user_id": 2, "group_id": 1, "price": "0", "currency_id": 1, "participants_user_id": [],
        "participants_group_id": [], "deleted": "0", "data": {}});
    // How long pages may be does not change while a CRM runs; everything else may for all we know.
    let caps = [500, 4, 1];
    let apps = caps.map(|_| setup().forgetful().start());
    for app in &apps {
        app.crypto.insert(Table::Projects, bare.clone()).unwrap();
    }
    let expected = picture(&apps[0]).await;
    let mut combinations = 0;
    for envelope in [
        Envelope::Payload,
        Envelope::Bare,
        Envelope::Data,
        Envelope::ItemsTotal,
        Envelope::ResponseNested,
        Envelope::MapById,
    ] {
        for numbers in [Numbers::Json, Numbers::Text] {
            for flags in [Flags::Text01, Flags::Number, Flags::Bool] {
                for dynamic in
                    [DynamicFields::NestedData, DynamicFields::FlatRoot, DynamicFields::BuildinSplit]
                {
                    for id_lists in [IdLists::Array, IdLists::Csv, IdLists::Underscore] {
                        // The rest changes along, so that it meets every other shape.
                        let turn = combinations;
                        let switches = Switches {
                            envelope,
                            numbers,
                            flags,
                            dynamic,
                            id_lists,
                            object_in_list: turn % 2 == 1,
                            empty_data: [EmptyData::Object, EmptyData::List, EmptyData::Null][turn % 3],
                            empty_list_null: turn % 5 == 0,
                            checklists: [Checklists::Nested, Checklists::Flat][turn / 2 % 2],
                            missing: [Missing::Status, Missing::EmptyList, Missing::Null][turn / 3 % 3],
                            filter_date: [FilterDate::On, FilterDate::Since][turn % 2],
                            strict: turn % 4 != 0,
                            require_user_agent: turn % 7 == 0,
                            count_cap: caps[turn / 2 % 3],
                            ..Switches::default()
                        };
                        let app = &apps[turn / 2 % 3];
                        app.crypto.switches(|current| *current = switches.clone());
                        differs(&format!("{switches:?}"), &picture(app).await, &expected);
                        let missing = app.owner().get("/projects/crypto-999999").await;
                        assert_eq!(missing.status, 404, "{switches:?}: {}", missing.text);
                        combinations += 1;
                    }
                }
            }
        }
    }
    assert_eq!(combinations, 324);
}

#[tokio::test(start_paused = true)]
async fn other_names_are_found_where_the_configuration_says() {
    let expected = picture(&setup().start()).await;
    let project = [
        ("created", "born", "date"),
        ("name", "headline", "text"),
        ("sales_funnel_id", "board", "uint"),
        ("step_id", "column_no", "uint"),
        ("user_id", "boss", "uint"),
        ("group_id", "team", "uint"),
        ("price", "cost", "decimal"),
        ("currency_id", "money_kind", "uint"),
        ("participants_user_id", "crew", "ids"),
        ("participants_group_id", "teams", "ids"),
        ("deleted", "gone", "flag"),
    ];
    let payment = [
        ("type", "kind", "direction"),
        ("date", "paid_on", "date"),
        ("amount", "how_much", "decimal"),
        ("currency_id", "money_kind", "uint"),
        ("user_id", "clerk", "uint"),
        ("comment", "words", "text"),
    ];
    let step = [("step_id", "column_no", "uint"), ("user_id", "clerk", "uint"), ("date", "moved_on", "date")];
    let action =
        [("actions_type_id", "sort", "uint"), ("date", "was_on", "date"), ("comment", "words", "text")];
    let checklist = [("name", "headline", "text"), ("items", "lines", "text")];
    let item = [
        ("name", "headline", "text"),
        ("done", "ready", "flag"),
        ("deadline", "until", "date"),
        ("done_date", "ready_on", "date"),
    ];
    let good =
        [("good_id", "thing", "uint"), ("count", "how_many", "decimal"), ("sum", "altogether", "decimal")];
    for dynamic in [DynamicFields::NestedData, DynamicFields::BuildinSplit, DynamicFields::FlatRoot] {
        let mut setup = setup();
        for (record, table) in [
            ("project", &project[..]),
            ("payment", &payment[..]),
            ("step", &step[..]),
            ("action", &action[..]),
            ("checklist", &checklist[..]),
            ("item", &item[..]),
            ("good", &good[..]),
        ] {
            for (name, other, kind) in table {
                let rule = format!("{{ from = [\"{other}\"], type = \"{kind}\" }}");
                setup = setup.set(&format!("cryptocrm.fields.{record}.{name}"), &rule);
            }
        }
        let app = setup.start();
        app.crypto.switches(|switches| {
            switches.dynamic = dynamic;
            for (name, other, _) in project {
                switches.names.rename(Table::Projects, name, other);
            }
            for (name, other, _) in payment {
                switches.names.rename(Table::Payments, name, other);
            }
            for (table, renamed) in [
                (Table::Steps, &step[..]),
                (Table::Actions, &action[..]),
                (Table::Checklists, &checklist[..]),
                (Table::Goods, &good[..]),
            ] {
                for (name, other, _) in renamed {
                    switches.names.rename(table, name, other);
                }
            }
            for (name, other, _) in item {
                switches.names.rename(Table::Checklists, &format!("items.{name}"), other);
            }
        });
        differs(&format!("{dynamic:?}"), &picture(&app).await, &expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_envelope_is_used_and_its_total_told() {
    let expected = picture(&setup().start()).await;
    let app = setup()
        .set("cryptocrm.envelope.list", "\"/items\"")
        .set("cryptocrm.envelope.object", "\"/item\"")
        .set("cryptocrm.envelope.total", "\"/total\"")
        .start();
    app.crypto.switches(|switches| switches.envelope = Envelope::ItemsTotal);
    differs("declared", &picture(&app).await, &expected);
    let answer = app.owner().get("/projects?limit=2").await;
    assert_eq!(answer.json["total"], app.owner().walk("/projects").await.len());
    app.crypto.switches(|switches| switches.envelope = Envelope::Bare);
    let other = app.owner().no_cache().get("/projects?sort=-id").await;
    assert_eq!((other.status, other.code()), (502, "upstream_invalid"), "{}", other.text);
}

#[tokio::test(start_paused = true)]
async fn what_having_means_beside_or_does_not_matter() {
    let mut seen = Vec::new();
    for having_in_or in [true, false] {
        let app = setup().start();
        app.crypto.switches(|switches| switches.having_in_or = having_in_or);
        seen.push(
            app.owner()
                .walk("/projects?condition=or&having=payments&funnel_id=crypto-1&funnel_id=crypto-2")
                .await,
        );
    }
    assert_eq!(seen[0], seen[1]);
    assert!(!seen[0].is_empty());
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_and_odd_texts_change_nothing_else() {
    let expected = picture(&setup().start()).await;
    let app = setup().start();
    app.crypto.switches(|switches| switches.quirks.extra_fields = true);
    differs("unknown fields", &picture(&app).await, &expected);
    for (name, long_text, hostile_text) in [("long", Some(20_000), false), ("hostile", None, true)] {
        let app = setup().start();
        app.crypto.switches(|switches| {
            switches.quirks.long_text = long_text;
            switches.quirks.hostile_text = hostile_text;
        });
        let seen = picture(&app).await;
        assert_eq!(ids(&seen), ids(&expected), "{name}");
        for (seen, expected) in seen.iter().zip(&expected) {
            let field = if seen["name"].is_null() { "note" } else { "name" };
            let (long, short) = (seen[field].as_str().unwrap_or(""), expected[field].as_str().unwrap_or(""));
            assert!(long.starts_with(short), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_of_every_shape_are_refusals() {
    for shape in [
        ErrorShape::StatusMessage,
        ErrorShape::ErrorObject,
        ErrorShape::ResponseObject,
        ErrorShape::Html,
        ErrorShape::In200,
    ] {
        let app = setup().set("cryptocrm.token", "\"another-token\"").start();
        app.crypto.switches(|switches| switches.error_shape = shape);
        for path in ["/projects", "/projects/crypto-1", "/projects?funnel_id=crypto-1", "/payments"] {
            let answer = app.owner().get(path).await;
            assert_eq!(
                (answer.status, answer.code()),
                (502, "upstream_error"),
                "{shape:?} {path}: {}",
                answer.text
            );
            assert!(!answer.text.contains("another-token"), "{}", answer.text);
        }
        let app = setup().set("cryptocrm.page_size", "600").start();
        app.crypto.switches(|switches| {
            switches.error_shape = shape;
            switches.over_cap = OverCap::Error;
        });
        let answer = app.owner().get("/projects").await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{shape:?}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_the_crm_is_not_met() {
    let app = Setup::new().projects(30).without("alfacrm").start();
    app.crypto.switches(|switches| switches.quota = Some(6));
    app.owner().walk("/payments?limit=200").await;
    assert!(app.crypto.ledger().len() > 10);
    assert_eq!(app.crypto.ledger().count_status(429), 0);
}
