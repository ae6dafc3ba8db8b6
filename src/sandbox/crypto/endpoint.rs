//! The nine endpoints of the document, and how a path becomes one of them.

use http::Method;

/// One of the nine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    List,
    Filter,
    Info,
    Steps,
    Actions,
    ActionInfo,
    Checklists,
    Goods,
    Payments,
}

impl Endpoint {
    /// All of them, in the order of section 4.
    pub(super) const ALL: [Self; 9] = [
        Self::List,
        Self::Filter,
        Self::Info,
        Self::Steps,
        Self::Actions,
        Self::ActionInfo,
        Self::Checklists,
        Self::Goods,
        Self::Payments,
    ];

    /// Its path below the base path, which is also the name of its operation in ledger and faults.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::List => "projects",
            Self::Filter => "projects/filter",
            Self::Info => "projects/info",
            Self::Steps => "projects/steps",
            Self::Actions => "projects/actions",
            Self::ActionInfo => "projects/actions/info",
            Self::Checklists => "projects/checklists",
            Self::Goods => "projects/goods",
            Self::Payments => "projects/payments",
        }
    }

    /// The only method it takes.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Filter => Method::POST,
            _ => Method::GET,
        }
    }

    /// The query parameters the document gives it.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::List => &["count", "offset", "order_by", "reverse", "deleted"],
            Self::Filter => &[],
            Self::Info | Self::ActionInfo | Self::Checklists | Self::Goods => &["id"],
            Self::Steps => &["id", "filter_date", "filter_steps"],
            Self::Actions => &["id", "count", "offset", "filter_id", "filter_date", "filter_actions"],
            Self::Payments => &["id", "count", "offset", "filter_id", "filter_date", "filter_type"],
        }
    }

    /// The endpoint at `path`. A slash at its end is tolerated only by a lenient CRM.
    pub(super) fn at(prefix: &str, path: &str, strict: bool) -> Option<Self> {
        let below = path.strip_prefix(prefix)?.strip_prefix('/')?;
        let below = if strict { below } else { below.strip_suffix('/').unwrap_or(below) };
        Self::ALL.into_iter().find(|endpoint| endpoint.operation() == below)
    }
}
