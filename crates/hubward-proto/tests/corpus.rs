//! Replays the committed fuzz corpora, so that what once was found stays found.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(unreachable_pub, reason = "the fuzz targets are crates that use them")]

#[path = "../fuzz/properties.rs"]
mod properties;

use std::{fs, path::Path};

#[track_caller]
fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() > 5);
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        property(&bytes);
        // Halves of what is interesting are interesting too.
        property(&bytes[..bytes.len() / 2]);
        property(&bytes[bytes.len() / 2..]);
    }
}

#[test]
fn json_corpus() {
    replay("json", properties::json);
}

#[test]
fn messagepack_corpus() {
    replay("messagepack", properties::messagepack);
}

#[test]
fn handshake_corpus() {
    replay("handshake", properties::handshake);
}

#[test]
fn session_corpus() {
    replay("session", properties::session);
}
