//! Logins, tokens, rights, keys, methods and addresses.

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_token_is_32_hex_characters_and_several_are_valid_at_once() {
    let caller = Caller::new().await;
    let second = caller.login().await;
    assert_ne!(caller.token, second);
    assert!(second.len() == 32 && second.bytes().all(|byte| byte.is_ascii_hexdigit()));
    caller.ok("1/customer/index", json!({})).await;
    let second = Caller { token: second, crm: caller.crm.clone() };
    second.ok("1/customer/index", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn a_login_works_with_a_branch_in_the_path() {
    let caller = Caller::new().await;
    let body = json!({"email": Credentials::EMAIL, "api_key": Credentials::API_KEY});
    assert!(caller.ok("1/auth/login", body).await["token"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_token_lasts_as_long_as_the_switch_says() {
    let caller = Caller::new().await;
    tokio::time::advance(Duration::from_secs(899)).await;
    caller.ok("branch/index", json!({})).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(caller.call("branch/index", json!({})).await.0, 401);
    caller.crm.switches(|switches| switches.token_ttl = Duration::from_secs(3600));
    caller.ok("branch/index", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn bad_tokens_and_logins_answer_what_the_switches_say() {
    let caller = Caller::new().await;
    caller.crm.expire_tokens();
    caller.crm.switches(|switches| {
        switches.bad_token_status = 403;
        switches.bad_login_status = 401;
    });
    assert_eq!(caller.call("branch/index", json!({})).await.0, 403);
    assert_eq!(caller.call("auth/login", json!({"email": "x", "api_key": "y"})).await.0, 401);
    assert_eq!(caller.call("auth/login", json!({})).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn credentials_can_be_changed_and_never_show() {
    let caller = Caller::new().await;
    caller.crm.switches(|switches| switches.credentials.api_key = "other".to_owned());
    let old = json!({"email": Credentials::EMAIL, "api_key": Credentials::API_KEY});
    assert_eq!(caller.call("auth/login", old).await.0, 403);
    assert!(!format!("{:?}", Credentials::default()).contains(Credentials::API_KEY));
    let ledger = format!("{:?}", caller.crm.ledger().entries());
    assert!(!ledger.contains(Credentials::API_KEY) && !ledger.contains(Credentials::EMAIL));
    assert!(ledger.contains("***"));
}

#[tokio::test(start_paused = true)]
async fn a_required_app_key_is_asked_of_every_call() {
    let caller = Caller::new().await;
    caller.crm.switches(|switches| switches.app_key = Some("secret".to_owned()));
    assert_eq!(caller.call("branch/index", json!({})).await.0, 403);
    let request = Request::post("/v2api/branch/index")
        .header("X-ALFACRM-TOKEN", &caller.token)
        .header("X-APP-KEY", "secret")
        .body(Body::empty())
        .expect("a request");
    let response = caller.crm.router().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_user_sees_only_permitted_branches() {
    let caller = Caller::new().await;
    let everyone = caller.total("customer/index", json!({})).await;
    let first = caller.total("1/customer/index", json!({})).await;
    caller.crm.switches(|switches| switches.branches = Some(vec![1]));
    assert_eq!(caller.total("customer/index", json!({})).await, first);
    assert!(first < everyone);
    assert_eq!(caller.call("2/customer/index", json!({})).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn only_post_is_served_and_unknown_addresses_are_not_found() {
    let caller = Caller::new().await;
    for path in
        ["customer/view", "pay/delete", "report", "1/lesson/index/3", "customer_tariff/index", "log/create"]
    {
        assert_eq!(caller.call(path, json!({})).await.0, 404, "{path}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let response = caller.send(method, "1/customer/index", String::new()).await;
        assert_eq!(response.status(), 405);
    }
    let root = Request::post("/").body(Body::empty()).expect("a request");
    let response = caller.crm.router().oneshot(root).await.expect("an answer");
    assert_eq!(response.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_no_filter_and_broken_json_is_refused() {
    let caller = Caller::new().await;
    for body in ["", "  ", "[]", "null", "{}"] {
        let response = caller.send("POST", "1/customer/index", body.to_owned()).await;
        assert_eq!(response.status(), 200, "{body:?}");
    }
    for body in ["{\"page\":", "[1]", "text"] {
        let response = caller.send("POST", "1/customer/index", body.to_owned()).await;
        assert_eq!(response.status(), 400, "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_the_language_of_the_switch() {
    let caller = Caller::new().await;
    caller.crm.switches(|switches| switches.message_language = Language::En);
    let body = json!({"name": "N", "legal_type": 1, "is_study": 0, "branch_ids": [1], "dob": "2014-05-14"});
    let errors = caller.refused("1/customer/create", body).await;
    assert_eq!(errors["dob"][0], "The format of Date of birth is invalid.");
    let (_, answer) = caller.call("1/cgi/index", json!({})).await;
    assert_eq!(answer["message"], "Missing required parameters: group_id");
}
