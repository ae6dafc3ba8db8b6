//! Invented projects of a school, as many as wanted: camps and trips, courses for companies, classrooms fitted out.
//!
//! Everything about a project follows from the seed and its number alone, so its rows can be made when somebody looks
//! and are the same every time. Equal options give equal data on every machine; the dice are our own because those of
//! libraries change between versions.

mod dice;
pub mod dictionary;
mod plan;
mod rows;
mod wording;

pub(super) use rows::Generator;
