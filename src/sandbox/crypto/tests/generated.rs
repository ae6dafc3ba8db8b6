//! Generated data: the same every time, whole, and as large as wanted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::generator::{Generator, dictionary};
use super::super::profile::Profile;
use super::super::{Crm, Options, Switches, Table};
use super::{filter, get};
use crate::sandbox::clock::Clock;

fn generated(options: Options) -> Crm {
    let clock = Arc::new(Clock::starting_at(options.now));
    Crm::new(options, Switches::default(), clock)
}

fn everything(crm: &Crm) -> Vec<Vec<Value>> {
    let mut all = vec![crm.projects()];
    for project in crm.project_ids() {
        all.extend(Table::OF_A_PROJECT.map(|table| crm.rows(table, project)));
    }
    all
}

#[test]
fn equal_options_give_equal_data() {
    let options = Options::default();
    let one = everything(&generated(options.clone()));
    assert_eq!(one, everything(&generated(options.clone())));
    assert_ne!(one, everything(&generated(Options { seed: 2, ..options })));
}

#[test]
fn what_the_filter_knows_is_what_the_rows_say() {
    let generator = Generator::new(&Options::default());
    for id in generator.project_ids() {
        let (_, known) = generator.project(id);
        let mut read = Profile::default();
        for table in Table::OF_A_PROJECT {
            read.read(table, &generator.rows(table, id));
        }
        assert_eq!(known, read, "project {id}");
    }
}

#[test]
fn the_data_is_varied_and_fits_together() {
    let options = Options::default();
    let now = options.now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let customers = 101..101 + u64::try_from(options.students).unwrap();
    let crm = generated(options);
    let known = crm.dictionaries();
    let (mut linked, mut deleted) = (0, 0);
    let (mut most_actions, mut most_goods, mut most_payments) = (0, 0, 0);
    for id in crm.project_ids() {
        let project = crm.get(Table::Projects, id).unwrap();
        let created = project["created"].as_str().unwrap();
        assert!(created < now.as_str());
        let named = |dictionary: &str, id: &Value| !known[dictionary][id.to_string()].is_null();
        assert!(named("steps", &project["step_id"]) && named("users", &project["user_id"]));
        assert_eq!(
            known["steps"][project["step_id"].to_string()]["sales_funnel_id"],
            project["sales_funnel_id"]
        );
        deleted += usize::from(project["deleted"] == "1");
        if let Some(customer) = project["data"]["alfa_customer_id"].as_u64() {
            assert!(customers.contains(&customer));
            linked += 1;
        }
        let steps = crm.rows(Table::Steps, id);
        assert_eq!(steps[0]["date"], project["created"]);
        assert_eq!(steps.last().unwrap()["step_id"], project["step_id"]);
        assert!(steps.is_sorted_by_key(|row| row["date"].to_string()), "project {id}");
        let actions = crm.rows(Table::Actions, id);
        let dates: Vec<&str> = actions.iter().map(|row| row["date"].as_str().unwrap()).collect();
        assert!(dates.is_sorted() && dates.iter().all(|date| *date >= created && *date < now.as_str()));
        assert!(actions.iter().all(|row| named("action_types", &row["actions_type_id"])));
        let goods = crm.rows(Table::Goods, id);
        assert!(goods.iter().all(|row| named("goods", &row["good_id"])));
        let payments = crm.rows(Table::Payments, id);
        let amount = |value: &Value| value.to_string().parse::<rust_decimal::Decimal>().unwrap();
        let paid: rust_decimal::Decimal =
            payments.iter().filter(|row| row["type"] == "1").map(|row| amount(&row["amount"])).sum();
        assert!(paid <= amount(&project["price"]), "project {id}");
        most_actions = most_actions.max(actions.len());
        most_goods = most_goods.max(goods.len());
        most_payments = most_payments.max(payments.len());
    }
    assert!((40..=95).contains(&linked), "{linked} linked");
    assert!((1..=25).contains(&deleted), "{deleted} deleted");
    assert_eq!((most_actions, most_goods, most_payments), (40, 12, 8));
}

#[tokio::test]
async fn some_projects_are_overdue_but_most_are_not() {
    let crm = generated(Options::default());
    let overdue = filter(&crm, json!({ "count": 500, "having": "checklists_expired" })).await.ids();
    assert!((3..=60).contains(&overdue.len()), "{} overdue", overdue.len());
}

#[tokio::test]
async fn links_can_be_found_and_can_be_absent() {
    let crm = generated(Options::default());
    let linked = crm
        .projects()
        .into_iter()
        .find(|project| project["deleted"] == "0" && project["data"]["alfa_customer_id"].is_u64())
        .unwrap();
    let customer = &linked["data"]["alfa_customer_id"];
    let found = filter(&crm, json!({ "data": { "alfa_customer_id": [customer] } })).await;
    assert!(found.ids().contains(&linked["id"].as_u64().unwrap()));

    let crm = generated(Options { students: 0, ..Options::default() });
    let none = crm.projects();
    assert!(none.iter().all(|project| project["data"]["alfa_customer_id"].is_null()));
}

#[test]
fn any_number_of_projects() {
    for projects in [0, 1, 2] {
        let crm = generated(Options { projects, ..Options::default() });
        assert_eq!(crm.count(Table::Projects), projects);
        everything(&crm);
    }
}

#[tokio::test]
async fn ten_thousand_projects() {
    let crm = generated(Options { projects: 10_000, ..Options::default() });
    assert_eq!(crm.count(Table::Projects), 10_000);
    assert!(crm.count(Table::Actions) > 150_000);
    let last = get(&crm, "/projects?count=500&offset=9000&order_by=name").await.ids();
    assert_eq!(last.len(), 500);
    let page = filter(&crm, json!({ "count": 3, "offset": 100, "having": "no_goods" })).await.ids();
    for id in page {
        assert!(get(&crm, &format!("/projects/goods?id={id}")).await.ids().is_empty());
    }
}

#[test]
fn every_step_belongs_to_a_funnel() {
    for (step, funnel, _) in dictionary::STEPS {
        assert!(dictionary::FUNNELS.iter().any(|(id, _)| *id == funnel), "step {step}");
    }
}
