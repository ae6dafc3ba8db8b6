//! What is asked of AlfaCRM: section 16 of its reference, as far as reads can settle it.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::caller::{Caller, Seen, clock};
use super::report::Report;
use crate::config::AlfaCrm;

const CRM: &str = "AlfaCRM";
const TOKEN: HeaderName = HeaderName::from_static("x-alfacrm-token");
const APP_KEY: HeaderName = HeaderName::from_static("x-app-key");

/// Lists that stand below a branch, and those that do not.
const LISTS: [(&str, bool); 22] = [
    ("customer/index", true),
    ("group/index", true),
    ("teacher/index", true),
    ("lesson/index", true),
    ("regular-lesson/index", true),
    ("pay/index", true),
    ("tariff/index", true),
    ("task/index", true),
    ("communication/index", true),
    ("room/index", true),
    ("subject/index", true),
    ("location/index", true),
    ("lesson-type/index", true),
    ("study-status/index", true),
    ("lead-status/index", true),
    ("lead-source/index", true),
    ("pay-account/index", true),
    ("pay-item/index", true),
    ("pay-type/index", true),
    ("company/index", true),
    ("user/index", false),
    ("log/index", true),
];

pub(super) async fn ask(
    config: &AlfaCrm,
    mut caller: Caller,
    report: &mut Report,
    progress: &(dyn Fn(&str) + Send + Sync),
) {
    progress("AlfaCRM: signing in");
    if let Err(why) = sign_in(config, &mut caller).await {
        report.failed(CRM, "signing in", why);
    } else {
        report.found(CRM, "signing in", "the e-mail and the key are good");
        let asked = questions(config, &mut caller, report, progress).await;
        if let Err(why) = asked {
            report.failed(CRM, "asking on", why);
        }
        report.found(CRM, "its clock", clock(caller.ahead));
    }
    report.calls(caller.calls);
}

async fn sign_in(config: &AlfaCrm, caller: &mut Caller) -> Result<(), String> {
    if let Some(key) = &config.app_key {
        caller.credentials.push((APP_KEY, secret(key.expose())?));
    }
    let body = json!({"email": config.email, "api_key": config.api_key.expose()});
    let seen = caller.call(Method::POST, "/v2api/auth/login", Some(&body)).await?;
    let token = seen.json["token"].as_str().filter(|_| seen.is_good());
    let Some(token) = token else {
        let key = if config.app_key.is_none() { "; perhaps it wants `alfacrm.app_key`" } else { "" };
        return Err(format!("refused ({}): check `alfacrm.email` and `alfacrm.api_key`{key}", seen.shape()));
    };
    let token = secret(token)?;
    caller.credentials.push((TOKEN, token));
    Ok(())
}

fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "a key that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A list's answer.
async fn list(caller: &mut Caller, target: &str, body: Value) -> Result<Seen, String> {
    caller.call(Method::POST, &format!("/v2api{target}"), Some(&body)).await
}

/// The rows of a page, and how many there are in all.
fn rows(seen: &Seen) -> (Vec<&Value>, Option<u64>) {
    let items = match &seen.json {
        Value::Array(items) => items.iter().collect(),
        json => match &json["items"] {
            Value::Array(items) => items.iter().collect(),
            Value::Object(items) => items.values().collect(),
            _ => Vec::new(),
        },
    };
    let total = &seen.json["total"];
    (items, total.as_u64().or_else(|| total.as_str()?.parse().ok()))
}

