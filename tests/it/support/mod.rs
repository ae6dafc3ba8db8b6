//! The gateway as tests meet it: the real application in front of both simulators. [`app`] builds it and asks it
//! questions, [`transport`] carries its calls to the simulators without sockets, so that a paused clock gives virtual
//! time.
#![allow(dead_code, unused_imports, reason = "every test module uses its own part")]

pub(crate) mod app;
pub(crate) mod provider;
pub(crate) mod transport;

pub(crate) use app::{Answer, Asker, Setup, TestApp};
