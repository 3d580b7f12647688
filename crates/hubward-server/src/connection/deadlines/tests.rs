//! Tests of deadlines that have to hold while there is much to do, and of clients that read too little.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use hubward_hub::{Disconnected, Hub, HubOptions};
use hubward_transport::TransportOptions;
use hubward_types::Principal;
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};

use super::STALL_TIME;
use crate::engine::Engine;
use crate::testing::client::{Next, TestClient};
use crate::testing::{Journal, engine, pass, until_ended, until_idle};

const SECOND: Duration = Duration::from_secs(1);

/// A hub with `Work`, a call of ten milliseconds of the processor's time, and that notes calls and ends.
fn hub(journal: &Journal) -> Hub {
    let (calls, ends) = (journal.clone(), journal.clone());
    let work = move || {
        calls.note("call");
        let _ = tokio::time::advance(Duration::from_millis(10)).now_or_never();
        async {}
    };
    Hub::new("hub")
        .method("Work", work)
        .on_disconnected(move |Disconnected { reason }: Disconnected| ends.noting(format!("{reason:?}")))
}

/// So many calls of `Work`.
fn calls(count: usize) -> String {
    let call = json!({ "type": 1, "invocationId": "1", "target": "Work", "arguments": [] });
    (call.to_string() + "\u{1e}").repeat(count)
}

