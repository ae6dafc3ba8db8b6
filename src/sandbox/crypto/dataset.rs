//! What the simulator is filled with: the small data set of the reference's fixtures, or a generated one.

use jiff::civil::{DateTime, date};
use serde_json::Value;

use super::access::{Access, Credentials};
use super::generator::{Generator, dictionary};
use super::store::Store;
use super::table::Table;

const FIXTURE: &str = include_str!("dataset.json");

/// How to generate a data set. Equal options give equal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Picks one of many data sets.
    pub seed: u64,
    /// How many projects, with deleted ones.
    pub projects: usize,
    /// How many students the other CRM has; about a third of the projects name one of its customers
    /// (`101..101 + students`) in the dynamic field `alfa_customer_id`. None do for 0.
    pub students: usize,
    /// The moment the data leads up to, in the CRM's local time.
    pub now: DateTime,
    /// Where it answers and to whom.
    pub access: Access,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            projects: 200,
            students: 60,
            now: date(2026, 5, 18).at(12, 0, 0, 0),
            access: Access::default(),
        }
    }
}

/// Records and the names behind their ids.
#[derive(Debug)]
pub struct Dataset {
    pub(super) store: Store,
    pub(super) dictionaries: Value,
}

impl Dataset {
    /// Exactly the six projects of the reference's `dataset.json`. They are meant for [`Dataset::fixture_clock`].
    pub fn fixture() -> Self {
        let mut whole = fixture();
        let mut store = Store::empty();
        for table in [Table::Projects].into_iter().chain(Table::OF_A_PROJECT) {
            let rows = whole[table.name()].as_array_mut().map(std::mem::take);
            for row in rows.unwrap_or_default() {
                store.insert(table, row).expect("the embedded data set is whole");
            }
        }
        Self { store, dictionaries: whole["dictionaries"].take() }
    }

    /// The moment the fixtures were made for.
    pub fn fixture_clock() -> DateTime {
        let whole = fixture();
        let clock = whole["clock"].as_str().expect("the embedded data set has a clock");
        clock.parse().expect("the embedded clock is a date-time")
    }

    /// The invented credentials of the fixtures.
    pub fn fixture_credentials() -> Credentials {
        let whole = fixture();
        let text = |name: &str| {
            let value = whole["auth"][name].as_str();
            value.expect("the embedded data set has credentials").to_owned()
        };
        Credentials { token: text("token"), secret: text("secret") }
    }

    /// A data set of any size.
    pub fn generate(options: &Options) -> Self {
        Self { store: Store::generated(Generator::new(options)), dictionaries: dictionary::all() }
    }
}

fn fixture() -> Value {
    serde_json::from_str(FIXTURE).expect("the embedded data set is JSON")
}
