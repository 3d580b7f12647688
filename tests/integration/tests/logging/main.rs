//! What is logged of a connection: one line when it is accepted or refused and one when it ends, and no token ever.
//!
//! All of it is captured at TRACE, dependencies included; each test of this binary finds its lines by its hub.

mod brief;
mod traces;

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use hubward::auth::Policy;
use hubward::{Hub, HubContext, HubError, Hubward, TransportOptions};
use hubward_tests::frame::{self, masked};
use hubward_tests::{Connect, HANDSHAKE, Http, TestNode, eventually, issuer, token};
use serde_json::{Value, json};

/// What has been written so far.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let written = Written::default();
    let writer = written.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    written
});

fn text() -> String {
    String::from_utf8(WRITTEN.0.lock().unwrap().clone()).unwrap()
}

/// The lines about a hub at INFO and above, in order.
fn lines(hub: &str) -> Vec<Value> {
    let lines = text();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["hub"] == hub && !["DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()))
        .collect()
}

async fn lines_are(hub: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} lines about {hub}"), async || lines(hub).len() >= count).await;
    let lines = lines(hub);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// Compares the fields that every line about a connection has.
fn check(line: &Value, level: &str, message: &str, fields: &Value) {
    assert_eq!((&line["level"], &line["message"]), (&json!(level), &json!(message)), "{line:#}");
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name} of {line:#}");
    }
}

async fn node(hub: Hub) -> TestNode {
    node_with_options(hub, TransportOptions::default()).await
}

async fn node_with_options(hub: Hub, options: TransportOptions) -> TestNode {
    LazyLock::force(&WRITTEN);
    let builder = Hubward::builder()
        .auth(issuer().authenticator())
        .policy("Staff", Policy::authenticated())
        .policy("Doctors", Policy::any_role(["doctor"]));
    TestNode::start(builder.hub_with_options("/hub", hub, options).build().unwrap()).await
}

const ACCEPTED: &str = "A connection was accepted.";
const REFUSED: &str = "A connection was refused.";
const ENDED: &str = "A connection ended.";

#[tokio::test]
async fn a_connection_has_one_line_when_it_is_accepted_and_one_when_it_ends() {
    async fn echo(text: String) -> String {
        text
    }
    async fn fail() -> Result<(), HubError> {
        Err(HubError::shown("no"))
    }
    async fn abort(cx: HubContext) {
        cx.abort();
    }
    let hub = Hub::new("calm").method("Echo", echo).method("Fail", fail).method("Abort", abort);
    let node = node(hub).await;

    let mut client = node.client("/hub").token(&token("alice", &[])).open().await;
    client.result("Echo", json!(["x"])).await;
    client.error("Fail", json!([])).await;
    client.error("Nothing", json!([])).await;
    let id = client.id.clone();
    client.send(&json!({ "type": 7 })).await;
    client.ended().await;
    let both = lines_are("calm", 2).await;
    let fields = json!({ "user": "alice", "hub": "calm", "transport": "WebSockets", "connection_id": id });
    check(&both[0], "INFO", ACCEPTED, &fields);
    check(&both[1], "INFO", ENDED, &fields);
    assert_eq!(both[1]["reason"], "client");

    // An anonymous user, whose connection the hub aborts.
    let mut client = node.client("/hub").open().await;
    client.begin("Abort", json!([])).await;
    client.ended().await;
    let all = lines_are("calm", 4).await;
    let fields = json!({ "hub": "calm", "transport": "WebSockets", "connection_id": client.id });
    check(&all[2], "INFO", ACCEPTED, &fields);
    check(&all[3], "INFO", ENDED, &fields);
    assert_eq!(all[3]["reason"], "aborted");

    // One that closes its WebSocket, and one that breaks the protocol.
    node.client("/hub").open().await.close().await;
    let all = lines_are("calm", 6).await;
    check(&all[5], "INFO", ENDED, &json!({ "reason": "transport_closed" }));
    let mut client = node.client("/hub").open().await;
    client.send_text(b"not JSON\x1e").await;
    client.ended().await;
    let all = lines_are("calm", 8).await;
    check(&all[7], "WARN", ENDED, &json!({ "reason": "protocol_error", "connection_id": client.id }));
}

#[tokio::test]
async fn every_transport_is_named() {
    let options = TransportOptions { poll_timeout: Duration::from_millis(20), ..TransportOptions::default() };
    let node = node_with_options(Hub::new("transports"), options).await;
    let connect = node.client("/hub").token(&token("alice", &[]));
    let bearer = format!("Bearer {}", token("alice", &[]));
    let mut expected = Vec::new();
    for (name, accept) in [("ServerSentEvents", "text/event-stream"), ("LongPolling", "*/*")] {
        let negotiated = connect.negotiate().await.json();
        let target = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
        let headers = [("Accept", accept), ("Authorization", bearer.as_str())];
        let mut get = Http::connect(node.address).await;
        get.send("GET", &target, &headers, b"").await;
        assert_eq!(get.head().await.status, 200);
        if name == "LongPolling" {
            assert_eq!(node.request("DELETE", &target, &headers, b"").await.status, 202);
        }
        drop(get);
        expected.push((name, negotiated["connectionId"].clone()));
        let all = lines_are("transports", expected.len() * 2).await;
        for line in &all[all.len() - 2..] {
            let fields =
                json!({ "user": "alice", "transport": name, "connection_id": negotiated["connectionId"] });
            check(line, "INFO", line["message"].as_str().unwrap(), &fields);
        }
    }
}