#[tokio::test(start_paused = true)]
async fn no_call_runs_after_the_token_has_expired_however_many_have_come_before() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let principal = Principal::builder().user_id("alice").expires_at(SystemTime::now() + 2 * SECOND).build();
    let mut client = TestClient::open(&engine, "c1", principal, TransportOptions::default());
    client.handshake().await;
    client.send_bytes(calls(900).as_bytes()).await;
    while client.message().await["type"] != 7 {}
    let calls = journal.take().iter().filter(|entry| *entry == "call").count();
    // Two seconds of calls, and what one turn does.
    assert!(calls <= 216, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_does_not_wait_until_there_is_nothing_else_to_do() {
    let journal = Journal::default();
    let options = HubOptions { keep_alive_interval: SECOND, ..HubOptions::default() };
    let engine = engine(hub(&journal).options(options));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send_bytes(calls(1000).as_bytes()).await;
    let mut answers = 0;
    while client.next_or_ping().await != Next::Message(json!({ "type": 6 })) {
        answers += 1;
    }
    assert!(answers < 1000, "the ping came after {answers} answers");
}

/// Has a client read so many bytes each second of what it is sent; returns for how long, up to a minute, that goes.
async fn trickle(bytes: usize, transports: TransportOptions) -> (Duration, Vec<String>) {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::open(&engine, "c1", Principal::anonymous(), transports);
    client.handshake().await;
    let start = Instant::now();
    engine.handle().all().send("Large", ("x".repeat(1 << 20),)).await.unwrap();
    while engine.connection_count() > 0 && start.elapsed() < 60 * SECOND {
        pass(SECOND).await;
        client.read_some(bytes).await;
    }
    (start.elapsed(), journal.take())
}

#[tokio::test(start_paused = true)]
async fn a_trickle_of_reading_does_not_keep_a_connection_open() {
    let default = TransportOptions::default;
    let (time, end) = trickle(100, default()).await;
    assert!(time <= 12 * SECOND && end == ["SendTimeout"], "{time:?} {end:?}");
    let (time, end) = trickle(2000, default()).await;
    assert!(time >= 60 * SECOND && end.is_empty(), "{time:?} {end:?}");
    let (time, _) = trickle(100, TransportOptions { minimum_drain_bytes_per_second: 0, ..default() }).await;
    assert!(time >= 60 * SECOND, "{time:?}");
}

/// Blocks a client's output, and then sends it so many small messages. Returns how long it lives, and why it ends.
async fn flood(messages: usize) -> (Duration, Vec<String>) {
    let journal = Journal::default();
    let options = HubOptions { mailbox_messages: 100, ..HubOptions::default() };
    let engine: Arc<Engine> = engine(hub(&journal).options(options));
    let _client = TestClient::connect(&engine, "c1").await;
    let start = Instant::now();
    engine.handle().all().send("Blocks", ("x".repeat(100_000),)).await.unwrap();
    for n in 0..messages {
        engine.handle().all().send("M", (n,)).await.unwrap();
    }
    until_ended(&engine).await;
    (start.elapsed(), journal.take())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_slow_only_past_the_limit_and_after_it_had_its_turn() {
    assert_eq!(flood(90).await.1, ["SendTimeout"]);
    let (time, end) = flood(150).await;
    let close_timeout = TransportOptions::default().close_timeout;
    assert_eq!(end, ["SlowConsumer"]);
    assert_eq!(time, STALL_TIME + close_timeout, "it has its time to read the Close message");
    let (time, end) = flood(1000).await;
    assert_eq!((time, end), (close_timeout, vec!["SlowConsumer".to_owned()]), "past the hard limit at once");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_again_after_a_second_receives_all_of_a_burst() {
    let options = HubOptions { mailbox_messages: 100, ..HubOptions::default() };
    let engine = engine(Hub::new("hub").options(options));
    let mut client = TestClient::connect(&engine, "c1").await;
    for n in 0..300 {
        drop(engine.handle().all().send("M", (n, "x".repeat(1000))));
        if n % 100 == 0 {
            pass(SECOND / 2).await;
        }
    }
    for n in 0..300 {
        assert_eq!(client.message().await["arguments"][0], n);
    }
}

/// How a client writes that is made to wait for its output.
#[derive(Clone, Copy, PartialEq)]
enum Writes {
    /// One ping, then nothing more.
    OnePing,
    Pings,
    /// One call that is larger than what is received while nothing is read, at so many bytes a second.
    LargeCall(usize),
}

/// Sends a client more than its socket holds, again and again, which it reads after so many seconds. Returns how long
/// it lives with a client timeout of four seconds, up to a minute, and why it ends.
async fn kept_waiting(reads_after: u32, writes: Writes) -> (Duration, Vec<String>) {
    let journal = Journal::default();
    let options = HubOptions {
        client_timeout: 4 * SECOND,
        maximum_receive_message_bytes: None,
        ..HubOptions::default()
    };
    let engine = engine(hub(&journal).options(options));
    let mut client = TestClient::connect(&engine, "c1").await;
    let start = Instant::now();
    client.send(&json!({ "type": 6 })).await;
    for second in 1.. {
        if second % reads_after == 1 % reads_after {
            engine.handle().all().send("Large", ("x".repeat(100_000),)).await.unwrap();
            until_idle().await;
        }
        match writes {
            Writes::OnePing => {}
            Writes::Pings => client.send(&json!({ "type": 6 })).await,
            Writes::LargeCall(bytes) => client.send_bytes(&vec![b' '; bytes]).await,
        }
        sleep_until(start + second * SECOND).await;
        if engine.connection_count() == 0 || start.elapsed() >= 60 * SECOND {
            break;
        }
        if second % reads_after == 0 {
            while timeout(SECOND / 10, client.read_some(1 << 20)).await == Ok(true) {}
        }
    }
    (start.elapsed(), journal.take())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_times_out_however_often_its_output_is_blocked() {
    for reads_after in [1, 2, 8] {
        let (time, end) = kept_waiting(reads_after, Writes::OnePing).await;
        assert!(time <= 10 * SECOND && end == ["ClientTimeout"], "{reads_after}: {time:?} {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_messages_are_not_read_because_its_output_is_blocked_is_not_silent() {
    for writes in [Writes::Pings, Writes::LargeCall(7_000), Writes::LargeCall(3_000)] {
        for reads_after in [1, 2, 8] {
            let (time, end) = kept_waiting(reads_after, writes).await;
            assert!(time >= 60 * SECOND && end.is_empty(), "{reads_after}: {time:?} {end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_of_one_message_is_no_sign_of_life_whether_or_not_output_is_blocked() {
    for reads_after in [1, 8] {
        let (time, end) = kept_waiting(reads_after, Writes::LargeCall(100)).await;
        assert!(time <= 10 * SECOND && end == ["ClientTimeout"], "{reads_after}: {time:?} {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stateful_client_that_reads_again_is_not_slow_before_it_could_acknowledge() {
    let options = HubOptions { mailbox_messages: 100, ..HubOptions::default() };
    let engine = engine(hub(&Journal::default()).options(options));
    let mut client = TestClient::connect_stateful(&engine, "c1").await;
    let send = async |text: &str| engine.handle().all().send("M", (text,)).await.unwrap();
    // More than the socket and the replay buffer have room for, and then a full mailbox.
    send(&"x".repeat(110_000)).await;
    until_idle().await;
    for _ in 1..100 {
        send("small").await;
    }
    pass(STALL_TIME + SECOND).await;
    // What it reads at once makes room for all the rest.
    client.read_some(1 << 16).await;
    until_idle().await;
    send("last").await;
    assert_eq!(client.message().await["arguments"][0].as_str().map(str::len), Some(110_000));
    client.send(&json!({ "type": 8, "sequenceId": 1 })).await;
    for _ in 1..100 {
        assert_eq!(client.message().await["arguments"], json!(["small"]));
    }
    assert_eq!(client.message().await["arguments"], json!(["last"]));
}
