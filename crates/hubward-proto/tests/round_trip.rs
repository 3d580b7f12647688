//! Whatever is written is read again as it was, whole or in pieces; and no bytes make a decoder panic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a session takes any moment as its time, and waits for none")]

use hubward_proto::{
    CompletionResult, Event, Frame, Limits, List, Message, Protocol, RawArguments, Session, SessionConfig,
    decode, encode, split,
};
use proptest::prelude::*;
use serde_json::Value;

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(&Protocol::ALL[..])
}

fn id() -> impl Strategy<Value = String> {
    "\\PC{1,30}"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn limits() -> Limits {
    Limits { message_bytes: None, ..Limits::default() }
}

/// Reads a frame that holds one message.
fn read(protocol: Protocol, frame: &Frame) -> Message<'_> {
    let (record, consumed) = split(protocol, frame.message(), &limits()).unwrap().unwrap();
    assert_eq!(consumed, frame.message().len());
    decode(protocol, record, &limits()).unwrap().unwrap()
}

fn values(arguments: &RawArguments<'_>) -> Vec<Value> {
    arguments.iter().map(|value| value.deserialize().unwrap()).collect()
}

/// Returns the number that was sent with a call.
fn number(event: &Event<'_>) -> Option<usize> {
    match event {
        Event::Invocation { call, .. } => Some(call.arguments.iter().next()?.deserialize().unwrap()),
        _ => None,
    }
}

/// Pieces of JSON, and some that look like it but are not.
const TOKENS: [&str; 26] = [
    "[",
    "]",
    "[",
    "]",
    "{",
    "}",
    "{}",
    "[]",
    ",",
    ",",
    ":",
    "\"a\":",
    " ",
    "\"\\u12aF\"",
    "\"\\n\\\"x\\\\\"",
    "\"\\x\"",
    "\"12345678\"",
    "0",
    "-0.5e+7",
    "01",
    "1.",
    "-",
    "true",
    "fals",
    "null",
    "\t\n",
];

proptest! {
    #[test]
    fn calls_are_read_as_they_were_written(
        protocol in protocol(),
        id in prop::option::of(id()),
        target in "\\PC{1,30}",
        arguments in prop::collection::vec(value(), 0..5),
        stream_ids in prop::collection::vec(id(), 0..5),
    ) {
        let ids: Vec<&str> = stream_ids.iter().map(String::as_str).collect();
        let list = List(arguments.clone());
        let frame = encode::invocation_with_streams(protocol, id.as_deref(), &target, &list, &ids).unwrap();
        let Message::Invocation(call) = read(protocol, &frame) else { panic!("an invocation") };
        prop_assert_eq!(call.invocation_id.as_deref(), id.as_deref());
        prop_assert_eq!(&call.target, &target);
        prop_assert_eq!(values(&call.arguments), arguments.clone());
        prop_assert_eq!(&call.stream_ids, &ids);
        let again = RawArguments::new(protocol, call.arguments.bytes(), &limits()).unwrap();
        prop_assert_eq!(again, call.arguments);

        let id = id.unwrap_or("1".to_owned());
        let frame = encode::stream_invocation(protocol, &id, &target, &list, &ids).unwrap();
        let Message::StreamInvocation(call) = read(protocol, &frame) else { panic!("a stream invocation") };
        prop_assert_eq!(call.invocation_id.as_deref(), Some(&*id));
        prop_assert_eq!(values(&call.arguments), arguments);
    }

    #[test]
    fn items_completions_and_closes_are_read_as_they_were_written(
        protocol in protocol(),
        id in id(),
        value in value(),
        error: String,
    ) {
        let frame = encode::stream_item(protocol, &id, &value).unwrap();
        let Message::StreamItem(item) = read(protocol, &frame) else { panic!("a stream item") };
        prop_assert_eq!(&item.invocation_id, &id);
        prop_assert_eq!(&item.item.deserialize::<Value>().unwrap(), &value);

        let frame = encode::completion(protocol, &id, &value).unwrap();
        let Message::Completion(completion) = read(protocol, &frame) else { panic!("a completion") };
        prop_assert_eq!(&completion.invocation_id, &id);
        let CompletionResult::Value(result) = completion.result else { panic!("a result") };
        prop_assert_eq!(result.is_null(), value.is_null());
        prop_assert_eq!(result.deserialize::<Value>().unwrap(), value);

        let frame = encode::completion_error(protocol, &id, &error);
        let Message::Completion(completion) = read(protocol, &frame) else { panic!("a completion") };
        let CompletionResult::Error(received) = completion.result else { panic!("an error") };
        prop_assert_eq!(&received, &error);

        let frame = encode::close(protocol, Some(&error), true);
        let Message::Close(close) = read(protocol, &frame) else { panic!("a close") };
        prop_assert_eq!(close.error.as_deref(), Some(&*error));
        prop_assert!(close.allow_reconnect);
    }

    #[test]
    fn acks_and_sequences_are_read_as_they_were_written(protocol in protocol(), number in 0..=i64::MAX as u64) {
        let frame = encode::ack(protocol, number);
        let Message::Ack { sequence_id } = read(protocol, &frame) else { panic!("an ack") };
        prop_assert_eq!(sequence_id, number);
        let frame = encode::sequence(protocol, number);
        let Message::Sequence { sequence_id } = read(protocol, &frame) else { panic!("a sequence") };
        prop_assert_eq!(sequence_id, number);
    }

    #[test]
    fn input_may_be_cut_anywhere(
        protocol in protocol(),
        count in 1..8usize,
        mut cuts in prop::collection::vec(0..1000usize, 0..10),
    ) {
        let mut input = encode::handshake_request(protocol, 1).message().to_vec();
        for number in 0..count {
            input.extend_from_slice(encode::ping(protocol).message());
            let string = "x".repeat(number * 40);
            input.extend_from_slice(encode::invocation(protocol, None, "m", &(number, string)).unwrap().message());
        }
        cuts.push(input.len());
        cuts.sort_unstable();
        let now = std::time::Instant::now();
        let mut session = Session::server(SessionConfig::default(), now);
        let (mut start, mut read) = (0, Vec::new());
        for end in cuts {
            loop {
                let piece = input.get(start..end.min(input.len())).unwrap();
                let progress = session.handle_input(now, piece).unwrap();
                read.extend(progress.event.as_ref().and_then(number));
                start += progress.consumed;
                if progress.consumed == 0 {
                    break;
                }
            }
        }
        prop_assert_eq!(read, (0..count).collect::<Vec<_>>());
        prop_assert_eq!(start, input.len());
    }

    #[test]
    fn json_is_accepted_exactly_where_another_reader_accepts_it(
        tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..12),
    ) {
        let array = format!("[{}]", tokens.concat());
        let ours = RawArguments::new(Protocol::Json, array.as_bytes(), &limits()).map(|arguments| arguments.len());
        let theirs = serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&array).map(|items| items.len());
        prop_assert_eq!(ours.ok(), theirs.ok(), "{}", array);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(protocol in protocol(), bytes: Vec<u8>) {
        let _ = decode(protocol, &bytes, &limits());
        let _ = split(protocol, &bytes, &limits());
    }
}
