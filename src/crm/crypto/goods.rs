//! Goods of projects (sections 5.8 and 6.5 of the reference).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::client::{Client, Read};
use super::error::CRM;
use super::mapping::{Fields, Laid, Mapping};
use super::part::{Part, asked_project};
use crate::crm::wire::Row;
use crate::crm::{Asked, Branches, Error, Extent, Find, Lane, Position, Question, Source, Via};
use crate::model::project_good::{ProjectGood, ProjectGoodFilter};
use crate::model::{Money, Record, RecordId, Source as CrmName};

pub(super) const FIELDS: Fields = &[
    ("id", &["id"]),
    ("project_id", &["project_id"]),
    ("good_id", &["good_id", "goods_id", "product_id"]),
    ("name", &["name", "title"]),
    ("count", &["count", "quantity", "qty"]),
    ("price", &["price"]),
    ("discount", &["discount"]),
    ("currency_id", &["currency_id"]),
    ("sum", &["sum", "total"]),
];

/// Ids of lines that the CRM gives none start here: far above any it counts itself.
const MADE_UP: u64 = 1_000_000_000_000_000_000;
/// Lines of one good that can be told apart by their place.
const PLACES: u64 = 1_000;

/// Goods of one tenant's projects.
pub(super) struct Goods {
    client: Arc<Client>,
    mapping: Mapping,
}

impl Goods {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let mapping = Mapping::new(FIELDS, client.config.fields.get("good"), None);
        Self { client, mapping }
    }
}

impl Source<ProjectGood> for Goods {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn lanes(&self, filter: &ProjectGoodFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        Ok(Part::GOODS.lanes(filter.project.as_ref()))
    }

    fn question(&self, _: &ProjectGoodFilter, lane: &Lane, at: Position) -> Question {
        self.client.part(Part::GOODS, lane, at, &[], true)
    }

    fn by_id(&self, _: &RecordId, _: &ProjectGoodFilter, _: &Branches) -> Find {
        Find::Walk
    }

    fn finds<'a>(&'a self, question: &'a Question) -> Box<dyn Fn(&Record<ProjectGood>) -> bool + 'a> {
        let project = asked_project(question);
        Box::new(move |record| project.is_none() || record.id.parent() == project)
    }

    fn extent(&self, question: &Question, records: u64) -> Extent {
        self.client.extent(question, records)
    }

    fn answer<'a>(
        &'a self,
        via: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<ProjectGood>, Error>> {
        async move {
            let project = asked_project(question);
            let nameless = RefCell::new(HashMap::new());
            let translate = move |row: &Row<'_>, _: &Laid| good(&self.client, row, project, &nameless);
            self.client.page(via, question, &self.mapping, translate).await
        }
        .boxed()
    }
}

/// `nameless` counts the lines without an id, by their good.
fn good(
    client: &Client,
    row: &Row<'_>,
    project: Option<u64>,
    nameless: &RefCell<HashMap<u64, u64>>,
) -> Option<Read<ProjectGood>> {
    let project = row.number("project_id").or(project)?;
    let good_id = row.id("good_id");
    let number = match row.number("id") {
        Some(number) => number,
        None => {
            let good = good_id.as_ref()?.number();
            let mut counts = nameless.borrow_mut();
            let place = counts.entry(good).or_insert(0);
            *place += 1;
            made_up(good, *place)?
        }
    };
    let currency = client.currency(row);
    let money = |field| row.decimal(field).map(|amount| Money::new(amount, currency.clone()));
    let data = ProjectGood {
        project_id: RecordId::new(CRM, project),
        good_id,
        name: row.text("name"),
        quantity: row.decimal("count"),
        price: money("price"),
        discount: row.decimal("discount"),
        sum: money("sum"),
    };
    Some(Read { id: RecordId::under(CRM, project, number), data })
}

/// The number of a line without an id: its good, and its place among the project's lines of that good, first is 1. So it
/// stays the same while lines of other goods come and go.
fn made_up(good: u64, place: u64) -> Option<u64> {
    if place >= PLACES {
        return None;
    }
    good.checked_mul(PLACES)?.checked_add(place)?.checked_add(MADE_UP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_id_of_a_nameless_line_shows_its_good_and_its_place() {
        assert_eq!(made_up(10, 2), Some(1_000_000_000_000_010_002));
        assert_eq!(made_up(10, PLACES), None);
        assert_eq!(made_up(u64::MAX, 1), None);
    }

    proptest! {
        #[test]
        fn two_nameless_lines_never_share_an_id(a in (any::<u64>(), 1..PLACES), b in (any::<u64>(), 1..PLACES)) {
            let (one, other) = (made_up(a.0, a.1), made_up(b.0, b.1));
            prop_assert!(a == b || one.is_none() || one != other);
            if let Some(number) = one {
                let id = RecordId::under(CRM, 101, number);
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }
}
