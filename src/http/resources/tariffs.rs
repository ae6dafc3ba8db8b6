//! Tariffs.

use crate::http::resource::Resource;
use crate::model::tariff::Tariff;

pub(super) struct Tariffs;

impl Resource for Tariffs {
    type Record = Tariff;
    const PATH: &'static str = "/tariffs";
    const NAMES: (&'static str, &'static str) = ("tariff", "tariffs");
    const ABOUT: &'static str = "Tariffs: what subscriptions cost and hold. One that was archived may be missing though subscriptions name it.";
}
