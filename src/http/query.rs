//! The query parameters of reads: those every list has, then the filter's own. All that is wrong is told at once.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{KnownFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat};

use super::codes::Code;
use super::problem::Problem;
use super::view::{self, View};
use crate::hub::PageRequest;
use crate::model::expand::Expand;
use crate::model::query::{Param, Text, shown};
use crate::model::{Entity, Query, RecordId, Source};

/// Records on a page when nothing is said.
const DEFAULT_LIMIT: usize = 50;
/// Records on a page at most.
const MAX_LIMIT: usize = 200;

/// What a list was asked for.
#[derive(Debug)]
pub(super) struct ListQuery<F> {
    pub(super) page: PageRequest,
    pub(super) branches: Vec<RecordId>,
    pub(super) view: View,
    pub(super) filter: F,
}

/// Reads the query of a list. `fields` are the known ones, `mask` the consumer's masks, `filter` reads what is the
/// resource's own.
pub(super) fn read_list<E: Entity>(
    text: &str,
    fields: &[String],
    mask: &[String],
    filter: impl FnOnce(&mut Query) -> E::Filter,
) -> Result<ListQuery<E::Filter>, Problem> {
    let mut query = Query::parse(text);
    let (page, branches) = declare_page(&mut query);
    let wish = declare_view(&mut query, fields, E::EXPANDS);
    let filter = filter(&mut query);
    let hidden = view::hidden::<E>(mask);
    refuse_masked(&query, mask, &hidden)?;
    query.finish().map_err(Problem::bad_query)?;
    let view = View::new(wish.only, wish.raw, hidden, wish.expand)?;
    Ok(ListQuery { page, branches, view, filter })
}

/// Reads a list's question from a body; how its records are shown stays in the query.
pub(super) fn read_search<E: Entity>(
    text: &str,
    body: &Map<String, Value>,
    fields: &[String],
    mask: &[String],
    filter: impl FnOnce(&mut Query) -> E::Filter,
) -> Result<ListQuery<E::Filter>, Problem> {
    let view = read_one::<E>(text, fields, mask)?;
    let mut query = Query::of_body(body);
    let (page, branches) = declare_page(&mut query);
    let filter = filter(&mut query);
    refuse_masked(&query, mask, &view::hidden::<E>(mask))?;
    query.finish().map_err(Problem::bad_body)?;
    Ok(ListQuery { page, branches, view, filter })
}

/// Reads the query of a single record.
pub(super) fn read_one<E: Entity>(text: &str, fields: &[String], mask: &[String]) -> Result<View, Problem> {
    let mut query = Query::parse(text);
    let wish = declare_view(&mut query, fields, E::EXPANDS);
    query.finish().map_err(Problem::bad_query)?;
    View::new(wish.only, wish.raw, view::hidden::<E>(mask), wish.expand)
}

/// The parameters of lists, for the API document.
pub(super) fn list_params<E: Entity>(
    fields: &[String],
    filter: impl FnOnce(&mut Query) -> E::Filter,
) -> Vec<Param> {
    let mut query = Query::default();
    declare_page(&mut query);
    declare_view(&mut query, fields, E::EXPANDS);
    filter(&mut query);
    query.known().to_vec()
}

/// What a list's question holds in a body, for the API document.
pub(super) fn search_params<E: Entity>(filter: impl FnOnce(&mut Query) -> E::Filter) -> Vec<Param> {
    let mut query = Query::default();
    declare_page(&mut query);
    filter(&mut query);
    query.known().to_vec()
}

/// The parameters of single records, for the API document.
pub(super) fn one_params<E: Entity>(fields: &[String]) -> Vec<Param> {
    let mut query = Query::default();
    declare_view(&mut query, fields, E::EXPANDS);
    query.known().to_vec()
}

fn declare_page(query: &mut Query) -> (PageRequest, Vec<RecordId>) {
    let limit = query.one::<Limit<DEFAULT_LIMIT, MAX_LIMIT>>(
        "limit",
        "Records on a page; a larger number is taken as 200.",
    );
    let cursor = query.one::<Cursor>(
        "cursor",
        "Where the page before ended: its `next_cursor`. Filters must stay the same under a cursor.",
    );
    let cursor = cursor.map(|cursor| cursor.0);
    let branches = declare_branches(query);
    let page = PageRequest { limit: limit.map_or(DEFAULT_LIMIT, |limit| limit.0), cursor };
    (page, branches)
}

