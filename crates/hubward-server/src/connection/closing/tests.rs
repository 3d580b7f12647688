//! Tests of a connection's close: why the hub is notified that it closed, what its client still gets, and that
//! nothing is left behind.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hubward_hub::{DisconnectReason, Disconnected, Hub, HubContext, HubOptions};
use hubward_transport::TransportOptions;
use hubward_types::Principal;
use serde_json::json;
use tokio::time::Instant;
use tracing::Level;

use crate::connection::deadlines::STALL_TIME;
use crate::engine::Engine;
use crate::node::Node;
use crate::testing::client::{Next, TestClient};
use crate::testing::log::CapturedLog;
use crate::testing::{Journal, engine, pass, until_ended, until_idle};

/// More than the in-memory socket takes: writing is blocked until the client reads.
const BLOCKING_BYTES: usize = 100 * 1024;

/// A hub that notes why its connections end, and whose clients are soon slow consumers.
fn hub(journal: &Journal) -> Hub {
    let journal = journal.clone();
    let options =
        HubOptions { mailbox_messages: 10, stateful_reconnect_buffer_bytes: 1000, ..HubOptions::default() };
    Hub::new("hub")
        .options(options)
        .on_disconnected(move |Disconnected { reason }: Disconnected| journal.noting(format!("{reason:?}")))
}

/// Sends a message of this size to all.
async fn broadcast(engine: &Arc<Engine>, method: &str, bytes: usize) {
    engine.handle().all().send(method, ("x".repeat(bytes),)).await.unwrap();
}

/// Why a connection ends after what `act` does.
async fn check(reason: DisconnectReason, act: impl AsyncFnOnce(&Arc<Engine>, &mut TestClient)) {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    act(&engine, &mut client).await;
    until_ended(&engine).await;
    assert_eq!(journal.take(), [format!("{reason:?}")]);
}

