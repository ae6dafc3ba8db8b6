//! The front as a caller meets it, without records.
