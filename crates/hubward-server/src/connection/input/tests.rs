//! Tests of what a connection reads: in what pieces it comes, and what still happens while reading is paused.

use std::future::poll_fn;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use hubward_hub::{Hub, HubContext, HubOptions};
use hubward_testing::Flood;
use hubward_testing::frame::{TEXT, masked};
use hubward_transport::TransportOptions;
use hubward_types::Principal;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use crate::testing::client::{Next, TestClient};
use crate::testing::{Journal, engine, pass, until_ended, until_idle};

/// A hub whose method notes its start, waits until the client has gone, and notes that.
fn waiting_hub(journal: &Journal) -> Hub {
    let (started, disconnected) = (journal.clone(), journal.clone());
    let wait = move |cx: HubContext, call: u32| {
        let journal = started.clone();
        async move {
            journal.note(format!("call {call} runs"));
            cx.connection_closed().cancelled().await;
            journal.note(format!("call {call} ends"));
        }
    };
    Hub::new("hub").method("Wait", wait).on_disconnected(move || disconnected.noting("disconnected"))
}

/// Waits for this task's next turn among the others that are ready.
async fn next_turn() {
    let mut waited = false;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn call(method: &str, arguments: &Value) -> String {
    json!({ "type": 1, "target": method, "arguments": arguments }).to_string() + "\u{1e}"
}

#[tokio::test(start_paused = true)]
async fn messages_are_read_however_they_are_cut_into_frames() {
    let journal = Journal::default();
    let noted = journal.clone();
    let hub = Hub::new("hub").method("Note", move |n: u32| noted.noting(n.to_string()));
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    let together = call("Note", &json!([1])) + &call("Note", &json!([2])) + &call("Note", &json!([3]));
    client.send_bytes(together.as_bytes()).await;
    until_idle().await;
    assert_eq!(journal.take(), ["1", "2", "3"]);
    for piece in together.as_bytes().chunks(7) {
        client.send_bytes(piece).await;
        until_idle().await;
    }
    assert_eq!(journal.take(), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_while_a_call_waits_for_its_permit_cancels_the_connections_token() {
    let journal = Journal::default();
    let engine = engine(waiting_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send_bytes((call("Wait", &json!([1])) + &call("Wait", &json!([2]))).as_bytes()).await;
    until_idle().await;
    assert_eq!(journal.take(), ["call 1 runs"]);
    client.send_close_frame().await;
    until_ended(&engine).await;
    // What it sent before it closed is still run, in its turn.
    assert_eq!(journal.take(), ["call 1 ends", "call 2 runs", "call 2 ends", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_lost_while_a_call_waits_for_its_permit_ends_the_connection() {
    let journal = Journal::default();
    let engine = engine(waiting_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send_bytes((call("Wait", &json!([1])) + &call("Wait", &json!([2]))).as_bytes()).await;
    until_idle().await;
    client.cut();
    let start = Instant::now();
    until_ended(&engine).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(journal.take(), ["call 1 runs", "disconnected", "call 1 ends"]);
}

#[tokio::test(start_paused = true)]
async fn a_running_call_learns_that_the_client_has_closed() {
    let journal = Journal::default();
    let engine = engine(waiting_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Wait", json!([1])).await;
    client.send_close_frame().await;
    assert_eq!(client.next().await, Next::Closed(1000));
    until_ended(&engine).await;
    assert_eq!(journal.take(), ["call 1 runs", "disconnected", "call 1 ends"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_feels_backpressure_while_reading_is_paused() {
    let gate = Arc::new(Semaphore::new(0));
    let hold = gate.clone();
    let hub = Hub::new("hub").method("Hold", move |_padding: String| {
        let gate = hold.clone();
        async move { gate.acquire().await.unwrap().forget() }
    });
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    let padded = call("Hold", &json!(["x".repeat(10_000)]));
    let mut sent = 0;
    while sent < 100 && timeout(Duration::from_secs(1), client.send_bytes(padded.as_bytes())).await.is_ok() {
        sent += 1;
    }
    // What the connection holds, one read past its bound at most, and what the socket holds: 64 KiB each.
    assert!((13..=20).contains(&sent), "{sent}");
}

/// A hub with `Answer`, which notes its number and answers with so many bytes.
fn answering_hub(journal: &Journal) -> Hub {
    let journal = journal.clone();
    let answer = move |n: u32, bytes: usize| {
        journal.note(n.to_string());
        async move { "x".repeat(bytes) }
    };
    Hub::new("hub").method("Answer", answer)
}

/// So many calls of `Answer`, to be sent together.
fn calls_of_answer(count: u32, bytes: usize) -> Vec<u8> {
    let call = |n: u32| json!({ "type": 1, "invocationId": n.to_string(), "target": "Answer", "arguments": [n, bytes] });
    (0..count).map(|n| call(n).to_string() + "\u{1e}").collect::<String>().into_bytes()
}

/// Sends pipelined calls and reads nothing, and then all the answers.
async fn check_pipelined_calls(stateful: bool) {
    const CALLS: u32 = 100;
    let journal = Journal::default();
    let options = HubOptions { mailbox_bytes: 400_000, ..HubOptions::default() };
    let engine = engine(answering_hub(&journal).options(options));
    let mut client = if stateful {
        TestClient::connect_stateful(&engine, "c1").await
    } else {
        TestClient::connect(&engine, "c1").await
    };
    client.send_bytes(&calls_of_answer(CALLS, 100_000)).await;
    pass(Duration::from_secs(4)).await;
    let run = journal.take().len();
    assert!(run <= 2, "{run} calls of 100 KB were answered, and nothing was read");
    for n in 0..CALLS {
        let mut answer = client.message().await;
        while answer["type"] == 8 {
            answer = client.message().await;
        }
        assert_eq!(answer["invocationId"], n.to_string());
        if stateful {
            client.send(&json!({ "type": 8, "sequenceId": n + 1 })).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_not_read_while_their_answers_wait_and_all_are_answered_in_order() {
    check_pipelined_calls(false).await;
    check_pipelined_calls(true).await;
}

#[tokio::test(start_paused = true)]
async fn no_call_runs_while_output_is_blocked() {
    let journal = Journal::default();
    let engine = engine(answering_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    engine.handle().all().send("Blocks", ("x".repeat(100_000),)).await.unwrap();
    until_idle().await;
    client.send_bytes(&calls_of_answer(1000, 1)).await;
    until_idle().await;
    assert_eq!(journal.take().len(), 0);
    assert_eq!(client.message().await["target"], "Blocks");
    for n in 0..1000 {
        assert_eq!(client.message().await["invocationId"], n.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_noticed_while_its_answers_wait() {
    let journal = Journal::default();
    let noted = journal.clone();
    let hub = answering_hub(&journal).on_disconnected(move || noted.noting("disconnected"));
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send_bytes(&calls_of_answer(3, 1 << 20)).await;
    until_idle().await;
    client.cut();
    let start = Instant::now();
    until_ended(&engine).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(journal.take().last().unwrap(), "disconnected");
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_count_while_answers_wait() {
    let journal = Journal::default();
    let options = TransportOptions {
        send_timeout: Duration::MAX,
        minimum_drain_bytes_per_second: 0,
        ..TransportOptions::default()
    };
    let engine = engine(answering_hub(&journal));
    let mut client = TestClient::open(&engine, "c1", Principal::anonymous(), options);
    client.handshake().await;
    client.send(&json!({ "type": 6 })).await;
    client.send_bytes(&calls_of_answer(2, 1 << 20)).await;
    pass(Duration::from_secs(600)).await;
    assert_eq!(client.message().await["invocationId"], "0");
    assert_eq!(client.message().await["invocationId"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_calls_lets_those_read_whom_it_sends_to() {
    const CALLS: usize = 4000;
    const READERS: usize = 20;
    let options = HubOptions { mailbox_messages: 200, ..HubOptions::default() };
    let tell = async |cx: HubContext, n: u32| cx.clients().others().send("News", (n,)).await.unwrap();
    let engine = engine(Hub::new("hub").options(options).method("Tell", tell));
    let mut sender = TestClient::connect(&engine, "sender").await;
    let mut readers = Vec::new();
    for n in 0..READERS {
        let mut reader = TestClient::connect(&engine, &format!("reader {n}")).await;
        readers.push(engine.context.tasks.spawn(async move {
            for n in 0..CALLS {
                assert_eq!(reader.message().await["arguments"], json!([n]));
            }
        }));
    }
    let burst: String = (0..CALLS).map(|n| call("Tell", &json!([n]))).collect();
    sender.send_bytes(burst.as_bytes()).await;
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_long_calls_is_short() {
    let journal = Journal::default();
    let noted = journal.clone();
    let work = move |_: u32| {
        noted.note("call");
        // It takes a millisecond of the processor's time.
        let _ = tokio::time::advance(Duration::from_millis(1)).now_or_never();
        async {}
    };
    let engine = engine(Hub::new("hub").method("Work", work));
    let mut client = TestClient::connect(&engine, "c1").await;
    let most_in_a_turn = engine.context.tasks.spawn(async move {
        let (mut all, mut most) = (0, 0);
        while all < 1000 {
            let calls = journal.take().len();
            (all, most) = (all + calls, most.max(calls));
            next_turn().await;
        }
        most
    });
    let calls: String = (0..1000).map(|n| call("Work", &json!([n]))).collect();
    client.send_bytes(calls.as_bytes()).await;
    let most = most_in_a_turn.await.unwrap();
    assert!(most <= 16, "{most}");
}

/// A client that sends its handshake and then the same message without end, and how often it is read.
fn flood(message: &Value) -> (Flood, Arc<AtomicUsize>) {
    let masked = |message: &Value| masked(TEXT, (message.to_string() + "\u{1e}").as_bytes());
    let handshake = masked(&json!({ "protocol": "json", "version": 1 }));
    Flood::new(Some(handshake), masked(message))
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_that_are_no_calls_lets_others_work_in_between() {
    const TURNS: usize = 20;
    for message in [
        json!({ "type": 6 }),
        json!({ "type": 77 }),
        json!({ "type": 5, "invocationId": "unknown" }),
        json!({ "type": 3, "invocationId": "unknown", "result": "x".repeat(20_000) }),
    ] {
        let engine = engine(Hub::new("hub"));
        let (flood, reads) = flood(&message);
        TestClient::accept(&engine, flood, "c1");
        // In a task, since the test itself has its turn more rarely.
        let others = engine.context.tasks.spawn(async move {
            for _ in 0..TURNS {
                yield_now().await;
            }
            reads.load(Ordering::Relaxed)
        });
        let reads = others.await.unwrap();
        // Of one read there is a little less than 64 KiB of payload.
        assert!((TURNS / 2..=3 * TURNS).contains(&reads), "{reads} reads of {message:.40}");
    }
}

#[tokio::test]
async fn what_arrives_for_others_is_looked_for_after_each_turn_of_a_busy_connection() {
    /// Messages to another, and calls in a turn.
    const ARRIVALS: usize = 50;
    const CALLS: usize = 64;
    let one_way = json!({ "type": 1, "target": "Count", "arguments": [] });
    let answered = json!({ "type": 1, "invocationId": "1", "target": "Count", "arguments": [] });
    for call in [one_way, answered] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let count = move || std::future::ready(_ = counted.fetch_add(1, Ordering::Relaxed));
        let engine = engine(Hub::new("hub").method("Count", count));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // What it sends arrives at once, without a turn of the runtime.
        let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().await.unwrap();
        TestClient::accept(&engine, flood(&call).0, "c1");
        while calls.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        let mut waited = 0;
        for _ in 0..ARRIVALS {
            sender.write_all(b"x").unwrap();
            let before = calls.load(Ordering::Relaxed);
            // Less than was asked for, so that the next read waits until the runtime has found what there is.
            assert_eq!(other.read(&mut [0; 16]).await.unwrap(), 1);
            waited += calls.load(Ordering::Relaxed) - before;
        }
        let turns = waited / (ARRIVALS * CALLS);
        assert!(turns <= 3, "each waited for {turns} turns");
    }
}
