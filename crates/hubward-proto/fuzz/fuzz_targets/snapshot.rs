//! Fuzzes `properties::snapshot`.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target needs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::snapshot(data));