/// The branches that an answer may come from.
pub(super) fn declare_branches(query: &mut Query) -> Vec<RecordId> {
    let branches: Vec<RecordId> =
        query.many("branch_id", "Only records of these branches; all that the key may see by default.");
    query.shape("^alfa-(0|[1-9][0-9]{0,18})$");
    for id in branches.iter().filter(|id| id.source() != Source::AlfaCrm) {
        query.refuse("branch_id", format!("is `{id}`, which names no branch; branches look like `alfa-1`"));
    }
    branches
}

struct Wish {
    only: Option<Vec<Arc<str>>>,
    raw: bool,
    expand: Vec<&'static Expand>,
}

fn declare_view(query: &mut Query, known: &[String], expands: &'static [Expand]) -> Wish {
    let lists: Vec<String> = query.many(
        "fields",
        "Only these fields, separated by commas; `id` is always there. The others are left out of each record.",
    );
    let mut only = Vec::new();
    for name in lists.iter().flat_map(|list| list.split(',')) {
        if known.iter().any(|field| field == name) {
            only.push(Arc::from(name));
        } else {
            let detail =
                format!("holds `{}`, which is no field; known are `{}`", shown(name), known.join("`, `"));
            query.refuse("fields", detail);
        }
    }
    let parts: Vec<String> = query.many("include", "`raw` adds the CRM's own record, untouched, as `raw`.");
    let mut raw = only.iter().any(|field| &**field == "raw");
    for part in parts.iter().flat_map(|list| list.split(',')) {
        if part == "raw" {
            raw = true;
        } else {
            query.refuse("include", format!("holds `{}`; the only part is `raw`", shown(part)));
        }
    }
    let mut expand: Vec<&'static Expand> = Vec::new();
    if !expands.is_empty() {
        let mut known: Vec<&str> = expands.iter().map(|expand| expand.name).collect();
        known.dedup();
        let names: Vec<String> =
            query.many("expand", "Puts the names of what these references point to beside them.");
        query.words(known.iter().copied());
        for name in names.iter().flat_map(|list| list.split(',')) {
            let wanted: Vec<_> = expands.iter().filter(|expand| expand.name == name).collect();
            if wanted.is_empty() {
                let known = known.join("`, `");
                query.refuse("expand", format!("holds `{}`; known are `{known}`", shown(name)));
            }
            for wanted in wanted {
                if !expand.contains(&wanted) {
                    expand.push(wanted);
                }
            }
        }
    }
    Wish { only: (!lists.is_empty()).then_some(only), raw, expand }
}

/// A hidden field can be neither filtered nor sorted by: the answer would tell what it holds.
fn refuse_masked(query: &Query, mask: &[String], hidden: &[&str]) -> Result<(), Problem> {
    if mask.is_empty() {
        return Ok(());
    }
    let declared = |name: &str| {
        let known = query.known().iter().find(|param| param.name == name);
        known.and_then(|param| param.mask).is_some_and(|by| mask.iter().any(|mask| mask == by))
    };
    for (name, value) in query.given() {
        let plain = name.trim_end_matches("_from").trim_end_matches("_to");
        let telling = declared(name)
            || hidden.contains(&plain)
            || (name.starts_with("field[") && hidden.contains(&"custom_fields"))
            || (name == "sort" && hidden.contains(&value.trim_start_matches('-')));
        if telling {
            let detail =
                format!("This key may not use `{}`: it would tell what a hidden field holds.", shown(name));
            return Err(Problem::new(Code::Forbidden, detail));
        }
    }
    Ok(())
}

/// `cursor`: as long as it takes to say where many sequences were left.
struct Cursor(String);

impl Text for Cursor {
    const LONGEST: usize = 64 * 1024;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$")).into()
    }

    fn example() -> Option<serde_json::Value> {
        None
    }
}

/// `limit`: a larger one is clamped, so that the maximum may change without breaking anybody.
pub(super) struct Limit<const DEFAULT: usize, const MAX: usize>(pub(super) usize);

