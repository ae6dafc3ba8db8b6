//! Everything from outside.
mod architecture;
