//! Tests of what a client is sent as the outcome of a call: completions, errors, panics, streams and their
//! cancellation.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, stream};
use hubward_hub::{Hub, HubOptions};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tracing::Level;

use super::*;
use crate::testing::client::TestClient;
use crate::testing::log::CapturedLog;
use crate::testing::{Journal, engine, handle, take_mail, until_ended, until_idle};

type Items = Vec<Result<u32, HubError>>;

const PANIC: &str = "bed 12 is free";

fn secret() -> HubError {
    HubError::hidden(std::io::Error::other("secret"))
}

/// A hub whose methods fail in every way.
fn failing_hub(detailed_errors: bool) -> Hub {
    Hub::new("hub")
        .options(HubOptions { detailed_errors, ..HubOptions::default() })
        .method("Fine", async || 1)
        .method("Shown", async || Err::<(), _>(HubError::shown("The ward is full.")))
        .method("Hidden", async || Err::<(), _>(secret()))
        .method("Later", async || {
            tokio::task::yield_now().await;
            Err::<(), _>(secret())
        })
        .method("Panic", async || -> u32 { panic!("{PANIC}") })
        .method("PanicLater", async || -> u32 {
            tokio::task::yield_now().await;
            panic!("{PANIC}")
        })
        .stream("Refused", async || Err::<stream::Empty<u32>, _>(secret()))
        .stream("PanicFirst", async || -> stream::Empty<u32> { panic!("{PANIC}") })
        .stream("Broken", async || stream::iter(Items::from([Ok(1), Err(secret()), Ok(2)])))
        .stream("Ward", async || stream::iter(Items::from([Err(HubError::shown("The ward is full."))])))
        .stream("PanicMidway", async || {
            stream::iter([1, 2]).map(|n: u32| if n == 2 { panic!("{PANIC}") } else { n })
        })
}

fn error(text: &str) -> Value {
    json!({ "type": 3, "invocationId": "1", "error": text })
}

/// Checks the completion of a failing method, and that the connection goes on; returns the items before it.
async fn check(method: &str, streaming: bool, base: &str, detail: &str) -> Vec<Value> {
    let shown = detail.starts_with("HubException");
    let mut items = Vec::new();
    for detailed in [false, true] {
        let engine = engine(failing_hub(detailed));
        let mut client = TestClient::connect(&engine, "c1").await;
        let arguments = json!([]);
        if streaming {
            client.stream("1", method, arguments).await;
        } else {
            client.invoke("1", method, arguments).await;
        }
        items.clear();
        let completion = loop {
            match client.message().await {
                item if item["type"] == 2 => items.push(item["item"].clone()),
                completion => break completion,
            }
        };
        let expected = if detailed || shown { format!("{base} {detail}") } else { base.to_owned() };
        assert_eq!(completion, error(&expected));
        assert_eq!(client.call("Fine", json!([])).await["result"], 1);
    }
    items
}

#[tokio::test(start_paused = true)]
async fn a_method_that_fails_shows_what_it_wants_to_show_and_details_where_they_are_on() {
    let base = |method: &str| format!("An unexpected error occurred invoking '{method}' on the server.");
    check("shown", false, &base("Shown"), "HubException: The ward is full.").await;
    check("Hidden", false, &base("Hidden"), "Error: secret").await;
    check("Later", false, &base("Later"), "Error: secret").await;
    check("Refused", true, &base("Refused"), "Error: secret").await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_ends_with_the_error_after_the_items_before_it() {
    let base = "An error occurred on the server while streaming results.";
    assert_eq!(check("Broken", true, base, "Error: secret").await, [1]);
    assert_eq!(check("Ward", true, base, "HubException: The ward is full.").await, [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_completed_with_the_generic_error_and_logged_with_its_message() {
    let log = CapturedLog::start();
    let base = |method: &str| format!("An unexpected error occurred invoking '{method}' on the server.");
    let detail = "Panic: the hub method panicked";
    check("Panic", false, &base("Panic"), detail).await;
    check("PanicLater", false, &base("PanicLater"), detail).await;
    check("PanicFirst", true, &base("PanicFirst"), detail).await;
    let streaming = "An error occurred on the server while streaming results.";
    assert_eq!(check("PanicMidway", true, streaming, detail).await, [1]);
    let line = |what: &str, method: &str| {
        format!("{what} panicked. hub=hub method={method:?} connection_id=c1 panic={PANIC:?}")
    };
    let methods = ["Panic", "PanicLater", "PanicFirst"].map(|method| line("A hub method", method));
    let expected = methods.into_iter().chain([line("A stream", "PanicMidway")]);
    assert_eq!(log.lines(Level::ERROR), expected.flat_map(|line| [line.clone(), line]).collect::<Vec<_>>());
}

/// Sets the counter to one more while it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream of as many items, with a counter of those that it has yielded.
fn counted(items: u32, yielded: &Arc<AtomicUsize>) -> impl Stream<Item = (u32, String)> + use<> {
    let yielded = yielded.clone();
    stream::iter(0..items).map(move |n| {
        yielded.fetch_add(1, Ordering::Relaxed);
        (n, "x".repeat(1000))
    })
}

#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_its_client_and_never_makes_it_a_slow_consumer() {
    const ITEMS: u32 = 2000;
    let yielded = Arc::new(AtomicUsize::new(0));
    let count = yielded.clone();
    let options = HubOptions { mailbox_messages: 40, ..HubOptions::default() };
    let many = move || std::future::ready(counted(ITEMS, &count));
    let engine = engine(Hub::new("hub").options(options).stream("Many", many));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.stream("1", "Many", json!([])).await;
    until_idle().await;
    // The socket's 64 KiB, what is on its way to it, and a quarter of the mailbox.
    let ahead = yielded.load(Ordering::Relaxed);
    assert!((60..100).contains(&ahead), "{ahead}");
    for n in 0..ITEMS {
        assert_eq!(client.message().await["item"][0], n);
    }
    assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "1" }));
}

