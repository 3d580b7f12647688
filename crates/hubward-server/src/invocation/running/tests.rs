//! Tests of what is known of running calls: streams and uploads.

use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;

use super::*;

/// What a sink was given, and whether it has room.
#[derive(Default)]
struct Sink {
    has_room: bool,
    /// What `push` returns.
    ends: bool,
    given: Vec<String>,
    dropped: bool,
}

/// The engine's end of a fake upload.
struct FakeUpload(Arc<Mutex<Sink>>);

impl UploadSink for FakeUpload {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.0.lock().has_room { Poll::Ready(()) } else { Poll::Pending }
    }

    fn push(&mut self, item: RawValue<'_>) -> bool {
        let mut sink = self.0.lock();
        sink.given.push(String::from_utf8(item.bytes().to_vec()).unwrap());
        !sink.ends
    }

    fn fail(&mut self) {
        self.0.lock().given.push("failed".to_owned());
    }

    fn complete(&mut self, error: Option<&str>) {
        self.0.lock().given.push(format!("{error:?}"));
    }
}

impl Drop for FakeUpload {
    fn drop(&mut self) {
        self.0.lock().dropped = true;
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn item(json: &'static str) -> RawValue<'static> {
    RawValue::new(Protocol::Json, json.as_bytes())
}

/// Calls with an upload `s`.
fn uploading(has_room: bool) -> (RunningCalls, Arc<Mutex<Sink>>) {
    let sink = Arc::new(Mutex::new(Sink { has_room, ..Sink::default() }));
    let mut calls = RunningCalls::default();
    calls.add_upload("s".to_owned(), Box::new(FakeUpload(sink.clone())));
    (calls, sink)
}

#[test]
fn each_call_has_a_number_of_its_own() {
    let mut calls = RunningCalls::default();
    assert_ne!(calls.next(), calls.next());
}

#[test]
fn a_call_is_running_until_it_has_finished_and_then_costs_nothing() {
    let mut calls = RunningCalls::default();
    calls.add_running("1", CancellationToken::new());
    calls.add_running("2", CancellationToken::new());
    assert!(calls.is_running("1") && !calls.is_uploading("1"));
    calls.finished("1");
    assert!(!calls.is_running("1"));
    assert_eq!(calls.open_streams(), 1);
    calls.finished("2");
    calls.finished("never heard of");
    assert_eq!(calls.open_streams(), 0);
    assert!(calls.streams.is_none());
}

#[test]
fn a_call_that_finishes_leaves_uploads_open_and_an_upload_that_ends_leaves_calls_running() {
    let (mut calls, _sink) = uploading(true);
    calls.add_running("1", CancellationToken::new());
    calls.finished("1");
    assert!(calls.is_uploading("s"));
    calls.add_running("2", CancellationToken::new());
    calls.complete_upload(&mut cx(), "s", None);
    assert!(calls.is_running("2"));
}

#[test]
fn a_cancelled_call_runs_until_it_has_finished_and_cancels_no_other() {
    let (one, two) = (CancellationToken::new(), CancellationToken::new());
    let mut calls = RunningCalls::default();
    calls.add_running("1", one.clone());
    calls.add_running("2", two.clone());
    calls.cancel("1");
    calls.cancel("never heard of");
    assert!(one.is_cancelled() && !two.is_cancelled());
    assert!(calls.is_running("1"));
}

#[test]
fn the_end_of_the_connection_cancels_calls_and_gives_uploads_up() {
    let (mut calls, sink) = uploading(true);
    let token = CancellationToken::new();
    calls.add_running("1", token.clone());
    assert_eq!(calls.open_streams(), 2);
    calls.cancel_all();
    assert!(token.is_cancelled() && sink.lock().dropped);
    assert_eq!(sink.lock().given, [""; 0]);
    assert!(calls.streams.is_none());
}

#[test]
fn an_upload_gets_its_items_and_its_end_and_then_costs_nothing() {
    let (mut calls, sink) = uploading(true);
    assert!(calls.is_uploading("s") && !calls.is_running("s"));
    calls.upload_item(&mut cx(), "s", item("1")).unwrap();
    calls.upload_item(&mut cx(), "another", item("2")).unwrap();
    assert!(!calls.holds_item());
    assert!(!calls.complete_upload(&mut cx(), "another", None));
    assert!(calls.complete_upload(&mut cx(), "s", None));
    assert!(!calls.complete_upload(&mut cx(), "s", None));
    assert_eq!(sink.lock().given, ["1", "None"]);
    assert!(sink.lock().dropped && calls.streams.is_none());
}

#[test]
fn an_item_without_room_is_held_until_there_is_some() {
    let (mut calls, sink) = uploading(false);
    calls.upload_item(&mut cx(), "s", item("1")).unwrap();
    assert!(calls.holds_item());
    assert!(calls.poll_held(&mut cx()).is_pending());
    assert!(calls.holds_item());
    sink.lock().has_room = true;
    assert!(matches!(calls.poll_held(&mut cx()), Poll::Ready(Ok(()))));
    assert!(!calls.holds_item() && calls.is_uploading("s"));
    assert_eq!(sink.lock().given, ["1"]);
}

#[test]
fn the_clients_error_waits_for_room_but_a_clean_end_needs_none() {
    let (mut calls, sink) = uploading(false);
    assert!(calls.complete_upload(&mut cx(), "s", Some("the pump failed")));
    assert!(calls.holds_item());
    assert_eq!(sink.lock().given, [""; 0]);
    sink.lock().has_room = true;
    assert!(matches!(calls.poll_held(&mut cx()), Poll::Ready(Ok(()))));
    assert_eq!(sink.lock().given, [r#"Some("the pump failed")"#]);
    assert!(calls.streams.is_none());

    let (mut calls, sink) = uploading(false);
    assert!(calls.complete_upload(&mut cx(), "s", None));
    assert_eq!(sink.lock().given, ["None"]);
    assert!(calls.streams.is_none());
}

#[test]
fn an_upload_that_its_method_gave_up_is_over() {
    let (mut calls, sink) = uploading(true);
    sink.lock().ends = true;
    calls.upload_item(&mut cx(), "s", item("1")).unwrap();
    calls.upload_item(&mut cx(), "s", item("2")).unwrap();
    assert_eq!(sink.lock().given, ["1"]);
    assert!(calls.streams.is_none());

    let (mut calls, sink) = uploading(false);
    calls.upload_item(&mut cx(), "s", item("1")).unwrap();
    (sink.lock().ends, sink.lock().has_room) = (true, true);
    assert!(matches!(calls.poll_held(&mut cx()), Poll::Ready(Ok(()))));
    assert!(calls.streams.is_none());
}

#[test]
fn running_calls_are_small_while_there_are_none() {
    assert!(size_of::<RunningCalls>() <= 48, "{} bytes", size_of::<RunningCalls>());
}
