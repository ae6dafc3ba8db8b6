//! What the CRM does to those who call it.

use std::time::Duration;

use crm_gateway::sandbox::alfa::Crm;
use crm_gateway::sandbox::fault::Fault;

/// The weather of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// How long the gateway waits for an answer. What is silent is silent for longer.
    pub(crate) patience: Duration,
    /// How long new rows stay out of lists.
    pub(crate) lag: Duration,
}

impl Weather {
    /// From here on three payments in ten go wrong on their way, and now and then something else does. What is carried
    /// out late is there before the caller may believe that it is not: by then he has waited for `patience` and longer
    /// than `lag`.
    pub(crate) fn storm(&self, crm: &Crm) {
        let after_all_patience = self.patience + self.patience / 4;
        let payments = [
            (0.10, Fault::DropBefore),
            (0.10, Fault::DropAfter),
            (0.03, Fault::StatusAfter { code: 500 }),
            (0.02, Fault::StatusAfter { code: 502 }),
            (0.02, Fault::Hang),
            (0.02, Fault::HangAfter),
            (0.01, Fault::Late(after_all_patience)),
            // Slow, but answered in time; whoever dies meanwhile has paid all the same.
            (0.05, Fault::Late(self.patience / 8)),
        ];
        let others = [(0.02, Fault::DropAfter), (0.02, broken()), (0.01, Fault::Hang)];
        let sign_in = [(0.05, broken())];
        crm.switches(|switches| switches.index_lag = self.lag);
        crm.faults().clear();
        crm.faults().at_random(Some("pay/create"), self.seed, &payments);
        crm.faults().at_random(Some("auth/login"), self.seed + 1, &sign_in);
        crm.faults().at_random(None, self.seed + 2, &others);
    }

    /// The CRM hangs up on everybody.
    pub(crate) fn outage(&self, crm: &Crm) {
        crm.faults().clear();
        crm.faults().next(None, usize::MAX, Fault::DropBefore);
    }

    /// The CRM is back, for good. Its index still lags.
    pub(crate) fn calm(&self, crm: &Crm) {
        crm.faults().clear();
    }
}

fn broken() -> Fault {
    let body = "<html><body>Bad gateway</body></html>".to_owned();
    Fault::Status { code: 502, body, content_type: "text/html", retry_after: None }
}