impl<const DEFAULT: usize, const MAX: usize> Text for Limit<DEFAULT, MAX> {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let positive = text.bytes().any(|b| b != b'0');
        if digits && positive {
            Ok(Self(text.parse().unwrap_or(MAX).min(MAX)))
        } else {
            Err(format!("is `{}`; use a whole number from 1 to {MAX}", shown(text)))
        }
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1_u64))
            .default(Some(json!(DEFAULT)))
            .into()
    }

    fn example() -> Option<serde_json::Value> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::fields_of;
    use super::*;
    use crate::model::Filter;
    use crate::model::project::Project;
    use crate::model::student::Student;

    fn students(
        text: &str,
        mask: &[&str],
    ) -> Result<ListQuery<<Student as Entity>::Filter>, serde_json::Value> {
        let mask: Vec<String> = mask.iter().map(|mask| (*mask).to_owned()).collect();
        read_list::<Student>(text, &fields_of::<Student>(), &mask, Filter::<Student>::read)
            .map_err(|problem| problem.example())
    }

    #[test]
    fn a_cursor_over_many_branches_is_taken_although_it_is_long() {
        let cursor = "x".repeat(20_000);
        let asked = students(&format!("cursor={cursor}"), &[]).unwrap();
        assert_eq!(asked.page.cursor, Some(cursor));
    }

    #[test]
    fn a_limit_is_clamped_above_and_refused_below() {
        for (text, limit) in [
            ("", 50),
            ("limit=1", 1),
            ("limit=200", 200),
            ("limit=201", 200),
            ("limit=99999999999999999999999", 200),
        ] {
            assert_eq!(students(text, &[]).unwrap().page.limit, limit, "{text}");
        }
        for text in
            ["limit=0", "limit=-1", "limit=ten", "limit=", "limit=1.5", "limit=%2B5", "limit=5&limit=6"]
        {
            assert_eq!(students(text, &[]).unwrap_err()["status"], 400, "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let problem =
            students("limit=0&stage=BOTH&colour=red&fields=name,shoe&include=all&branch_id=crypto-1", &[])
                .unwrap_err();
        let pointers: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(
            pointers,
            [
                "/query/limit",
                "/query/branch_id",
                "/query/fields",
                "/query/include",
                "/query/stage",
                "/query/colour"
            ]
        );
        let unknown = problem["errors"][5]["detail"].as_str().unwrap();
        for name in ["`limit`", "`cursor`", "`fields`", "`archived`", "`updated_since`"] {
            assert!(unknown.contains(name), "{unknown}");
        }
        assert!(problem["errors"][2]["detail"].as_str().unwrap().contains("`custom_fields`"));
    }

    #[test]
    fn a_filter_that_would_tell_a_hidden_field_is_forbidden() {
        for (text, mask) in [
            ("contact=x", "contacts"),
            ("balance_from=1", "balances"),
            ("fields=contacts", "contacts"),
            ("include=raw", "notes"),
        ] {
            let problem = students(text, &[mask]).unwrap_err();
            assert_eq!(problem["code"], "forbidden", "{text}");
            assert!(students(text, &[]).is_ok(), "{text}");
        }
        let projects = |text: &str| {
            let mask = ["balances".to_owned(), "notes".to_owned()];
            read_list::<Project>(text, &fields_of::<Project>(), &mask, Filter::<Project>::read)
                .map_err(|p| p.example())
        };
        for text in ["price=5", "sort=-price", "field%5Bclient_id%5D=3"] {
            assert_eq!(projects(text).unwrap_err()["code"], "forbidden", "{text}");
        }
        assert!(projects("sort=-created").is_ok());
    }

    #[test]
    fn single_records_take_no_filters() {
        let problem = read_one::<Student>("stage=LEAD", &fields_of::<Student>(), &[]).unwrap_err().example();
        assert_eq!(problem["errors"][0]["pointer"], "/query/stage");
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_or_refused_in_the_contracts_words(
            names in proptest::collection::vec("limit|cursor|fields|include|branch_id|stage|id|balance_from|\\PC{0,6}", 0..5),
            value in "raw|id,name|alfa-1|\\PC{0,12}",
            masked: bool,
        ) {
            let pairs = names.iter().map(|name| (name.as_str(), value.as_str()));
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let mask: &[&str] = if masked { &["contacts", "balances"] } else { &[] };
            if let Err(problem) = students(&text, mask) {
                let code = problem["code"].as_str().unwrap();
                proptest::prop_assert!(code == "invalid_request" || (masked && code == "forbidden"));
                proptest::prop_assert_eq!(problem["errors"].as_array().unwrap().is_empty(), code == "forbidden");
            }
        }
    }
}
