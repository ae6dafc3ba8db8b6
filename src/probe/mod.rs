//! `probe`: finds out by reading what nobody documents about an account (sections 16 of the reference of AlfaCRM and 13 of
//! that of the Crypto CRM), and says which lines of the configuration follow from it. Nothing is written, and no more than
//! one call a second is made. What is told are shapes, names and counts, never a value of a record.

mod alfa;
mod caller;
mod crypto;
mod report;

pub use report::Report;

use crate::config::Config;
use crate::upstream::wire::Transport;

/// The ways to the CRMs, for those that are configured.
#[derive(Clone)]
pub struct Ways {
    /// To AlfaCRM.
    pub alfacrm: Option<Transport>,
    /// To the Crypto CRM.
    pub cryptocrm: Option<Transport>,
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").finish_non_exhaustive()
    }
}

/// Asks each configured CRM; `progress` is told what is being asked. It takes a minute or two.
pub async fn run(config: &Config, ways: Ways, progress: &(dyn Fn(&str) + Send + Sync)) -> Report {
    let mut report = Report::default();
    if let (Some(alfa), Some(way)) = (&config.alfacrm, ways.alfacrm) {
        alfa::ask(alfa, caller::Caller::new(way, alfa.request_timeout), &mut report, progress).await;
    }
    if let (Some(crypto), Some(way)) = (&config.cryptocrm, ways.cryptocrm) {
        crypto::ask(crypto, caller::Caller::new(way, crypto.request_timeout), &mut report, progress).await;
    }
    report
}
