//! What is asked of the Crypto CRM: section 13 of its reference.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue, Method};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::caller::{Caller, Seen, clock};
use super::report::Report;
use crate::config::CryptoCrm;
use crate::crm::crypto::calibrate::{self, Lens};

const CRM: &str = "Crypto CRM";
const TOKEN: HeaderName = HeaderName::from_static("x-crypto-token");
const SECRET: HeaderName = HeaderName::from_static("x-crypto-secret");
/// Page sizes to try where the configured one is refused.
const SMALLER: [u64; 6] = [500, 200, 100, 50, 20, 10];
/// So many projects are looked into for what hangs on them.
const PROJECTS: usize = 8;
/// Rows asked for of what hangs on a project; where there are more, not all are known.
const ROWS: usize = 100;
/// No project has it.
const NOBODY: u64 = 4_000_000_000;

pub(super) async fn ask(
    config: &CryptoCrm,
    caller: Caller,
    report: &mut Report,
    progress: &(dyn Fn(&str) + Send + Sync),
) {
    let mut probe =
        Probe { config, caller, report, lists: Vec::new(), objects: Vec::new(), currencies: BTreeSet::new() };
    let asked = probe.questions(progress).await;
    let (calls, ahead) = (probe.caller.calls, probe.caller.ahead);
    match asked {
        Ok(()) => report.found(CRM, "its clock", clock(ahead)),
        Err(why) => report.failed(CRM, "asking", why),
    }
    report.calls(calls);
}

struct Probe<'a> {
    config: &'a CryptoCrm,
    caller: Caller,
    report: &'a mut Report,
    /// Good answers that hold lists, and those that hold one record or say that there is none.
    lists: Vec<Value>,
    objects: Vec<Value>,
    currencies: BTreeSet<u64>,
}

