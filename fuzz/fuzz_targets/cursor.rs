#![no_main]
//! Cursors: a text is refused or means one thing, and no forged one upsets a list.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::cursor::check(data));
