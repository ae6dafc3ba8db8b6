//! The kinds of records the CRM keeps, under the names its document uses.

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Projects; everything else belongs to one of them.
    Projects,
    /// Entries of the log of stage changes.
    Steps,
    /// Events.
    Actions,
    /// Checklists with their items inside.
    Checklists,
    /// Lines of goods.
    Goods,
    /// Receipts and write-offs.
    Payments,
    /// Tasks. No endpoint shows them, but `having` can ask for them.
    Tasks,
}

impl Table {
    /// The kinds that belong to a project.
    pub const OF_A_PROJECT: [Self; 6] =
        [Self::Steps, Self::Actions, Self::Checklists, Self::Goods, Self::Payments, Self::Tasks];

    /// The name of the table in a data set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::Steps => "steps",
            Self::Actions => "actions",
            Self::Checklists => "checklists",
            Self::Goods => "goods",
            Self::Payments => "payments",
            Self::Tasks => "tasks",
        }
    }
}