impl Probe<'_> {
    fn found(&mut self, question: &str, answer: impl Into<String>) {
        self.report.found(CRM, question, answer);
    }

    async fn get(&mut self, target: &str) -> Result<Seen, String> {
        self.caller.call(Method::GET, target, None).await
    }

    /// The rows of a good list.
    async fn list(&mut self, target: &str) -> Result<Option<Vec<Value>>, String> {
        let seen = self.get(target).await?;
        let rows = calibrate::rows(&seen.json).filter(|_| seen.is_good());
        if rows.is_some() {
            self.lists.push(seen.json);
        }
        Ok(rows)
    }

    async fn questions(&mut self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), String> {
        let value = |secret: &str| -> Result<HeaderValue, String> {
            let mut value =
                HeaderValue::from_str(secret).map_err(|_| "a key that no header can carry".to_owned())?;
            value.set_sensitive(true);
            Ok(value)
        };
        let keys =
            [(TOKEN, value(self.config.token.expose())?), (SECRET, value(self.config.secret.expose())?)];
        self.caller.credentials.extend(keys);
        progress("Crypto CRM: projects and the size of their pages");
        let projects = self.page_size().await?;
        self.project_shape(&projects);
        progress("Crypto CRM: one project, and one that is not there");
        self.one(&projects).await?;
        progress("Crypto CRM: the end of a list, sorting, refusals");
        self.edges(&projects).await?;
        progress("Crypto CRM: filters");
        self.filters(&projects).await?;
        progress("Crypto CRM: what hangs on projects");
        self.parts(&projects).await?;
        self.envelopes();
        let unnamed: Vec<u64> =
            self.currencies.iter().copied().filter(|id| !self.config.currencies.contains_key(id)).collect();
        if !unnamed.is_empty() {
            let told = unnamed.iter().map(|id| format!("{id} = \"…\"")).collect::<Vec<_>>().join(", ");
            self.found(
                "currencies without a code",
                unnamed.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            );
            self.report
                .hint(format!("[cryptocrm] currencies = {{ {told} }}   which currency has which number?"));
        }
        Ok(())
    }

    /// Asks for a page of the configured size; smaller ones where that is refused or capped.
    async fn page_size(&mut self) -> Result<Vec<Value>, String> {
        let asked = u64::from(self.config.page_size);
        let page = |count: u64, offset: u64| {
            format!("/projects?count={count}&offset={offset}&order_by=id&reverse=0&deleted=0")
        };
        let first = self.get(&page(asked, 0)).await?;
        if matches!(first.status.as_u16(), 401 | 403) {
            return Err(format!(
                "refused ({}): check `cryptocrm.token` and `cryptocrm.secret`",
                first.shape()
            ));
        }
        let limits = first.headers.keys().map(HeaderName::as_str).filter(|name| name.contains("ratelimit"));
        let limits = limits.collect::<Vec<_>>().join(", ");
        if let Some(rows) = calibrate::rows(&first.json).filter(|_| first.is_good()) {
            self.found("the token and the secret", "good");
            self.found("headers about limits", if limits.is_empty() { "none".to_owned() } else { limits });
            self.lists.push(first.json);
            let got = rows.len() as u64;
            if got >= asked || got == 0 {
                self.found("rows in a page", format!("{asked} asked for, {got} came"));
                return Ok(rows);
            }
            let more = self.list(&page(asked, got)).await?.unwrap_or_default();
            let known: BTreeSet<String> = rows.iter().map(|row| row["id"].to_string()).collect();
            if more.iter().any(|row| !known.contains(&row["id"].to_string())) {
                self.found(
                    "rows in a page",
                    format!("{asked} asked for, {got} came, and there are more: a cap"),
                );
                self.report.line("cryptocrm", "page_size", got.to_string());
            } else {
                self.found(
                    "rows in a page",
                    format!("{asked} asked for, {got} came, and that is all there is"),
                );
            }
            return Ok(rows);
        }
        let refused = first.shape();
        for count in SMALLER.into_iter().filter(|count| *count < asked) {
            if let Some(rows) = self.list(&page(count, 0)).await? {
                self.found("the token and the secret", "good");
                self.found("rows in a page", format!("{asked} are refused ({refused}), {count} are not"));
                self.report.line("cryptocrm", "page_size", calibrate::page_within(count).to_string());
                return Ok(rows);
            }
        }
        Err(format!(
            "no list of projects to be had ({refused}): check `cryptocrm.base_url`, `base_path`, `token` and `secret`"
        ))
    }

    fn project_shape(&mut self, projects: &[Value]) {
        self.hits("project", projects);
        let lens = Lens::of(self.config, "project");
        self.currencies.extend(projects.iter().filter_map(|row| lens.number(row, "currency_id")));
        let place = |row: &Value| match (row.get("buildin_data").is_some(), row.get("data").is_some()) {
            (true, _) => "buildin_split",
            (false, true) => "data",
            (false, false) => "root",
        };
        let places: BTreeSet<&str> = projects.iter().map(place).collect();
        let places: Vec<&str> = places.into_iter().collect();
        self.found("where dynamic fields are", places.join(", "));
        if let [place] = places[..] {
            self.report.line("cryptocrm.semantics", "dynamic_at", format!("{place:?}"));
        }
    }

    /// How many rows say something in each field. Where none does, it may have another name.
    fn hits(&mut self, kind: &str, rows: &[Value]) {
        let hits = Lens::of(self.config, kind).hits(rows);
        let told = hits.iter().map(|(name, hits)| format!("{name} {hits}")).collect::<Vec<_>>().join(", ");
        let told =
            if rows.is_empty() { "no rows".to_owned() } else { format!("{} rows: {told}", rows.len()) };
        self.found(&format!("fields of a {kind}"), told);
        let missing: Vec<&str> = hits.iter().filter(|(_, hits)| *hits == 0).map(|(name, _)| *name).collect();
        let built_in = |row: &Value| row.get("buildin_data").cloned();
        let names: BTreeSet<String> = rows
            .iter()
            .flat_map(|row| [Some(row.clone()), built_in(row)].into_iter().flatten())
            .filter_map(|row| row.as_object().cloned())
            .flat_map(|row| row.into_iter().map(|(name, _)| name))
            .collect();
        if !missing.is_empty() && !rows.is_empty() {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            self.report.hint(format!(
                "[cryptocrm.fields.{kind}] nothing was found for {}; a rule such as NAME = {{ from = [\"…\"], type = \"…\" }} says where it is. Seen: {names}",
                missing.join(", ")
            ));
        }
    }

    async fn one(&mut self, projects: &[Value]) -> Result<(), String> {
        let Some(id) = projects.iter().find_map(id_of) else { return Ok(()) };
        let seen = self.get(&format!("/projects/info?id={id}")).await?;
        let same = calibrate::object(&seen.json).flatten().and_then(|row| id_of(&row)) == Some(id);
        self.found("projects/info", if same { "the project".to_owned() } else { seen.shape() });
        if seen.is_good() {
            self.objects.push(seen.json);
        }
        let seen = self.get(&format!("/projects/info?id={NOBODY}")).await?;
        self.found("a project that is not there", seen.shape());
        if seen.is_good() {
            self.objects.push(seen.json);
        }
        Ok(())
    }

    async fn edges(&mut self, projects: &[Value]) -> Result<(), String> {
        let end =
            self.list(&format!("/projects?count=2&offset={NOBODY}&order_by=id&reverse=0&deleted=0")).await?;
        let said = match &end {
            None => "refused",
            Some(rows) if rows.is_empty() => "empty",
            Some(_) if projects.is_empty() => "rows",
            Some(_) => "rows: the CRM ignores `offset`, and lists end after their first page",
        };
        self.found("an offset far past the end", said);
        let mut sorts = Vec::new();
        for name in ["created", "updated", "nonsense"] {
            let seen =
                self.get(&format!("/projects?count=1&offset=0&order_by={name}&reverse=0&deleted=0")).await?;
            sorts.push(format!("{name} {}", seen.status.as_u16()));
        }
        self.found("order_by", sorts.join(", "));
        let target = "/projects?count=1&offset=0&order_by=id&reverse=0&deleted=0";
        let token: Vec<_> =
            self.caller.credentials.iter().filter(|(name, _)| *name == TOKEN).cloned().collect();
        let seen = self.caller.call_as(&token, Method::GET, target, None).await?;
        self.found("no secret", seen.shape());
        let mut wrong = token;
        wrong.push((SECRET, HeaderValue::from_static("0000")));
        let seen = self.caller.call_as(&wrong, Method::GET, target, None).await?;
        self.found("a wrong secret", seen.shape());
        Ok(())
    }

    /// Each built-in filter against what is known of the first page.
    async fn filters(&mut self, projects: &[Value]) -> Result<(), String> {
        let lens = Lens::of(self.config, "project");
        let mut said = Vec::new();
        for (key, field) in
            [("sales_funnel_id", "sales_funnel_id"), ("step_id", "step_id"), ("user_id", "user_id")]
        {
            let Some(wanted) = projects.iter().find_map(|row| lens.number(row, field)) else { continue };
            let body = json!({"count": 50, "offset": 0, "order_by": "id", "reverse": "0", "deleted": "0",
                "buildin_data": {key: [wanted]}});
            let seen = self.caller.call(Method::POST, "/projects/filter", Some(&body)).await?;
            let rows = calibrate::rows(&seen.json).filter(|_| seen.is_good());
            let told = match &rows {
                None => format!("refused ({})", seen.status.as_u16()),
                Some(rows) if rows.is_empty() => "finds nothing".to_owned(),
                Some(rows) if rows.iter().all(|row| lens.number(row, field) == Some(wanted)) => {
                    "works".to_owned()
                }
                Some(_) => "ignored".to_owned(),
            };
            said.push(format!("{key} {told}"));
            if rows.is_some() {
                self.lists.push(seen.json);
            }
        }
        self.found("filters", said.join(", "));
        Ok(())
    }

    async fn parts(&mut self, projects: &[Value]) -> Result<(), String> {
        let mut seen: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut dated = false;
        for id in projects.iter().filter_map(id_of).take(PROJECTS) {
            if !dated
                && let Some(rows) =
                    self.list(&format!("/projects/actions?id={id}&count={ROWS}&offset=0")).await?
            {
                dated = self.filter_date(id, &rows).await?;
                seen.entry("action").or_default().extend(rows);
            }
            for (kind, target) in [
                ("step", format!("/projects/steps?id={id}")),
                ("checklist", format!("/projects/checklists?id={id}")),
                ("good", format!("/projects/goods?id={id}")),
                ("payment", format!("/projects/payments?id={id}&count={ROWS}&offset=0")),
            ] {
                // What was seen once needs no second look.
                if seen.get(kind).is_none_or(Vec::is_empty) {
                    let rows = self.list(&target).await?.unwrap_or_default();
                    seen.entry(kind).or_default().extend(rows);
                }
            }
            if dated && seen.values().all(|rows| !rows.is_empty()) {
                break;
            }
        }
        if !dated {
            self.found("filter_date", "no project has actions of different days; it stays unused");
        }
        let payments = Lens::of(self.config, "payment");
        for kind in ["step", "action", "checklist", "good", "payment"] {
            let rows = seen.remove(kind).unwrap_or_default();
            self.hits(kind, &rows);
            if kind == "payment" {
                self.currencies.extend(rows.iter().filter_map(|row| payments.number(row, "currency_id")));
                let types: BTreeSet<String> = rows
                    .iter()
                    .filter_map(|row| payments.raw(row, "type"))
                    .map(|value| value.to_string())
                    .collect();
                self.found("types of payments", types.into_iter().collect::<Vec<_>>().join(", "));
            }
        }
        Ok(())
    }

    /// What `filter_date` means, by the actions of a project that has some on different days; whether that was settled.
    async fn filter_date(&mut self, project: u64, all: &[Value]) -> Result<bool, String> {
        let lens = Lens::of(self.config, "action");
        let days =
            |rows: &[Value]| rows.iter().filter_map(|row| lens.day(row, "date")).collect::<BTreeSet<Date>>();
        let known: Vec<Date> = days(all).into_iter().collect();
        // With a day before it and one after it, the three readings differ.
        let [_, .., last] = known[..] else { return Ok(false) };
        let middle = known[known.len() / 2];
        if middle == last || all.len() >= ROWS {
            return Ok(false);
        }
        let target = format!("/projects/actions?id={project}&count={ROWS}&offset=0&filter_date={middle}");
        let found = self.list(&target).await?.map(|rows| days(&rows).into_iter().collect::<Vec<_>>());
        // Where the CRM gives fewer rows than were asked for, neither list is whole: what counts is which days come at all.
        let (word, said) = match found {
            Some(found) if found == [middle] => ("on", "rows of that day"),
            Some(found) if found.first() == Some(&middle) => ("since", "rows of that day and later"),
            Some(found)
                if found.iter().any(|day| *day < middle) && found.iter().any(|day| *day >= middle) =>
            {
                ("unknown", "nothing: it is ignored")
            }
            _ => ("unknown", "something else; it stays unused"),
        };
        self.found("filter_date selects", said);
        self.report.line("cryptocrm.semantics", "filter_date", format!("{word:?}"));
        Ok(true)
    }

    /// Where lists and records are in all answers seen. What is not the same everywhere stays recognised case by case.
    fn envelopes(&mut self) {
        let place = self.lists.iter().find_map(calibrate::place_of_list);
        let place =
            place.filter(|place| self.lists.iter().all(|answer| calibrate::list_is_at(answer, place)));
        self.found("where lists are", place.clone().unwrap_or_else(|| "recognised case by case".to_owned()));
        if let Some(place) = place {
            self.report.line("cryptocrm.envelope", "list", format!("{place:?}"));
        }
        let place = self.objects.iter().find_map(calibrate::place_of_object);
        let place =
            place.filter(|place| self.objects.iter().all(|answer| calibrate::object_is_at(answer, place)));
        self.found(
            "where one record is",
            place.clone().unwrap_or_else(|| "recognised case by case".to_owned()),
        );
        if let Some(place) = place {
            self.report.line("cryptocrm.envelope", "object", format!("{place:?}"));
        }
        let total =
            ["/total", "/total_count", "/response/total", "/meta/total"].into_iter().find(|pointer| {
                self.lists.iter().all(|answer| {
                    let rows = calibrate::rows(answer).map_or(0, |rows| rows.len() as u64);
                    let total = answer
                        .pointer(pointer)
                        .and_then(|total| total.as_u64().or_else(|| total.as_str()?.parse().ok()));
                    total.is_some_and(|total| total >= rows)
                })
            });
        self.found("a total", total.unwrap_or("none"));
        if let Some(total) = total.filter(|_| !self.lists.is_empty()) {
            self.report.line("cryptocrm.envelope", "total", format!("{total:?}"));
        }
    }
}

fn id_of(row: &Value) -> Option<u64> {
    row["id"].as_u64().or_else(|| row["id"].as_str()?.parse().ok())
}
