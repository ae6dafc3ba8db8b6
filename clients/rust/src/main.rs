//! What an application in Rust does with the gateway, on a client made from the document: pages, repeated writes, errors.

use std::collections::HashSet;
use std::env;
use std::fmt::Debug;

use chrono::NaiveDate;
use crm_gateway_client::apis::configuration::{ApiKey, Configuration};
use crm_gateway_client::apis::payments_api::create_payment;
use crm_gateway_client::apis::reference_api::list_reference;
use crm_gateway_client::apis::search_api::search;
use crm_gateway_client::apis::students_api::get_student;
use crm_gateway_client::apis::tariffs_api::list_tariffs;
use crm_gateway_client::apis::{Error, ResponseContent};
use crm_gateway_client::models::{CreatePaymentRequest, CreatePaymentRequestAmount, Problem, Tariff};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let of = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see clients/run.sh"));
    let gateway = Configuration {
        base_path: of("BASE"),
        api_key: Some(ApiKey { prefix: None, key: of("KEY") }),
        ..Configuration::new()
    };
    a_list_is_walked_to_its_end_each_record_once(&gateway).await;
    a_payment_that_is_sent_twice_under_one_key_is_made_once(&gateway).await;
    an_error_is_a_problem_that_says_what_to_do(&gateway).await;
    println!("3 passed, 0 failed");
}

/// All records of a list: a cursor leads from page to page until there is none.
async fn tariffs(gateway: &Configuration, limit: i32) -> (Vec<Tariff>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    let mut cursor: Option<String> = None;
    loop {
        let cursor_now = cursor.as_deref();
        let page = list_tariffs(gateway, Some(limit), cursor_now, None, None, None, None, None, None, None)
            .await
            .expect("a page of tariffs");
        assert!(page.incomplete.is_empty(), "nobody was left out");
        all.extend(page.items);
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return (all, pages);
        }
    }
}

/// The problem behind an error.
fn problem<T: Debug>(error: Error<T>) -> (u16, Problem) {
    let Error::ResponseError(ResponseContent { status, content, .. }) = error else {
        panic!("no answer: {error:?}");
    };
    (status.as_u16(), serde_json::from_str(&content).expect("a problem document"))
}

async fn a_list_is_walked_to_its_end_each_record_once(gateway: &Configuration) {
    let (all, pages) = tariffs(gateway, 3).await;
    let ids: HashSet<&str> = all.iter().map(|tariff| tariff.id.as_str()).collect();
    assert!(pages > 1, "there is more than a page");
    assert_eq!(ids.len(), all.len());
}

/// Some student of the first branch.
async fn payer(gateway: &Configuration) -> String {
    let (kind, branch) = (vec!["STUDENT".to_owned()], vec!["alfa-1".to_owned()]);
    let found = search(gateway, "Анна", Some(kind), Some(1), Some(branch), None, None).await;
    found.expect("an answer").items.swap_remove(0).id
}

async fn a_payment_that_is_sent_twice_under_one_key_is_made_once(gateway: &Configuration) {
    let tills = list_reference(gateway, "pay-accounts", None, None, None, None, None, None, None).await;
    let till = tills.expect("tills").items.swap_remove(0);
    let payer = payer(gateway).await;
    let key = format!("rust-{}", std::process::id());
    let pay = async |amount: &str| {
        let mut payment = CreatePaymentRequest::new(
            till.id.clone(),
            CreatePaymentRequestAmount::new(amount.to_owned()),
            NaiveDate::from_ymd_opt(2026, 2, 25).expect("a day"),
            payer.clone(),
        );
        payment.branch_id = Some("alfa-1".to_owned());
        create_payment(gateway, &key, payment, None, None).await
    };
    let made = pay("1250.00").await.expect("a payment");
    let again = pay("1250.00").await.expect("the same payment");
    assert_eq!(made.id, again.id);
    let (status, problem) = problem(pay("9.00").await.expect_err("another request"));
    assert_eq!((status, problem.code.as_str()), (422, "idempotency_mismatch"));
}

async fn an_error_is_a_problem_that_says_what_to_do(gateway: &Configuration) {
    let nobody = get_student(gateway, "alfa-999999999", None, None, None, None, None).await;
    let (status, nobody) = problem(nobody.expect_err("nobody has this id"));
    assert_eq!((status, nobody.code.as_str(), nobody.retryable), (404, "not_found", false));
    let wrong = list_tariffs(gateway, Some(0), None, None, None, None, None, None, None, None).await;
    let (_, wrong) = problem(wrong.expect_err("no page has no records"));
    assert_eq!(wrong.code, "invalid_request");
    assert_eq!(wrong.errors[0].pointer, "/query/limit");
}
