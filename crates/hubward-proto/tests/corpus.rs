//! Replays the committed fuzz corpora, so that what a fuzzer has found once is checked in every test run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(unreachable_pub, reason = "the fuzz targets are crates of their own, which use the properties")]
#![allow(clippy::disallowed_methods, reason = "a session takes any moment as its time, and waits for none")]

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
        // Halves of an interesting input are interesting too.
        property(&bytes[..bytes.len() / 2]);
        property(&bytes[bytes.len() / 2..]);
    }
}

#[test]
fn the_json_corpus_holds() {
    replay("json", properties::json);
}

#[test]
fn the_messagepack_corpus_holds() {
    replay("messagepack", properties::messagepack);
}

#[test]
fn the_handshake_corpus_holds() {
    replay("handshake", properties::handshake);
}

#[test]
fn the_session_corpus_holds() {
    replay("session", properties::session);
}

#[test]
fn the_snapshot_corpus_holds() {
    replay("snapshot", properties::snapshot);
}