/// Why a connection for which stateful reconnect was negotiated ends after what `act` does.
async fn check_stateful(reason: DisconnectReason, act: impl AsyncFnOnce(&Arc<Engine>, &mut TestClient)) {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect_stateful(&engine, "c1").await;
    act(&engine, &mut client).await;
    until_ended(&engine).await;
    assert_eq!(journal.take(), [format!("{reason:?}")]);
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_the_client_closed_the_connection() {
    let close = json!({ "type": 7 });
    check(DisconnectReason::ClientClosed, async |_, client| client.send(&close).await).await;
    let close = json!({ "type": 7, "error": "gone home" });
    let reason = DisconnectReason::ClientError("gone home".to_owned());
    check(reason, async |_, client| client.send(&close).await).await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_how_the_transport_ended() {
    check(DisconnectReason::TransportClosed, async |_, client| client.send_close_frame().await).await;
    check(DisconnectReason::TransportLost, async |_, client| client.cut()).await;
    let unmasked = b"\x81\x02{}";
    check(DisconnectReason::TransportError, async |_, client| client.write(unmasked).await).await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_the_client_violated_the_protocol() {
    let reason = DisconnectReason::ProtocolError("Missing required property 'target'.".to_owned());
    check(reason, async |_, client| client.send(&json!({ "type": 1 })).await).await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_it_aborted_the_connection() {
    check(DisconnectReason::Aborted, async |engine, _| {
        engine.handle().connection("c1").abort().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_the_node_is_shutting_down() {
    check(DisconnectReason::Shutdown, async |engine, _| engine.close_all()).await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_the_client_was_silent_for_too_long() {
    let ping = json!({ "type": 6 });
    check(DisconnectReason::ClientTimeout, async |_, client| client.send(&ping).await).await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_the_client_is_a_slow_consumer() {
    check(DisconnectReason::SlowConsumer, async |engine, _| {
        broadcast(engine, "Blocks", BLOCKING_BYTES).await;
        for _ in 0..11 {
            until_idle().await;
            broadcast(engine, "Waits", 1).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_a_write_stayed_blocked() {
    check(DisconnectReason::SendTimeout, async |engine, _| {
        broadcast(engine, "Blocks", BLOCKING_BYTES).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_the_token_expired() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let principal = Principal::builder().expires_at(SystemTime::now() + Duration::from_secs(60)).build();
    let mut client = TestClient::open(&engine, "c1", principal, TransportOptions::default());
    client.handshake().await;
    until_ended(&engine).await;
    assert_eq!(journal.take(), ["TokenExpired"]);
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_a_lost_connection_was_not_resumed_in_time() {
    let start = Instant::now();
    check_stateful(DisconnectReason::ReconnectTimeout, async |_, client| client.cut()).await;
    assert_eq!(start.elapsed(), TransportOptions::default().disconnect_timeout);
}

#[tokio::test(start_paused = true)]
async fn the_hub_learns_that_a_client_did_not_acknowledge_in_time() {
    check_stateful(DisconnectReason::AckTimeout, async |engine, client| {
        broadcast(engine, "Fills", 2000).await;
        assert_eq!(client.message().await["target"], "Fills");
        let close = json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true });
        client.expect_close(close).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_an_abort_reaches_the_client_and_nothing_after_it() {
    let abort = async |cx: HubContext| {
        cx.clients().caller().send("Before", ()).await.unwrap();
        cx.abort();
        cx.clients().caller().send("After", ()).await.unwrap();
        "the completion of the aborting call"
    };
    let engine = engine(Hub::new("hub").method("Abort", abort));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Abort", json!([])).await;
    assert_eq!(client.message().await["target"], "Before");
    client.expect_close(json!({ "type": 7 })).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_before_the_close() {
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    // One is written in part, one waits for the pipe, and one stays in the mailbox.
    broadcast(&engine, "Blocks", BLOCKING_BYTES).await;
    broadcast(&engine, "Blocks", BLOCKING_BYTES).await;
    until_idle().await;
    broadcast(&engine, "Waits", 1).await;
    engine.close_all();
    until_idle().await;
    for target in ["Blocks", "Blocks", "Waits"] {
        assert_eq!(client.message().await["target"], target);
    }
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_gets_its_close_message_without_what_it_has_not_read() {
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    broadcast(&engine, "Blocks", BLOCKING_BYTES).await;
    until_idle().await;
    for _ in 0..11 {
        broadcast(&engine, "Waits", 1).await;
    }
    pass(2 * STALL_TIME).await;
    assert_eq!(client.message().await["target"], "Blocks");
    let close = json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true });
    client.expect_close(close).await;
}

#[tokio::test(start_paused = true)]
async fn a_blocked_write_ends_after_the_send_timeout_without_a_close() {
    let engine = engine(hub(&Journal::default()));
    let _client = TestClient::connect(&engine, "c1").await;
    let start = Instant::now();
    broadcast(&engine, "Blocks", BLOCKING_BYTES).await;
    until_ended(&engine).await;
    assert_eq!(start.elapsed(), TransportOptions::default().send_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_the_close_frame_ends_the_connection_and_another_has_the_close_timeout() {
    for (answers, expected) in [(true, Duration::ZERO), (false, TransportOptions::default().close_timeout)] {
        let engine = engine(hub(&Journal::default()));
        let mut client = TestClient::connect(&engine, "c1").await;
        let start = Instant::now();
        engine.close_all();
        client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
        assert!(client.is_registered());
        if answers {
            client.send_close_frame().await;
        }
        assert_eq!(client.next().await, Next::Lost);
        until_ended(&engine).await;
        assert_eq!(start.elapsed(), expected, "answers: {answers}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_close_message_has_the_close_timeout() {
    let engine = engine(hub(&Journal::default()));
    let _client = TestClient::connect(&engine, "c1").await;
    broadcast(&engine, "Blocks", BLOCKING_BYTES).await;
    until_idle().await;
    let start = Instant::now();
    engine.close_all();
    until_ended(&engine).await;
    assert_eq!(start.elapsed(), TransportOptions::default().close_timeout);
}

#[tokio::test(start_paused = true)]
async fn on_disconnected_runs_while_the_close_frame_waits_for_its_answer() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    engine.close_all();
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
    until_idle().await;
    assert_eq!(journal.take(), ["Shutdown"]);
    assert!(client.is_registered());
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_leaves_nothing_behind() {
    let join = async |cx: HubContext| cx.groups().add("ward").await.is_ok();
    let engine = engine(hub(&Journal::default()).method("Join", join));
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    assert_eq!(client.call("Join", json!([])).await["result"], true);
    let handle = Arc::downgrade(&engine.index.connection(&"c1".into()).unwrap());
    client.cut();
    until_ended(&engine).await;
    let mut reached = 0;
    engine.index.for_all(|_| reached += 1);
    engine.index.for_user(&"alice".into(), |_| reached += 1);
    engine.index.for_group(&"ward".into(), |_| reached += 1);
    assert_eq!((engine.connection_count(), reached), (0, 0));
    assert!(!client.is_registered());
    assert!(handle.upgrade().is_none());
    assert_eq!(Arc::strong_count(&engine), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_is_one_line_with_its_reason_and_its_level() {
    let log = CapturedLog::start();
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    client.send(&json!({ "type": 7 })).await;
    client.expect_close(json!({ "type": 7 })).await;
    let mut client = TestClient::connect(&engine, "c2").await;
    client.send(&json!({ "type": 1 })).await;
    assert_eq!(client.message().await["type"], 7);
    until_ended(&engine).await;
    let about = "A connection ended. hub=hub";
    let clean = r#"user="alice" transport="WebSockets" connection_id=c1 reason="client""#;
    assert_eq!(log.lines(Level::INFO), [format!("{about} {clean}")]);
    let violated =
        r#"user="" transport="WebSockets" connection_id=c2 reason="protocol_error" error="Missing"#;
    let [line] = &log.lines(Level::WARN)[..] else { panic!("{:?}", log.lines(Level::WARN)) };
    assert!(line.starts_with(&format!("{about} {violated}")), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_ends_is_some_lines_for_each_reason_and_their_number() {
    const VIOLATIONS: usize = 50;
    const CLOSES: usize = 1200;
    let log = CapturedLog::start();
    let engine = engine(Hub::new("hub"));
    for n in 0..VIOLATIONS + CLOSES {
        let mut client = TestClient::connect(&engine, "c1").await;
        client.send(&json!({ "type": if n < VIOLATIONS { 1 } else { 7 } })).await;
        assert_eq!(client.message().await["type"], 7);
        client.cut();
        until_idle().await;
    }
    until_ended(&engine).await;
    for (level, reason, lines, all) in
        [(Level::WARN, "protocol_error", 10, VIOLATIONS), (Level::INFO, "client", 1000, CLOSES)]
    {
        let logged = log.lines(level);
        let rest = format!(r#"More connections ended. hub=hub reason="{reason}" ended={}"#, all - lines);
        assert_eq!(logged.iter().filter(|line| line.starts_with("A connection ended.")).count(), lines);
        assert_eq!(logged.last(), Some(&rest));
        assert_eq!(logged.len(), lines + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn of_the_ends_at_a_shutdown_none_is_lost_to_the_log() {
    const CONNECTIONS: usize = 1100;
    let log = CapturedLog::start();
    let engine = engine(Hub::new("hub"));
    let node = Node::new(engine.context.clone(), [engine.clone()]);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(TestClient::connect(&engine, "c1").await);
    }
    let closed = async {
        for client in &mut clients {
            assert_eq!(client.message().await["type"], 7);
            client.send_close_frame().await;
        }
    };
    tokio::join!(node.shut_down(), closed);
    drop((node, engine));
    let lines = log.lines(Level::INFO);
    let ended = lines.iter().filter(|line| line.contains(r#"reason="shutdown""#)).count();
    let rest = format!(r#"More connections ended. hub=hub reason="shutdown" ended={}"#, CONNECTIONS - 1000);
    assert_eq!((ended, lines.iter().filter(|line| **line == rest).count()), (1001, 1));
}