#[tokio::test]
async fn a_refused_connection_has_a_line_with_the_reason() {
    let guarded = node(Hub::new("guarded").authorize("Doctors")).await;
    assert_eq!(guarded.client("/hub").negotiate().await.status, 401);
    assert_eq!(guarded.client("/hub").token("no.token.atall").negotiate().await.status, 401);
    assert_eq!(guarded.client("/hub").token(&token("nina", &["nurse"])).negotiate().await.status, 403);
    let upgraded = guarded.client("/hub").upgrade(None).await;
    assert_eq!(upgraded.err().unwrap().status, 401);
    let all = lines_are("guarded", 4).await;
    check(&all[0], "INFO", REFUSED, &json!({ "hub": "guarded", "reason": "no token" }));
    check(&all[1], "INFO", REFUSED, &json!({ "reason": "the token was refused" }));
    check(&all[2], "INFO", REFUSED, &json!({ "user": "nina", "reason": "a policy forbids it" }));
    check(&all[3], "INFO", REFUSED, &json!({ "reason": "no token" }));
    assert!(all.iter().all(|line| line["connection_id"].is_null()), "there was no connection yet");

    // Another user's token on a connection that alice negotiated.
    let doctor = |name: &str| guarded.client("/hub").token(&token(name, &["doctor"]));
    let negotiated = doctor("alice").negotiate().await.json();
    let stolen = doctor("mallory").upgrade(negotiated["connectionToken"].as_str()).await;
    assert_eq!(stolen.err().unwrap().status, 403);
    let all = lines_are("guarded", 5).await;
    let fields = json!({
        "user": "mallory", "transport": "WebSockets", "connection_id": negotiated["connectionId"],
        "reason": "the user changed"
    });
    check(&all[4], "INFO", REFUSED, &fields);
}

/// What must not be found: tokens, and the parts of them that give access.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    fn assert_not_in(&self, logged: &str) {
        for secret in &self.0 {
            assert!(!logged.contains(secret.as_str()), "a token is in the log: {secret}");
        }
    }
}

/// Connects with a valid token, and uses its connection token a second time and in part.
async fn use_good_token(connect: &Connect, secrets: &mut Secrets) {
    let mut client = connect.open().await;
    secrets.add(&client.token);
    client.result("Echo", json!(["x"])).await;
    client.error("Echo", json!(["fail"])).await;
    client.close().await;
    // A second use is refused.
    let token = connect.connection_token().await;
    secrets.add(&token);
    connect.upgrade(Some(&token)).await.unwrap();
    assert!(connect.upgrade(Some(&token)).await.is_err());
    let malformed = &token[..token.len() / 2];
    secrets.add(malformed);
    assert_eq!(connect.upgrade(Some(malformed)).await.err().unwrap().status, 404);
}

/// Sends a token that does not hold wherever a token may be.
async fn use_bad_token(node: &TestNode, bad: &str) {
    node.client("/hub").token(bad).negotiate().await;
    let in_query = node.client("/hub").query(&format!("access_token={bad}"));
    in_query.negotiate().await;
    let _ = in_query.upgrade(Some(bad)).await;
    for method in ["GET", "POST", "DELETE", "PUT"] {
        let target = format!("/hub?id={bad}&access_token={bad}");
        node.request(method, &target, &[("Authorization", bad)], b"").await;
    }
}

/// In version 0 of negotiate the public id is the token.
async fn use_id_as_token(node: &TestNode, secrets: &mut Secrets) {
    let negotiated = node.request("POST", "/hub/negotiate", &[], b"").await.json();
    let token = negotiated["connectionId"].as_str().unwrap();
    secrets.add(token);
    let mut http = node.client("/hub").upgrade(Some(token)).await.unwrap();
    http.write(&masked(frame::TEXT, HANDSHAKE)).await;
    assert_eq!(http.frame().await.unwrap().1, b"{}\x1e");
    let call = json!({ "type": 1, "invocationId": "1", "target": "Echo", "arguments": ["fail"] });
    http.write(&masked(frame::TEXT, format!("{call}\x1e").as_bytes())).await;
    assert!(String::from_utf8(http.frame().await.unwrap().1).unwrap().contains("error"));
}

#[tokio::test]
async fn no_token_is_ever_logged() {
    async fn echo(cx: HubContext, text: String) -> Result<String, HubError> {
        cx.groups().add("g").await?;
        if text == "fail" { Err(HubError::hidden("a reason")) } else { Ok(text) }
    }
    let open = node(Hub::new("open").method("Echo", echo)).await;
    let closed = node(Hub::new("closed").authorize("Staff").method("Echo", echo)).await;
    let good = token("alice", &["doctor"]);
    let bad = [
        format!("{good}x"),
        good[..good.len() - 3].to_owned(),
        "malformed-secret-token".to_owned(),
        format!("{}.e30.malformed-secret-part", good.split('.').next().unwrap()),
    ];
    let mut secrets = Secrets::default();
    bad.iter().for_each(|bad| secrets.add(bad));
    secrets.add(&good);
    secrets.add(good.rsplit_once('.').unwrap().1);

    for node in [&open, &closed] {
        for connect in [
            node.client("/hub").token(&good),
            node.client("/hub").query(&format!("access_token={good}")),
            node.client("/hub").query(&format!("Access_Token={good}")).token(&good),
        ] {
            use_good_token(&connect, &mut secrets).await;
        }
        for bad in &bad {
            use_bad_token(node, bad).await;
        }
    }
    use_id_as_token(&open, &mut secrets).await;

    let ends = |hub: &str| lines(hub).iter().filter(|line| line["message"] == ENDED).count();
    eventually("all lines", async || ends("open") == 7 && ends("closed") == 6).await;
    let logged = text();
    assert!(logged.contains("\"DEBUG\""), "nothing was captured");
    secrets.assert_not_in(&logged);
}
