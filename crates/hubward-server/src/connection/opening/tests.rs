//! Tests of a connection's opening: what happens before, during and after `on_connected`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hubward_hub::{ClientResultError, Hub, HubContext, HubError, HubOptions};
use hubward_testing::frame::{TEXT, masked};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::testing::client::{Next, TestClient};
use crate::testing::{Journal, engine, pass, until_ended, until_idle};

/// A hub whose `on_connected` waits for the gate, then notes that it is done and returns `result`; with a noted
/// `on_disconnected` and a noted method.
fn held_hub(journal: &Journal, result: fn() -> Result<(), HubError>) -> (Hub, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (connected, method, disconnected) = (journal.clone(), journal.clone(), journal.clone());
    let opens = gate.clone();
    let on_connected = move || {
        let (gate, journal) = (opens.clone(), connected.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            journal.note("connected");
            result()
        }
    };
    let hub = Hub::new("hub")
        .on_connected(on_connected)
        .method("Note", move |what: String| method.noting(what))
        .on_disconnected(move || disconnected.noting("disconnected"));
    (hub, gate)
}

fn connected() -> Result<(), HubError> {
    Ok(())
}

fn full() -> Result<(), HubError> {
    Err(HubError::shown("The ward is full."))
}

/// What a client is closed with where `on_connected` fails.
async fn check_failure(error: fn() -> HubError, detailed_errors: bool, expected: &str) {
    let journal = Journal::default();
    let noted = journal.clone();
    let hub = Hub::new("hub")
        .options(HubOptions { detailed_errors, ..HubOptions::default() })
        .on_connected(move || async move { Err::<(), _>(error()) })
        .on_disconnected(move || noted.noting("disconnected"));
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    client.expect_close(json!({ "type": 7, "error": expected })).await;
    until_ended(&engine).await;
    assert_eq!(journal.take(), [""; 0]);
    assert_eq!(engine.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_on_connected_fails_closes_with_the_error_and_without_on_disconnected() {
    let shown = || HubError::shown("The ward is full.");
    let hidden = || HubError::hidden(std::io::Error::other("secret"));
    let base = "Connection closed with an error.";
    check_failure(shown, false, &format!("{base} HubException: The ward is full.")).await;
    check_failure(hidden, false, base).await;
    check_failure(hidden, true, &format!("{base} Error: secret")).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_on_connected_panics_closes_with_an_error() {
    check_failure(|| panic!("a test's panic"), false, "Connection closed with an error.").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_receives_while_on_connected_runs() {
    let (hub, gate) = held_hub(&Journal::default(), connected);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    engine.handle().all().send("Welcome", (7,)).await.unwrap();
    assert_eq!(client.message().await, json!({ "type": 1, "target": "Welcome", "arguments": [7] }));
    gate.add_permits(1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_while_on_connected_runs_are_run_after_it_in_order() {
    let journal = Journal::default();
    let (hub, gate) = held_hub(&journal, connected);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Note", json!(["first"])).await;
    client.invoke("2", "Note", json!(["second"])).await;
    until_idle().await;
    assert_eq!(journal.take(), [""; 0]);
    gate.add_permits(1);
    assert_eq!(client.message().await["invocationId"], "1");
    assert_eq!(client.message().await["invocationId"], "2");
    assert_eq!(journal.take(), ["connected", "first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_came_with_the_handshake_is_run() {
    let journal = Journal::default();
    let (hub, gate) = held_hub(&journal, connected);
    let engine = engine(hub);
    let mut client = TestClient::open(&engine, "c1", Default::default(), Default::default());
    let handshake = json!({ "protocol": "json", "version": 1 }).to_string();
    let call = json!({ "type": 1, "target": "Note", "arguments": ["early"] }).to_string();
    client.send_bytes(format!("{handshake}\u{1e}{call}\u{1e}").as_bytes()).await;
    gate.add_permits(1);
    assert_eq!(client.next().await, Next::Message(json!({})));
    until_idle().await;
    assert_eq!(journal.take(), ["connected", "early"]);
}

#[tokio::test(start_paused = true)]
async fn the_client_cannot_be_invoked_for_a_result_before_its_messages_are_read() {
    let journal = Journal::default();
    let noted = journal.clone();
    let on_connected = move |cx: HubContext| {
        let journal = noted.clone();
        async move {
            let result = cx.clients().caller().invoke::<i32>("Number", ()).await;
            assert!(matches!(result, Err(ClientResultError::WhileConnecting)));
            journal.note("refused");
        }
    };
    let engine = engine(Hub::new("hub").on_connected(on_connected).method("Ping", async || 1));
    let mut client = TestClient::connect(&engine, "c1").await;
    assert_eq!(client.call("Ping", json!([])).await["result"], 1);
    assert_eq!(journal.take(), ["refused"]);
}

#[tokio::test(start_paused = true)]
async fn the_client_can_be_invoked_for_a_result_once_on_connected_is_done() {
    let ask = async |cx: HubContext| Ok::<i32, HubError>(cx.clients().caller().invoke("Number", ()).await?);
    let (hub, gate) = held_hub(&Journal::default(), connected);
    gate.add_permits(1);
    let engine = engine(hub.method("Ask", ask));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Ask", json!([])).await;
    assert_eq!(client.message().await["target"], "Number");
}

#[tokio::test(start_paused = true)]
async fn a_hub_without_on_connected_delivers_the_users_groups_all_the_same() {
    let engine = engine(Hub::new("hub"));
    engine.handle().groups().add_user("alice", "ward", None).await.unwrap();
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    engine.handle().group("ward").send("Round", ()).await.unwrap();
    assert_eq!(client.message().await["target"], "Round");
}

/// Lets the client of a held connection go, and `on_connected` finish a minute later.
async fn end_while_connecting(engine: &Arc<Engine>, gate: &Semaphore, end: impl AsyncFnOnce(TestClient)) {
    let client = TestClient::connect(engine, "c1").await;
    until_idle().await;
    end(client).await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(engine.connection_count(), 1);
    gate.add_permits(1);
    until_ended(engine).await;
    assert_eq!(engine.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn on_connected_runs_to_its_end_when_the_client_goes_and_on_disconnected_after_it() {
    let journal = Journal::default();
    let (hub, gate) = held_hub(&journal, connected);
    let engine = engine(hub);
    end_while_connecting(&engine, &gate, async |client| drop(client)).await;
    assert_eq!(journal.take(), ["connected", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_closed_at_once_when_it_is_aborted_while_on_connected_runs() {
    let journal = Journal::default();
    let (hub, gate) = held_hub(&journal, connected);
    let engine = engine(hub);
    let handle = engine.handle();
    let abort = async |mut client: TestClient| {
        handle.connection("c1").abort().await.unwrap();
        client.expect_close(json!({ "type": 7 })).await;
    };
    end_while_connecting(&engine, &gate, abort).await;
    assert_eq!(journal.take(), ["connected", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn on_disconnected_does_not_run_where_on_connected_fails_after_the_client_has_gone() {
    let journal = Journal::default();
    let (hub, gate) = held_hub(&journal, full);
    let engine = engine(hub);
    end_while_connecting(&engine, &gate, async |client| drop(client)).await;
    assert_eq!(journal.take(), ["connected"]);
}

/// A socket that notes, whenever it is written to, whether the connection can be reached.
struct Observed {
    io: DuplexStream,
    engine: Arc<Engine>,
    journal: Journal,
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Observed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let reachable = self.engine.index.connection(&"c1".into()).is_some();
        self.journal.note(format!("written, reachable: {reachable}"));
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_can_be_reached_before_its_handshake_response_is_written() {
    let journal = Journal::default();
    for hub in [Hub::new("hub"), Hub::new("hub").on_connected(async || ())] {
        let engine = engine(hub);
        let (mut client, io) = tokio::io::duplex(1024);
        let io = Observed { io, engine: engine.clone(), journal: journal.clone() };
        TestClient::accept(&engine, io, "c1");
        client.write_all(&masked(TEXT, b"{\"protocol\":\"json\",\"version\":1}\x1e")).await.unwrap();
        until_idle().await;
        assert_eq!(journal.take(), ["written, reachable: true"]);
    }
}
