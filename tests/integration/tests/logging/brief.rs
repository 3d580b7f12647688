//! No line is long at any level, whatever a client calls itself and whatever it sends.

use futures_util::{Stream, StreamExt, stream};
use hubward::{Hub, HubError, Upload};
use hubward_tests::frame::{self, masked};
use hubward_tests::{TestClient, TestNode, eventually, token};
use serde_json::{Value, json};

use crate::{lines, node, text};

/// More than a line has with all its fields: of text of somebody else it has 64 bytes of each name and 1,024 of an error.
const LINE_BYTES: usize = 2048;

fn hub() -> Hub {
    async fn number(number: i32) -> i32 {
        number
    }
    async fn hide(text: String) -> Result<(), HubError> {
        Err(HubError::hidden(text))
    }
    async fn show(text: String) -> Result<(), HubError> {
        Err(HubError::shown(text))
    }
    async fn panic(text: String) {
        panic!("{text}")
    }
    async fn fail_midway(text: String) -> impl Stream<Item = Result<i32, HubError>> {
        stream::iter([Err(HubError::hidden(text))])
    }
    async fn sum(mut numbers: Upload<i32>) -> Result<i32, HubError> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }
    Hub::new("brief")
        .method("Number", number)
        .method("Hide", hide)
        .method("Show", show)
        .method("Panic", panic)
        .method("Sum", sum)
        .stream("Stream", fail_midway)
}

/// The longest line of Hubward's own.
fn longest() -> String {
    let text = text();
    let ours = text.lines().filter(|line| line.contains("\"target\":\"hubward"));
    ours.max_by_key(|line| line.len()).unwrap_or_default().to_owned()
}

async fn client(node: &TestNode, user: &str) -> TestClient {
    node.client("/hub").token(&token(user, &[])).open().await
}

/// Messages with a text in each place where a client chooses one.
fn messages(text: &str) -> Vec<Value> {
    let call = |target: &str, id: &str, argument: Value| json!({ "type": 1, "target": target, "invocationId": id, "arguments": [argument] });
    let id = &text[..200];
    vec![
        call("Number", "1", json!(text)),
        call("Number", id, json!([text])),
        call(id, id, json!(1)),
        call("Hide", id, json!(text)),
        call("Show", id, json!(text)),
        call("Panic", id, json!(text)),
        json!({ "type": 4, "target": "Stream", "invocationId": id, "arguments": [text] }),
        json!({ "type": 1, "target": "Sum", "invocationId": "2", "arguments": [], "streamIds": [id] }),
        json!({ "type": 2, "invocationId": id, "item": text }),
        json!({ "type": 3, "invocationId": text }),
        json!({ "type": 1, "target": text, "arguments": [] }),
        json!({ "type": 7, "error": text }),
        json!(text),
    ]
}

#[tokio::test]
async fn no_line_is_long_whatever_a_client_sends() {
    let node = node(hub()).await;
    let text = "x".repeat(30_000);
    let user = &text[..1000];
    for message in messages(&text) {
        let mut client = client(&node, user).await;
        client.send(&message).await;
        client.send(&json!({ "type": 7 })).await;
        client.ended().await;
    }
    let mut upload = client(&node, user).await;
    for message in &messages(&text)[7..9] {
        upload.send(message).await;
    }
    upload.send(&json!({ "type": 7 })).await;
    upload.ended().await;
    for handshake in
        [json!({ "protocol": text, "version": 1 }), json!({ "protocol": "json", "version": text })]
    {
        let connect = node.client("/hub").token(&token(user, &[]));
        let mut http = connect.upgrade(Some(&connect.connection_token().await)).await.unwrap();
        http.write(&masked(frame::TEXT, format!("{handshake}\x1e").as_bytes())).await;
        assert!(http.frame().await.is_some(), "the handshake is answered");
    }
    let ended = || lines("brief").iter().filter(|line| line["message"] == crate::ENDED).count();
    eventually("the ends", async || ended() == messages(&text).len() + 3).await;
    let longest = longest();
    eprintln!(
        "{text}",
        text = crate::text()
            .lines()
            .filter(|l| l.contains("hubward_"))
            .map(|l| format!("{} {:.300}\n", l.len(), l))
            .collect::<String>()
    );
    assert!(longest.len() <= LINE_BYTES, "{} bytes: {:.600}", longest.len(), longest);
}
