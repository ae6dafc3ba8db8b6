//! What is asked of AlfaCRM: section 16 of its reference, as far as reads can settle it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::caller::{Caller, Seen, clock};
use super::report::Report;
use crate::config::AlfaCrm;

const CRM: &str = "AlfaCRM";
const TOKEN: HeaderName = HeaderName::from_static("x-alfacrm-token");
const APP_KEY: HeaderName = HeaderName::from_static("x-app-key");

/// Lists that stand below a branch, and those that do not.
const LISTS: [(&str, bool); 21] = [
    ("customer/index", true),
    ("group/index", true),
    ("teacher/index", true),
    ("lesson/index", true),
    ("regular-lesson/index", true),
    ("pay/index", true),
    ("tariff/index", true),
    ("task/index", true),
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

/// The shortest time that `alfacrm.token_lifetime` may be.
const SHORTEST: Duration = Duration::from_secs(10);

/// The account that is asked about.
struct Account<'a> {
    config: &'a AlfaCrm,
    caller: Caller,
    signed_in: Instant,
    /// How old the longest-lived token was when it was last good and when it was not, if one ended before it was replaced.
    lived: Option<(Duration, Duration)>,
    /// When the token that is used now was last good.
    last_good: Instant,
}

pub(super) async fn ask(
    config: &AlfaCrm,
    caller: Caller,
    report: &mut Report,
    progress: &(dyn Fn(&str) + Send + Sync),
) {
    progress("AlfaCRM: signing in");
    let now = Instant::now();
    let mut account = Account { config, caller, signed_in: now, lived: None, last_good: now };
    if let Err(why) = account.sign_in().await {
        report.failed(CRM, "signing in", why);
    } else {
        report.found(CRM, "signing in", "the e-mail and the key are good");
        let asked = questions(&mut account, report, progress).await;
        if let Err(why) = asked {
            report.failed(CRM, "asking on", why);
        }
        token_life(&account, report);
        report.found(CRM, "its clock", clock(account.caller.ahead));
    }
    report.calls(account.caller.calls);
}

impl Account<'_> {
    async fn sign_in(&mut self) -> Result<(), String> {
        let mut own = Vec::new();
        if let Some(key) = &self.config.app_key {
            own.push((APP_KEY, secret(key.expose())?));
        }
        let body = json!({"email": self.config.email, "api_key": self.config.api_key.expose()});
        let seen = self.caller.call_as(&own, Method::POST, "/v2api/auth/login", Some(&body)).await?;
        let token = seen.json["token"].as_str().filter(|_| seen.is_good());
        let Some(token) = token else {
            let key = if self.config.app_key.is_none() { "; perhaps it wants `alfacrm.app_key`" } else { "" };
            let shape = seen.shape();
            return Err(format!("refused ({shape}): check `alfacrm.email` and `alfacrm.api_key`{key}"));
        };
        own.push((TOKEN, secret(token)?));
        self.caller.credentials = own;
        self.signed_in = Instant::now();
        self.last_good = self.signed_in;
        Ok(())
    }

    /// A call. One that is refused as if by a token that has ended is made once more with a new one; what is refused then
    /// as well is not for this user.
    async fn call(&mut self, method: Method, target: &str, body: Option<&Value>) -> Result<Seen, String> {
        let asked = Instant::now();
        let seen = self.caller.call(method.clone(), target, body).await?;
        if !matches!(seen.status.as_u16(), 401 | 403) {
            // It was good when it left at the latest.
            self.last_good = self.last_good.max(asked);
            return Ok(seen);
        }
        let lived = (self.last_good - self.signed_in, self.signed_in.elapsed());
        self.sign_in().await?;
        let again = self.caller.call(method, target, body).await?;
        if !matches!(again.status.as_u16(), 401 | 403) {
            self.lived = self.lived.max(Some(lived));
        }
        Ok(again)
    }

    /// A list's answer.
    async fn list(&mut self, target: &str, body: Value) -> Result<Seen, String> {
        self.call(Method::POST, &format!("/v2api{target}"), Some(&body)).await
    }
}

/// Tokens that end sooner than the gateway replaces them cost a refused call each.
fn token_life(account: &Account<'_>, report: &mut Report) {
    let Some((lived, ended)) = account.lived else { return };
    let said = format!("good after {} s, not any more after {} s", lived.as_secs(), ended.as_secs());
    report.found(CRM, "how long a token is good", said);
    if lived >= SHORTEST && lived < account.config.token_lifetime {
        report.line("alfacrm", "token_lifetime", format!("\"{}s\"", lived.as_secs()));
    }
}

fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "a key that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
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
    account: &mut Account<'_>,
    report: &mut Report,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), String> {
    progress("AlfaCRM: branches");
    let branch = branches(account, report).await?;

    progress("AlfaCRM: page size");
    page_size(account, report, branch).await?;

    progress("AlfaCRM: what the user may read, and which fields there are");
    for (operation, below) in LISTS {
        let target = if below { format!("/{branch}/{operation}") } else { format!("/{operation}") };
        let seen = account.list(&target, json!({"page": 0})).await?;
        report.found(CRM, operation, readable(&seen));
    }
    communications(account, report, branch).await?;

    progress("AlfaCRM: filters");
    let pays = rows(&account.list(&format!("/{branch}/pay/index"), json!({"page": 0})).await?).1;
    let none = json!({"page": 0, "date_from": "2099-01-01"});
    let filtered = rows(&account.list(&format!("/{branch}/pay/index"), none).await?).1;
    report.found(CRM, "date_from of pay/index", obeyed(pays, filtered));
    let all = rows(&account.list(&format!("/{branch}/customer/index"), json!({"page": 0})).await?).1;
    let later = json!({"page": 0, "updated_at_from": "2099-01-01 00:00:00"});
    let filtered = rows(&account.list(&format!("/{branch}/customer/index"), later).await?).1;
    report.found(CRM, "updated_at_from with a time", obeyed(all, filtered));
    let taught = account.list(&format!("/{branch}/lesson/index"), json!({"page": 0, "status": 3})).await?;
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
    let slots = account.list(&format!("/{branch}/regular-lesson/index"), json!({"page": 0})).await?;
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
    let past = account.list(&format!("/{branch}/customer/index"), json!({"page": 9999})).await?;
    let said = if rows(&past).0.is_empty() { "empty" } else { "the last page again" };
    report.found(CRM, "a page past the end", said);
    let got = account.call(Method::GET, "/v2api/branch/index", None).await?;
    report.found(CRM, "GET in place of POST", got.shape());
    let caller = &mut account.caller;
    let own: Vec<_> = caller.credentials.iter().filter(|(name, _)| *name != TOKEN).cloned().collect();
    let none = caller.call_as(&own, Method::POST, "/v2api/branch/index", Some(&json!({}))).await?;
    report.found(CRM, "no token", none.shape());
    let mut wrong = own;
    wrong.push((TOKEN, HeaderValue::from_static("00000000000000000000000000000000")));
    let refused = caller.call_as(&wrong, Method::POST, "/v2api/branch/index", Some(&json!({}))).await?;
    report.found(CRM, "a wrong token", refused.shape());
    Ok(())
}

/// What was said is listed of one record alone.
async fn communications(account: &mut Account<'_>, report: &mut Report, branch: u64) -> Result<(), String> {
    let operation = "communication/index";
    let customers = account.list(&format!("/{branch}/customer/index"), json!({"page": 0})).await?;
    let Some(id) = rows(&customers).0.iter().find_map(|row| row["id"].as_u64()) else {
        report.found(CRM, operation, "there is nobody to tell by");
        return Ok(());
    };
    let target = format!("/{branch}/{operation}?class=Customer&related_id={id}");
    let seen = account.list(&target, json!({"page": 0})).await?;
    report.found(CRM, operation, readable(&seen));
    Ok(())
}

/// Which branches there are and can be read; the first of those that the gateway is to work with.
async fn branches(account: &mut Account<'_>, report: &mut Report) -> Result<u64, String> {
    let seen = account.list("/branch/index", json!({"page": 0})).await?;
    let there: Vec<u64> = rows(&seen).0.iter().filter_map(|row| row["id"].as_u64()).collect();
    report.found(CRM, "branches", numbers(&there));
    let wanted = if account.config.branches.is_empty() { &there } else { &account.config.branches };
    let (mut good, mut missing, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for id in wanted.clone() {
        if !there.contains(&id) {
            missing.push(id);
            continue;
        }
        // A user may know of a branch that it may not read.
        let seen = account.list(&format!("/{id}/customer/index"), json!({"page": 0})).await?;
        if seen.status == StatusCode::FORBIDDEN { refused.push(id) } else { good.push(id) }
    }
    for (which, ids) in
        [("configured branches that are not there", &missing), ("branches that are not to be read", &refused)]
    {
        if !ids.is_empty() {
            report.found(CRM, which, numbers(ids));
        }
    }
    let Some(first) = good.first().copied() else {
        return Err(format!("no branch can be read ({}), and everything is below one", seen.shape()));
    };
    if !missing.is_empty() || !refused.is_empty() {
        report.line("alfacrm", "branches", format!("[{}]", numbers(&good)));
    }
    Ok(first)
}

async fn page_size(account: &mut Account<'_>, report: &mut Report, branch: u64) -> Result<(), String> {
    let asked = u64::from(account.config.page_size);
    // A small school has few students, and many lessons all the same.
    for operation in ["customer/index", "lesson/index"] {
        let target = format!("/{branch}/{operation}?per-page={asked}");
        let seen = account.list(&target, json!({"page": 0, "pageSize": asked})).await?;
        let (items, total) = rows(&seen);
        let got = items.len() as u64;
        let said = match total {
            _ if got >= asked => format!("{asked} asked for, {got} came: honoured"),
            Some(total) if got < total => {
                report.line("alfacrm", "page_size", got.max(1).to_string());
                format!("{asked} asked for, {got} of {total} came: it gives no more at once")
            }
            _ => continue,
        };
        report.found(CRM, "rows in a page", said);
        return Ok(());
    }
    report.found(
        CRM,
        "rows in a page",
        format!("there are fewer than {asked} of everything, nothing to tell by"),
    );
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

/// Whether a list was given, and what its rows have.
fn readable(seen: &Seen) -> String {
    if seen.is_good() { hits(&rows(seen).0) } else { format!("not to be read: {}", seen.shape()) }
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