async fn questions(
    config: &AlfaCrm,
    caller: &mut Caller,
    report: &mut Report,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), String> {
    progress("AlfaCRM: branches");
    let seen = list(caller, "/branch/index", json!({"page": 0})).await?;
    let branches: Vec<u64> = rows(&seen).0.iter().filter_map(|row| row["id"].as_u64()).collect();
    let Some(branch) = config.branches.iter().find(|id| branches.contains(id)).or(branches.first()).copied()
    else {
        return Err(format!("no branch can be seen ({}), and everything is below one", seen.shape()));
    };
    report.found(CRM, "branches", numbers(&branches));
    let unknown: Vec<u64> = config.branches.iter().copied().filter(|id| !branches.contains(id)).collect();
    if !unknown.is_empty() {
        let known: Vec<u64> = config.branches.iter().copied().filter(|id| branches.contains(id)).collect();
        report.found(CRM, "configured branches that are not there", numbers(&unknown));
        report.line("alfacrm", "branches", format!("[{}]", numbers(&known)));
    }

    progress("AlfaCRM: page size");
    page_size(config, caller, report, branch).await?;

    progress("AlfaCRM: what the user may read, and which fields there are");
    for (operation, below) in LISTS {
        let target = if below { format!("/{branch}/{operation}") } else { format!("/{operation}") };
        let seen = list(caller, &target, json!({"page": 0})).await?;
        let said =
            if seen.is_good() { hits(&rows(&seen).0) } else { format!("not to be read: {}", seen.shape()) };
        report.found(CRM, operation, said);
    }

    progress("AlfaCRM: filters");
    let pays = rows(&list(caller, &format!("/{branch}/pay/index"), json!({"page": 0})).await?).1;
    let none = json!({"page": 0, "date_from": "2099-01-01"});
    let filtered = rows(&list(caller, &format!("/{branch}/pay/index"), none).await?).1;
    report.found(CRM, "date_from of pay/index", obeyed(pays, filtered));
    let all = rows(&list(caller, &format!("/{branch}/customer/index"), json!({"page": 0})).await?).1;
    let later = json!({"page": 0, "updated_at_from": "2099-01-01 00:00:00"});
    let filtered = rows(&list(caller, &format!("/{branch}/customer/index"), later).await?).1;
    report.found(CRM, "updated_at_from with a time", obeyed(all, filtered));
    let taught = list(caller, &format!("/{branch}/lesson/index"), json!({"page": 0, "status": 3})).await?;
    let with = rows(&taught)
        .0
        .iter()
        .filter(|row| row["details"].as_array().is_some_and(|list| !list.is_empty()))
        .count();
    report.found(
        CRM,
        "attendance in lists of lessons",
        format!("in {with} of {} rows", rows(&taught).0.len()),
    );
    let slots = list(caller, &format!("/{branch}/regular-lesson/index"), json!({"page": 0})).await?;
    let day = |wanted: u64| {
        let text = wanted.to_string();
        rows(&slots).0.iter().any(|row| row["day"] == wanted || row["day"] == *text)
    };
    let sunday = match (day(0), day(7)) {
        (true, false) => "0",
        (false, true) => "7",
        (true, true) => "0 and 7",
        (false, false) => "not seen",
    };
    report.found(CRM, "Sunday in the timetable", sunday);

    progress("AlfaCRM: refusals");
    let past = list(caller, &format!("/{branch}/customer/index"), json!({"page": 9999})).await?;
    let said = if rows(&past).0.is_empty() { "empty" } else { "the last page again" };
    report.found(CRM, "a page past the end", said);
    let got = caller.call(Method::GET, "/v2api/branch/index", None).await?;
    report.found(CRM, "GET in place of POST", got.shape());
    let own: Vec<_> = caller.credentials.iter().filter(|(name, _)| *name != TOKEN).cloned().collect();
    let none = caller.call_as(&own, Method::POST, "/v2api/branch/index", Some(&json!({}))).await?;
    report.found(CRM, "no token", none.shape());
    let mut wrong = own;
    wrong.push((TOKEN, HeaderValue::from_static("00000000000000000000000000000000")));
    let refused = caller.call_as(&wrong, Method::POST, "/v2api/branch/index", Some(&json!({}))).await?;
    report.found(CRM, "a wrong token", refused.shape());
    Ok(())
}

async fn page_size(
    config: &AlfaCrm,
    caller: &mut Caller,
    report: &mut Report,
    branch: u64,
) -> Result<(), String> {
    let asked = u64::from(config.page_size);
    let target = format!("/{branch}/customer/index?per-page={asked}");
    let seen = list(caller, &target, json!({"page": 0, "pageSize": asked})).await?;
    let (items, total) = rows(&seen);
    let got = items.len() as u64;
    let said = match total {
        _ if got >= asked => format!("{asked} asked for, {got} came: honoured"),
        Some(total) if got < total => {
            report.line("alfacrm", "page_size", got.max(1).to_string());
            format!("{asked} asked for, {got} of {total} came: it gives no more at once")
        }
        _ => format!("{asked} asked for, {got} came, and there are no more to tell by"),
    };
    report.found(CRM, "rows in a page", said);
    Ok(())
}

/// Whether a filter that nothing can pass was obeyed.
fn obeyed(all: Option<u64>, filtered: Option<u64>) -> &'static str {
    match (all, filtered) {
        (Some(0) | None, _) => "there is nothing to tell by",
        (_, Some(0)) => "obeyed",
        (_, None) => "refused",
        _ => "ignored, as the gateway supposes",
    }
}

/// In how many rows each field says something.
fn hits(rows: &[&Value]) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, value) in rows.iter().filter_map(|row| row.as_object()).flatten() {
        let empty = value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
        *names.entry(name).or_default() += usize::from(!empty);
    }
    let told = names.iter().map(|(name, hits)| format!("{name} {hits}")).collect::<Vec<_>>().join(", ");
    if rows.is_empty() { "no rows".to_owned() } else { format!("{} rows: {told}", rows.len()) }
}

fn numbers(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
