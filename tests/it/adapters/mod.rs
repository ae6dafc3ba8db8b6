//! What the adapters make of the CRMs: the same records whatever habits an account has, the recorded answers as they
//! were meant, and a session that is renewed without anybody noticing.

mod alfa_habits;
mod crypto_habits;
mod fixtures;
mod lossless;
mod sign_in;
