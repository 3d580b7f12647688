//! What tests of several modules share: messages described in one line, so that tests can compare tables of them.

use std::fmt::Write;
use std::time::Instant;

use serde_json::Value;

use crate::{CompletionResult, Headers, Invocation, Limits, Message, Protocol, ProtocolError, decode};

/// Limits so small that tests can exceed each of them.
pub(crate) const SMALL_LIMITS: Limits = Limits {
    message_bytes: Some(16),
    depth: 4,
    headers: 2,
    header_bytes: 8,
    id_bytes: 3,
    target_bytes: 3,
    stream_ids: 2,
    arguments: 2,
};

/// Returns a moment for a test to start at.
#[allow(clippy::disallowed_methods, reason = "a session takes any moment as its time, and waits for none")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Describes a message in one line, its values as JSON.
pub(crate) fn describe(message: &Message<'_>) -> String {
    match message {
        Message::Invocation(call) => describe_call("Invocation", call),
        Message::StreamInvocation(call) => describe_call("StreamInvocation", call),
        Message::StreamItem(item) => {
            let value: Value = item.item.deserialize().unwrap();
            format!("StreamItem {} {value}{}", item.invocation_id, describe_headers(&item.headers))
        }
        Message::Completion(completion) => {
            let result = match &completion.result {
                CompletionResult::Void => "void".to_owned(),
                CompletionResult::Value(result) => {
                    format!("result {}", result.deserialize::<Value>().unwrap())
                }
                CompletionResult::Error(error) => format!("error {error}"),
            };
            format!(
                "Completion {} {result}{}",
                completion.invocation_id,
                describe_headers(&completion.headers)
            )
        }
        Message::CancelInvocation(cancel) => {
            format!("CancelInvocation {}{}", cancel.invocation_id, describe_headers(&cancel.headers))
        }
        Message::Ping => "Ping".to_owned(),
        Message::Close(close) => format!("Close {:?} {}", close.error, close.allow_reconnect),
        Message::Ack { sequence_id } => format!("Ack {sequence_id}"),
        Message::Sequence { sequence_id } => format!("Sequence {sequence_id}"),
    }
}

fn describe_call(kind: &str, call: &Invocation<'_>) -> String {
    let arguments: Vec<Value> = call.arguments.iter().map(|value| value.deserialize().unwrap()).collect();
    assert_eq!(arguments.len(), call.arguments.len());
    let id = call.invocation_id.as_deref().unwrap_or("-");
    let mut line = format!("{kind} {id} {}{}", call.target, Value::from(arguments));
    if !call.stream_ids.is_empty() {
        let _ = write!(line, " uploads {:?}", call.stream_ids);
    }
    line + &describe_headers(&call.headers)
}

fn describe_headers(headers: &Headers<'_>) -> String {
    headers.iter().map(|(name, value)| format!(" {name}={value}")).collect()
}

/// Reads a record and describes the message, `skipped`, or the error as a client in detailed mode would see it.
pub(crate) fn read(protocol: Protocol, record: &[u8], limits: &Limits) -> String {
    match decode(protocol, record, limits) {
        Ok(Some(message)) => describe(&message),
        Ok(None) => "skipped".to_owned(),
        Err(error) => describe_error(&error),
    }
}

pub(crate) fn describe_error(error: &ProtocolError) -> String {
    format!("{}: {error}", error.exception())
}
