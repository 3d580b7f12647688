//! The chat hub: messages to all, messages to rooms, who is there, and a stream of numbers.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hubward::{Hub, HubContext, HubError, State};
use serde::Serialize;

use super::clock::now_ms;

/// The longest message, in characters: what the page can show, and a person reads.
const MAX_TEXT_CHARS: usize = 2000;

#[derive(Clone)]
struct NodeName(String);

#[derive(Serialize)]
struct ChatMessage {
    user: String,
    text: String,
    node: String,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
}

#[derive(Serialize)]
struct Presence {
    user: String,
    node: String,
    event: &'static str,
}

pub(super) fn hub(node: &str) -> Hub {
    Hub::new("chat")
        .authorize("SignedIn")
        .on_connected(async |cx: HubContext, State(node): State<NodeName>| presence(cx, node, "joined").await)
        .on_disconnected(async |cx: HubContext, State(node): State<NodeName>| {
            presence(cx, node, "left").await
        })
        .method("Send", send)
        .method("Join", async |cx: HubContext, room: String| cx.groups().add(format!("room:{room}")).await)
        .method("Leave", async |cx: HubContext, room: String| {
            cx.groups().remove(format!("room:{room}")).await
        })
        .method("SendToRoom", send_to_room)
        .stream("Count", count)
        .with_state(NodeName(node.to_owned()))
}

fn user(cx: &HubContext) -> String {
    cx.principal().user_id().map_or_else(|| "anonymous".to_owned(), |user| user.to_string())
}

fn message(
    cx: &HubContext,
    NodeName(node): NodeName,
    text: String,
    room: Option<String>,
) -> Result<ChatMessage, HubError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(HubError::shown("Type something first."));
    }
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(HubError::shown(format!(
            "A message may have {MAX_TEXT_CHARS} characters; send it in parts."
        )));
    }
    Ok(ChatMessage { user: user(cx), text: text.to_owned(), node, at: now_ms(), room })
}

async fn presence(cx: HubContext, NodeName(node): NodeName, event: &'static str) -> Result<(), HubError> {
    let presence = Presence { user: user(&cx), node, event };
    Ok(cx.clients().others().send("Presence", (presence,)).await?)
}

async fn send(cx: HubContext, State(node): State<NodeName>, text: String) -> Result<(), HubError> {
    let message = message(&cx, node, text, None)?;
    Ok(cx.clients().all().send("Message", (message,)).await?)
}

async fn send_to_room(
    cx: HubContext,
    State(node): State<NodeName>,
    room: String,
    text: String,
) -> Result<(), HubError> {
    let message = message(&cx, node, text, Some(room.clone()))?;
    Ok(cx.clients().group(format!("room:{room}")).send("Message", (message,)).await?)
}

async fn count(n: u32, delay_ms: u64) -> impl Stream<Item = u32> {
    let delay = Duration::from_millis(delay_ms.min(10_000));
    stream::iter(0..n.min(1000)).then(move |i| async move {
        tokio::time::sleep(delay).await;
        i
    })
}
