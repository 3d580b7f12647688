//! What tests of several modules share: messages told in one line, so that tables of them can be compared.

use std::fmt::Write;

use serde_json::Value;

use crate::{CompletionResult, Headers, Invocation, Limits, Message, Protocol, ProtocolError, decode};

/// Tells a message in one line, its values as JSON.
pub(crate) fn tell(message: &Message<'_>) -> String {
    match message {
        Message::Invocation(call) => tell_call("Invocation", call),
        Message::StreamInvocation(call) => tell_call("StreamInvocation", call),
        Message::StreamItem(item) => {
            let value: Value = item.item.deserialize().unwrap();
            format!("StreamItem {} {value}{}", item.invocation_id, tell_headers(&item.headers))
        }
        Message::Completion(completion) => {
            let result = match &completion.result {
                CompletionResult::Void => "void".to_owned(),
                CompletionResult::Value(result) => {
                    format!("result {}", result.deserialize::<Value>().unwrap())
                }
                CompletionResult::Error(error) => format!("error {error}"),
            };
            format!("Completion {} {result}{}", completion.invocation_id, tell_headers(&completion.headers))
        }
        Message::CancelInvocation(cancel) => {
            format!("CancelInvocation {}{}", cancel.invocation_id, tell_headers(&cancel.headers))
        }
        Message::Ping => "Ping".to_owned(),
        Message::Close(close) => format!("Close {:?} {}", close.error, close.allow_reconnect),
        Message::Ack { sequence_id } => format!("Ack {sequence_id}"),
        Message::Sequence { sequence_id } => format!("Sequence {sequence_id}"),
    }
}

fn tell_call(kind: &str, call: &Invocation<'_>) -> String {
    let arguments: Vec<Value> = call.arguments.iter().map(|value| value.deserialize().unwrap()).collect();
    assert_eq!(arguments.len(), call.arguments.len());
    let id = call.invocation_id.as_deref().unwrap_or("-");
    let mut text = format!("{kind} {id} {}{}", call.target, Value::from(arguments));
    if !call.stream_ids.is_empty() {
        let _ = write!(text, " uploads {:?}", call.stream_ids);
    }
    text + &tell_headers(&call.headers)
}

fn tell_headers(headers: &Headers<'_>) -> String {
    headers.iter().map(|(name, value)| format!(" {name}={value}")).collect()
}

/// Reads a record and tells the message, `skipped`, or the error as a client in detailed mode would see it.
pub(crate) fn read(protocol: Protocol, record: &[u8], limits: &Limits) -> String {
    match decode(protocol, record, limits) {
        Ok(Some(message)) => tell(&message),
        Ok(None) => "skipped".to_owned(),
        Err(error) => tell_error(&error),
    }
}

pub(crate) fn tell_error(error: &ProtocolError) -> String {
    format!("{}: {error}", error.exception())
}
