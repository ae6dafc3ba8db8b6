//! The models, one family per file: their columns and filters as data, and what is special about them as code.

pub(super) mod attendance;
pub(super) mod books;
pub(super) mod customer;
pub(super) mod group;
pub(super) mod lesson;
pub(super) mod office;
pub(super) mod pay;
pub(super) mod regular;
pub(super) mod tariff;
pub(super) mod teacher;
