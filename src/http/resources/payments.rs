//! Payments.

use crate::http::resource::Resource;
use crate::hub::{Hub, Shelf};
use crate::model::payment::Payment;

pub(super) struct Payments;

impl Resource for Payments {
    type Record = Payment;
    const PATH: &'static str = "/payments";
    const NAMES: (&'static str, &'static str) = ("payment", "payments");
    const ABOUT: &'static str = "Payments of both CRMs: AlfaCRM's journal, newest day first, and among it the payments of Crypto CRM projects, \
         project by project, newest project first: that CRM has no list of all, so only those of one project are in \
         order of days.";

    fn shelf(hub: &Hub) -> &Shelf<Payment> {
        &hub.payments
    }
}
