#![no_main]
//! AlfaCRM's wire parser: whatever it answers is read or classified.

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(input) = fuzzing::wire::Input::read(data) {
        fuzzing::wire::alfa(&input);
    }
});
