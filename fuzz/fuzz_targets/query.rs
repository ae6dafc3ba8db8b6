#![no_main]
//! Queries: a text is refused with reasons, or is a filter that makes calls which can be sent.

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        fuzzing::query::check(text);
    }
});
