//! Tests of calls that wait for client results: how many there may be, that each runs with its permit before and after,
//! and how the wait ends.

use std::time::Duration;

use hubward_hub::{ClientResultError, Hub, HubContext, HubError, HubOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::testing::client::TestClient;
use crate::testing::{Journal, engine, pass, until_ended, until_idle};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A hub whose method `Ask` asks its caller, and then notes when it begins and when it ends what takes a minute.
fn hub(journal: &Journal) -> Hub {
    let journal = journal.clone();
    let ask = move |cx: HubContext, name: String| {
        let journal = journal.clone();
        async move {
            let asked: Result<i32, _> = cx.clients().caller().invoke("Number", ()).await;
            journal.note(format!("{name} begins"));
            tokio::time::sleep(Duration::from_secs(60)).await;
            journal.note(format!("{name} ends"));
            Ok::<_, HubError>(asked?)
        }
    };
    let options = HubOptions {
        calls_per_connection: 3,
        client_results_per_connection: 5,
        client_result_timeout: Duration::MAX,
        ..HubOptions::default()
    };
    Hub::new("hub").options(options).method("Ask", ask).method("Fine", async || 1)
}

/// Calls `Ask`, and returns the id of the invocation that the client gets.
async fn ask(client: &mut TestClient, name: &str) -> Value {
    client.invoke(name, "Ask", json!([name])).await;
    client.message().await["invocationId"].clone()
}

async fn answer(client: &mut TestClient, id: &Value, number: i32) {
    client.send(&json!({ "type": 3, "invocationId": id, "result": number })).await;
}

fn failed(name: &str, method: &str, text: &str) -> Value {
    let error = format!("An unexpected error occurred invoking '{method}' on the server.{text}");
    json!({ "type": 3, "invocationId": name, "error": error })
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_answered_together_go_on_one_after_the_other() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    let [first, second] = [ask(&mut client, "a").await, ask(&mut client, "b").await];
    answer(&mut client, &second, 2).await;
    answer(&mut client, &first, 1).await;
    until_idle().await;
    client.invoke("c", "Fine", json!([])).await;
    for (name, result) in [("b", 2), ("a", 1), ("c", 1)] {
        assert_eq!(client.message().await, json!({ "type": 3, "invocationId": name, "result": result }));
    }
    assert_eq!(journal.take(), ["b begins", "b ends", "a begins", "a ends"]);
}

#[tokio::test(start_paused = true)]
async fn where_as_many_calls_as_allowed_wait_for_results_the_next_fails_and_the_results_are_read() {
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(ask(&mut client, name).await);
    }
    for _ in 0..2 {
        client.invoke("d", "Fine", json!([])).await;
        let text = " HubException: A connection may have 3 calls at once.";
        assert_eq!(client.message().await, failed("d", "Fine", text));
    }
    answer(&mut client, &ids[1], 2).await;
    until_idle().await;
    // One runs now: the next waits for it.
    client.invoke("e", "Fine", json!([])).await;
    assert_eq!(client.message().await["invocationId"], "b");
    assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "e", "result": 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_does_not_come_in_time_is_an_error_of_its_own() {
    let ask = async |cx: HubContext| {
        let asked = cx.clients().caller().invoke::<i32>("Number", ()).await;
        matches!(asked, Err(ClientResultError::TimedOut(id)) if id == "c1")
    };
    let engine = engine(Hub::new("hub").method("Ask", ask));
    let mut client = TestClient::connect(&engine, "c1").await;
    let start = Instant::now();
    client.invoke("1", "Ask", json!([])).await;
    let id = client.message().await["invocationId"].clone();
    assert_eq!(client.message().await["result"], true);
    assert_eq!(start.elapsed(), TIMEOUT);
    assert_eq!(HubOptions::default().client_result_timeout, TIMEOUT);
    let connection = engine.index.connection(&"c1".into()).unwrap();
    assert_eq!(connection.pending_results(), 0);
    answer(&mut client, &id, 7).await;
    until_idle().await;
    assert!(client.is_registered());
}

#[tokio::test(start_paused = true)]
async fn a_hub_may_wait_for_ever() {
    let options = HubOptions { client_result_timeout: Duration::MAX, ..HubOptions::default() };
    let engine = engine(Hub::new("hub").options(options));
    let _client = TestClient::connect(&engine, "c1").await;
    let asked = engine.handle().connection("c1").invoke::<i32>("Number", ());
    // For as long as pings that nobody reads find room.
    assert!(tokio::time::timeout(Duration::from_secs(3600), asked).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn no_more_results_are_waited_for_than_the_limit_of_one_client_and_by_one_caller() {
    let ask = async |cx: HubContext, id: String, count: usize| {
        let asked = (0..count).map(|_| cx.clients().connection(&*id).invoke::<i32>("Number", ()));
        let asked = futures_util::future::join_all(asked).await;
        asked.iter().filter(|asked| matches!(asked, Err(ClientResultError::TooMany(_)))).count()
    };
    let options = HubOptions { client_results_per_connection: 5, ..HubOptions::default() };
    let engine = engine(Hub::new("hub").options(options).method("Ask", ask));
    let mut caller = TestClient::connect(&engine, "c1").await;
    let _asked = [TestClient::connect(&engine, "c2").await, TestClient::connect(&engine, "c3").await];
    assert_eq!(caller.call("Ask", json!(["c2", 7])).await["result"], 2);
    // By different callers, of one client.
    caller.invoke("1", "Ask", json!(["c2", 3])).await;
    until_idle().await;
    let by_nobody = (0..4).map(|_| engine.handle().connection("c2").invoke::<i32>("Number", ()));
    let by_nobody = futures_util::future::join_all(by_nobody).await;
    let too_many =
        |asked: &&Result<i32, _>| matches!(asked, Err(ClientResultError::TooMany(id)) if id == "c2");
    assert_eq!(by_nobody.iter().filter(too_many).count(), 2);
    // By one caller, of different clients.
    assert_eq!(caller.message().await["result"], 0);
    caller.invoke("1", "Ask", json!(["c2", 3])).await;
    caller.invoke("2", "Ask", json!(["c3", 3])).await;
    for (id, result) in [("1", 0), ("2", 1)] {
        assert_eq!(caller.message().await, json!({ "type": 3, "invocationId": id, "result": result }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_stops_waiting_goes_on_at_once_with_its_permit() {
    let ask = async |cx: HubContext| {
        let asked = cx.clients().caller().invoke::<i32>("Number", ());
        let _ = tokio::time::timeout(Duration::from_secs(1), asked).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    let engine = engine(Hub::new("hub").method("Ask", ask).method("Fine", async || 1));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Ask", json!([])).await;
    client.message().await;
    assert_eq!(client.call("Fine", json!([])).await["result"], 1);
    pass(Duration::from_secs(2)).await;
    client.invoke("2", "Fine", json!([])).await;
    assert_eq!(client.message().await["invocationId"], "1");
    assert_eq!(client.message().await["invocationId"], "2");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_is_never_awaited_takes_no_permit_away() {
    let ask = async |cx: HubContext| {
        drop(cx.clients().caller().invoke::<i32>("Number", ()));
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    let engine = engine(Hub::new("hub").method("Ask", ask).method("Fine", async || 1));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Ask", json!([])).await;
    client.invoke("2", "Fine", json!([])).await;
    assert_eq!(client.message().await["invocationId"], "1");
    assert_eq!(client.message().await["invocationId"], "2");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_connection_closes_goes_on_without_a_permit() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    let [first, second] = [ask(&mut client, "a").await, ask(&mut client, "b").await];
    answer(&mut client, &first, 1).await;
    answer(&mut client, &second, 2).await;
    until_idle().await;
    assert_eq!(journal.take(), ["a begins"]);
    client.cut();
    until_idle().await;
    assert_eq!(journal.take(), ["b begins"]);
    until_ended(&engine).await;
    assert_eq!(journal.take(), ["a ends", "b ends"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_asks_needs_no_permit_to_go_on() {
    let count = async |cx: HubContext| {
        let n = cx.clients().caller().invoke::<u32>("Number", ()).await?;
        Ok::<_, HubError>(futures_util::stream::iter(0..n))
    };
    let engine = engine(hub(&Journal::default()).stream("Count", count));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.stream("s", "Count", json!([])).await;
    let id = client.message().await["invocationId"].clone();
    answer(&mut client, &id, 1).await;
    assert_eq!(client.message().await["item"], 0);
    assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "s" }));
}