/// A hub with an endless stream, whose open streams are counted.
fn endless_hub(open: &Arc<AtomicUsize>) -> Hub {
    let open = open.clone();
    Hub::new("hub").method("Fine", async || 1).stream("Endless", move || {
        let open = Open::new(&open);
        std::future::ready(stream::pending::<u32>().map(move |n| (n, &open).0))
    })
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_stream_is_dropped_before_it_is_completed_without_an_error() {
    let open = Arc::new(AtomicUsize::new(0));
    let engine = engine(endless_hub(&open));
    let mut client = TestClient::connect(&engine, "c1").await;
    // Its id may be used again as soon as it is completed.
    for _ in 0..2 {
        client.stream("1", "Endless", json!([])).await;
        client.stream("2", "Endless", json!([])).await;
        until_idle().await;
        assert_eq!(open.load(Ordering::Relaxed), 2);
        client.send(&json!({ "type": 5, "invocationId": "1" })).await;
        assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "1" }));
        assert_eq!(open.load(Ordering::Relaxed), 1);
        client.send(&json!({ "type": 5, "invocationId": "2" })).await;
        assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "2" }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_of_nothing_is_ignored() {
    let engine = engine(endless_hub(&Arc::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send(&json!({ "type": 5, "invocationId": "1" })).await;
    assert_eq!(client.call("Fine", json!([])).await["result"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_dropped_when_its_connection_closes() {
    let open = Arc::new(AtomicUsize::new(0));
    let engine = engine(endless_hub(&open));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.stream("1", "Endless", json!([])).await;
    until_idle().await;
    client.cut();
    until_ended(&engine).await;
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_dropped_when_its_client_has_closed_though_a_call_still_waits_for_its_permit() {
    let (open, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let held = gate.clone();
    let hold = move || {
        let gate = held.clone();
        async move { gate.acquire().await.unwrap().forget() }
    };
    let engine = engine(endless_hub(&open).method("Hold", hold));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.stream("1", "Endless", json!([])).await;
    client.invoke("2", "Hold", json!([])).await;
    client.invoke("3", "Hold", json!([])).await;
    client.send_close_frame().await;
    until_idle().await;
    assert_eq!((open.load(Ordering::Relaxed), engine.connection_count()), (0, 1));
    gate.add_permits(2);
    until_ended(&engine).await;
}

#[tokio::test]
async fn a_stream_is_dropped_before_its_completion_can_be_seen() {
    let (engine, handle, journal) = (engine(Hub::new("hub")), handle("c1"), Journal::default());
    let (noted, mailbox) = (journal.clone(), handle.clone());
    let dropped = scopeguard::guard((), move |()| {
        noted.note(format!("dropped after {:?}", take_mail(&mailbox).0));
    });
    let items: FrameStream = Box::pin(stream::empty().map(move |item| (item, &dropped).0));
    let responder = Responder {
        call: 1,
        open: None,
        _stream: None,
        engine,
        handle: handle.clone(),
        method: "Count".into(),
        id: Some("1".to_owned()),
        cancellation: None,
    };
    responder.stream(items).await;
    assert_eq!(journal.take(), ["dropped after []"]);
    assert_eq!(take_mail(&handle).0, [r#"{"type":3,"invocationId":"1"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_room_ends_when_its_connection_closes() {
    let many = async || stream::iter(0..2000).map(|n: u32| (n, "x".repeat(1000)));
    let engine = engine(Hub::new("hub").stream("Many", many));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.stream("1", "Many", json!([])).await;
    until_idle().await;
    client.cut();
    until_ended(&engine).await;
    assert_eq!(Arc::strong_count(&engine), 1);
}

/// A hub with a method that ends when it is cancelled, which is noted.
fn cancellable_hub(journal: &Journal) -> Hub {
    let journal = journal.clone();
    let cancellable = move |cancelled: CancellationToken| {
        let journal = journal.clone();
        async move {
            let slow = pin!(tokio::time::sleep(Duration::from_secs(60)));
            let outcome = cancelled.run_until_cancelled(slow).await.map_or("cancelled", |()| "done");
            journal.note(outcome);
            outcome
        }
    };
    Hub::new("hub").method("Export", cancellable)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_a_token_can_be_cancelled_and_is_completed_with_its_result() {
    let engine = engine(cancellable_hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    for _ in 0..2 {
        client.invoke("1", "Export", json!([])).await;
        until_idle().await;
        client.send(&json!({ "type": 5, "invocationId": "1" })).await;
        let completion = json!({ "type": 3, "invocationId": "1", "result": "cancelled" });
        assert_eq!(client.message().await, completion);
    }
    client.invoke("1", "Export", json!([])).await;
    assert_eq!(client.message().await["result"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_a_token_is_cancelled_when_its_connection_closes() {
    let journal = Journal::default();
    let engine = engine(cancellable_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Export", json!([])).await;
    until_idle().await;
    client.cut();
    until_ended(&engine).await;
    assert_eq!(journal.take(), ["cancelled"]);
}
