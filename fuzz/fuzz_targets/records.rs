#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| winddown::fuzzing::records(bytes));
