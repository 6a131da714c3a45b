#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| epitaph_fuzz::search(data));
