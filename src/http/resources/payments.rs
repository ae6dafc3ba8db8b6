//! Payments.

use crate::http::resource::Resource;
use crate::hub::{Hub, Shelf};
use crate::model::payment::Payment;

pub(super) struct Payments;

impl Resource for Payments {
    type Record = Payment;
    const PATH: &'static str = "/payments";
    const NAMES: (&'static str, &'static str) = ("payment", "payments");
    const ABOUT: &'static str =
        "Payments of both CRMs: AlfaCRM's journal and the payments of Crypto CRM projects, newest day first.";

    fn shelf(hub: &Hub) -> &Shelf<Payment> {
        &hub.payments
    }
}
