//! Tests of what an operator learns of failures: those that a client is not sent, with what caused them.

use futures_util::stream;
use hubward_hub::{Hub, HubContext, Upload};
use serde_json::{Value, json};

use super::*;
use crate::testing::client::TestClient;
use crate::testing::log::CapturedLog;
use crate::testing::{engine, until_ended};

#[derive(Debug, thiserror::Error)]
#[error("the ward could not be read")]
struct Ward(#[source] std::io::Error);

/// An error with a cause, whose text its own does not have.
fn secret() -> HubError {
    HubError::from(Ward(std::io::Error::other("disk 3 is gone")))
}

fn shown() -> HubError {
    HubError::shown("The ward is full.")
}

const CHAIN: &str = r#"error="Ward: the ward could not be read: disk 3 is gone""#;

/// Connects alice to a hub, calls what `call` is, and disconnects: the lines at WARN and above about failures.
async fn lines(hub: Hub, call: Option<Value>) -> Vec<String> {
    let log = CapturedLog::start();
    let engine = engine(hub);
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    if let Some(call) = call {
        client.send(&call).await;
        client.message().await;
    }
    client.cut();
    until_ended(&engine).await;
    [Level::ERROR, Level::WARN].iter().flat_map(|level| log.lines(*level)).collect()
}

fn call(kind: u8) -> Option<Value> {
    Some(json!({ "type": kind, "invocationId": "1", "target": "M", "arguments": [] }))
}

fn about(sentence: &str, method: &str) -> Vec<String> {
    vec![format!(r#"{sentence} hub=hub{method} connection_id=c1 user="alice" {CHAIN}"#)]
}

const METHOD: &str = r#" method="M""#;

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_client_is_not_sent_is_a_warning_with_what_caused_it() {
    let hub = Hub::new("hub").method("M", async || Err::<(), _>(secret()));
    assert_eq!(lines(hub, call(1)).await, about("A hub method failed.", METHOD));
    let hub = Hub::new("hub").stream("M", async || stream::iter([Err::<u8, _>(secret())]));
    assert_eq!(lines(hub, call(4)).await, about("A stream failed.", METHOD));
    let hub = Hub::new("hub").on_connected(async || Err::<(), _>(secret()));
    assert_eq!(lines(hub, None).await, about("on_connected failed.", ""));
    let hub = Hub::new("hub").on_disconnected(async || Err::<(), _>(secret()));
    assert_eq!(lines(hub, None).await, about("on_disconnected failed.", ""));
}

#[tokio::test(start_paused = true)]
async fn a_filters_failure_is_that_of_its_call() {
    let hub = Hub::new("hub").method("M", async || ()).filter(async |call, next| match call.method() {
        "M" => Err(secret()),
        _ => next.run().await,
    });
    assert_eq!(lines(hub, call(1)).await, about("A hub method failed.", METHOD));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_completion_is_logged_as_any_other() {
    let log = CapturedLog::start();
    let engine =
        engine(Hub::new("hub").method("M", async || Err::<(), _>(secret())).method("N", async || ()));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send(&json!({ "type": 1, "target": "M", "arguments": [] })).await;
    client.call("N", json!([])).await;
    let line = format!("A hub method failed. hub=hub{METHOD} connection_id=c1 {CHAIN}");
    assert_eq!(log.lines(Level::WARN), [line]);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_for_the_client_concerns_no_operator() {
    let none = Vec::<String>::new();
    let hub = Hub::new("hub").method("M", async || Err::<(), _>(shown()));
    assert_eq!(lines(hub, call(1)).await, none);
    let hub = Hub::new("hub").stream("M", async || stream::iter([Err::<u8, _>(shown())]));
    assert_eq!(lines(hub, call(4)).await, none);
    let hub = Hub::new("hub").on_connected(async || Err::<(), _>(shown()));
    assert_eq!(lines(hub, None).await, none);
}

#[tokio::test(start_paused = true)]
async fn what_on_disconnected_makes_for_a_client_reaches_none_and_is_a_warning() {
    let hub = Hub::new("hub").on_disconnected(async || Err::<(), _>(shown()));
    let line = r#"on_disconnected failed. hub=hub connection_id=c1 user="alice" error="The ward is full.""#;
    assert_eq!(lines(hub, None).await, [line]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_fit_its_method_is_a_debug_line_that_says_whose_it_is() {
    let log = CapturedLog::start();
    let engine = engine(Hub::new("hub").method("M", async |_: u8| ()));
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    client.call("M", json!(["seven"])).await;
    let lines = log.lines(Level::DEBUG);
    let line = lines.iter().find(|line| line.starts_with("A call does not fit")).unwrap();
    let whose = r#"A call does not fit its method. hub=hub method=M connection_id=c1 user="alice" error="#;
    assert!(line.starts_with(whose), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_in_the_middle_concerns_no_operator() {
    let read = async |mut items: Upload<u8>| items.next_item().await.transpose();
    let ask = async |cx: HubContext| cx.clients().caller().invoke::<u8>("Number", ()).await;
    let mut upload = call(1);
    upload.as_mut().unwrap()["streamIds"] = json!(["s"]);
    for call in [upload, call(1)] {
        let log = CapturedLog::start();
        let hub = Hub::new("hub");
        let streams = call.as_ref().unwrap()["streamIds"].is_array();
        let engine = engine(if streams { hub.method("M", read) } else { hub.method("M", ask) });
        let mut client = TestClient::connect(&engine, "c1").await;
        client.send(&call.unwrap()).await;
        client.cut();
        until_ended(&engine).await;
        assert_eq!(log.lines(Level::WARN), Vec::<String>::new());
        assert!(log.messages().contains(&"DEBUG A hub method failed.".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_failures_is_a_few_lines_for_each_method_and_their_number() {
    const CALLS: usize = 1000;
    let log = CapturedLog::start();
    let hub = Hub::new("hub")
        .method("M", async || Err::<(), _>(secret()))
        .method("P", async || -> u8 { panic!("P panics") })
        .method("Other", async || Err::<(), _>(secret()));
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    for method in ["M", "P"] {
        for _ in 0..CALLS {
            client.call(method, json!([])).await;
        }
    }
    client.call("Other", json!([])).await;
    client.cut();
    until_ended(&engine).await;
    let (warnings, errors) = (log.lines(Level::WARN), log.lines(Level::ERROR));
    let of = |lines: &[String], method: &str| lines.iter().filter(|line| line.contains(method)).count();
    assert_eq!((of(&warnings, "Other"), of(&warnings, r#""M""#), of(&errors, r#""P""#)), (1, 11, 11));
    let number = CALLS - 10;
    for (lines, of_what) in [
        (warnings, r#"method="M" failure="A hub method failed.""#),
        (errors, r#"method="P" failure="A hub method panicked.""#),
    ] {
        let rest = format!("More of the same. hub=hub {of_what} failures={number}");
        assert!(lines.contains(&rest), "{lines:?}");
    }
}

#[test]
fn what_an_error_says_of_its_cause_itself_is_not_repeated_and_the_line_is_bounded() {
    #[derive(Debug, thiserror::Error)]
    #[error("reading failed: {0}")]
    struct Reading(#[from] std::io::Error);
    let reading = HubError::from(Reading(std::io::Error::other("end of file")));
    assert_eq!(chain(&reading), "Reading: reading failed: end of file");

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Deep(usize, #[source] Option<Box<Deep>>);
    let deep = (0..10_000).fold(Deep(0, None), |cause, depth| Deep(depth, Some(Box::new(cause))));
    assert!(chain(&HubError::from(deep)).len() <= CHAIN_BYTES + 10);
}
