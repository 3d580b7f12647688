//! What is handed on, left out and refused, wherever it is split and however little room there is.

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use proptest::collection::vec;
use proptest::prelude::*;
use redis::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::connection::limits::{MAX_DEPTH, MAX_LINE_BYTES, MAX_STRING_BYTES, ReplyLimits};

const SMALL: ReplyLimits = ReplyLimits { reply_bytes: 40, reply_values: 6, push_bytes: 30 };

/// A server that has sent this, which is read in these parts.
struct Sent(VecDeque<Vec<u8>>);

impl AsyncRead for Sent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut part) = self.0.pop_front() else { return Poll::Ready(Ok(())) };
        let rest = part.split_off(part.len().min(buffer.remaining()));
        buffer.put_slice(&part);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sent {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // In two parts, as where a socket is full.
        Poll::Ready(Ok(bytes.len().div_ceil(2)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Sends commands and reads all that comes, into so much room at a time.
fn read(
    parts: &[&[u8]],
    commands: usize,
    limits: ReplyLimits,
    room: usize,
) -> (Vec<u8>, Option<ReplyRefused>) {
    let parts = parts.iter().filter(|part| !part.is_empty()).map(|part| part.to_vec()).collect();
    let mut stream = BoundedStream::new(Sent(parts), ReplyScanner::new(limits));
    let mut read = Vec::new();
    let reading = async {
        for _ in 0..commands {
            stream.write_all(&redis::cmd("GET").arg("*1\r\n").get_packed_command()).await.unwrap();
        }
        let mut buffer = vec![0; room];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => break None,
                Ok(bytes) => read.extend_from_slice(&buffer[..bytes]),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                    break stream.refused().get().copied();
                }
            }
        }
    };
    let refused = reading.now_or_never().unwrap();
    (read, refused)
}

/// Checks what becomes of what is sent in reply to so many commands, split into two at each place, and read byte by byte.
fn check(sent: &[u8], commands: usize, expected: Result<&[u8], ReplyRefused>) {
    let shown = String::from_utf8_lossy(sent);
    let bytes: Vec<&[u8]> = sent.chunks(1).collect();
    let split = (0..sent.len()).map(|place| vec![&sent[..place], &sent[place..]]);
    for parts in split.chain([bytes]) {
        for room in [1, 5, 100] {
            let (read, refused) = read(&parts, commands, SMALL, room);
            match expected {
                Ok(expected) => {
                    assert_eq!(refused, None, "{shown:?}");
                    assert_eq!(
                        String::from_utf8_lossy(&read),
                        String::from_utf8_lossy(expected),
                        "{shown:?} {parts:?}"
                    );
                }
                Err(expected) => {
                    assert_eq!(refused, Some(expected), "{shown:?} {parts:?}");
                    assert!(sent.starts_with(&read), "{shown:?} {read:?}");
                }
            }
        }
    }
}

/// Checks that it is handed on as it is.
fn passes(sent: &str, commands: usize) {
    check(sent.as_bytes(), commands, Ok(sent.as_bytes()));
}

fn refused(sent: &str, commands: usize, why: ReplyRefused) {
    check(sent.as_bytes(), commands, Err(why));
}

#[test]
fn what_is_within_the_limits_is_handed_on_as_it_is() {
    passes("+OK\r\n", 1);
    passes("+a\nb\r\r\n:-12\r\n", 2);
    passes("-ERR no\r\n_\r\n,1.5\r\n#t\r\n(123\r\n", 5);
    passes("$5\r\n\r\n*1x\r\n$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n", 5);
    passes("*3\r\n$2\r\n$9\r\n:1\r\n*1\r\n*0\r\n", 1);
    passes("%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n", 3);
    passes("|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n+OK\r\n", 2);
    passes("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 1);
    passes(&format!("${}\r\n{}\r\n", 40, "x".repeat(40)), 1);
}

#[test]
fn what_comes_unasked_is_handed_on_at_any_time_and_confirmations_where_they_are_due() {
    let message = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$22\r\n$1\r\n>2\r\n+OK\r\n:1\r\n12345\r\n";
    let subscribed = ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
    let unsubscribed = ">3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n";
    passes(&[message, message, "+OK\r\n", message].concat(), 1);
    passes(&[subscribed, message, "+OK\r\n", unsubscribed].concat(), 3);
    // As a slot moves.
    passes(&[unsubscribed, unsubscribed].concat(), 0);
    passes(">1\r\n$20\r\nof-another-kind-soon\r\n", 0);
    refused(&[subscribed, subscribed].concat(), 1, ReplyRefused::Unasked);
    refused(&[unsubscribed, "+OK\r\n"].concat(), 1, ReplyRefused::Unasked);
    for reply in ["+OK\r\n", "$1\r\na\r\n", "*0\r\n", "$-1\r\n", "|1\r\n+a\r\n+b\r\n+OK\r\n"] {
        refused(&["+OK\r\n", reply].concat(), 1, ReplyRefused::Unasked);
    }
}

#[test]
fn a_message_that_is_too_long_is_an_empty_one_and_nothing_else_is_lost() {
    let message = |length: usize| {
        format!(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${length}\r\n{}\r\n", "\r\n$1".repeat(length / 4))
    };
    let empty = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n";
    passes(&message(20), 0);
    let sent = [&*message(24), "+OK\r\n", &*message(400), &*message(4)].concat();
    check(sent.as_bytes(), 1, Ok([empty, "+OK\r\n", empty, &*message(4)].concat().as_bytes()));
}

#[test]
fn strings_of_a_reply_that_are_too_long_together_are_nil() {
    let string = |length: usize| format!("${length}\r\n{}\r\n", "x".repeat(length));
    let sent = ["*3\r\n", &*string(30), &*string(11), &*string(10), &*string(41), "+OK\r\n"].concat();
    let expected = ["*3\r\n", &*string(30), "$-1\r\n", &*string(10), "$-1\r\n", "+OK\r\n"].concat();
    check(sent.as_bytes(), 3, Ok(expected.as_bytes()));
}

#[test]
fn a_reply_of_too_many_values_is_an_error_and_what_follows_it_is_handed_on() {
    let error = "-TOOLARGE the reply has too many values\r\n";
    let flat = format!("*7\r\n{}", ":1\r\n".repeat(7));
    let nested = format!("%4\r\n{}", "*3\r\n$50\r\n".to_owned() + &"x".repeat(50) + "\r\n*0\r\n$-1\r\n");
    let nested = nested + &"+a\r\n".repeat(7);
    let sent = ["+OK\r\n", &*flat, &*nested, "*5\r\n", &*":1\r\n".repeat(5)].concat();
    let expected = ["+OK\r\n", error, error, "*5\r\n", &*":1\r\n".repeat(5)].concat();
    check(sent.as_bytes(), 4, Ok(expected.as_bytes()));
}

#[test]
fn what_no_honest_server_sends_is_refused() {
    refused("$536870913\r\n", 1, ReplyRefused::String { bytes: MAX_STRING_BYTES + 1 });
    refused("+OK\r\n*1\r\n$9223372036854775807\r\n", 2, ReplyRefused::String { bytes: i64::MAX as u64 });
    refused(">2\r\n$7\r\nmessage\r\n$1000000000\r\n", 0, ReplyRefused::String { bytes: 1_000_000_000 });
    for count in ["100000000", "9223372036854775807"] {
        for kind in ["*", "~", "%", "|"] {
            refused(&format!("{kind}{count}\r\n"), 1, ReplyRefused::Values);
        }
        refused(&format!(">{count}\r\n$7\r\nmessage\r\n"), 0, ReplyRefused::Values);
    }
    // It is too late for an error.
    refused("*2\r\n:1\r\n*5\r\n", 1, ReplyRefused::Values);
    refused(">7\r\n$7\r\nmessage\r\n", 0, ReplyRefused::Values);
    refused(&"*1\r\n".repeat(9), 1, ReplyRefused::Values);
    refused("*1\r\n>2\r\n$7\r\nmessage\r\n:1\r\n", 1, ReplyRefused::NotRedis);
    refused(&format!("+{}", "x".repeat(41)), 1, ReplyRefused::Bytes);
    for text in
        ["HTTP/1.1 400 Bad Request\r\n", "\r\n", "$?\r\n", "%-1\r\n", "$-2\r\n", ">0\r\n", ">1\r\n+a\r\n"]
    {
        refused(text, 1, ReplyRefused::NotRedis);
    }
}

#[test]
fn depth_and_lines_are_limited() {
    let limits = ReplyLimits::new(None);
    let refused = |sent: &[u8]| read(&[sent], 1, limits, 10_000).1;
    let nested = |depth: usize| "*1\r\n".repeat(depth) + ":1\r\n";
    assert_eq!(refused(nested(MAX_DEPTH).as_bytes()), None);
    assert_eq!(refused(nested(MAX_DEPTH + 1).as_bytes()), Some(ReplyRefused::Depth));
    assert_eq!(refused("|1\r\n+a\r\n+b\r\n".repeat(9).as_bytes()), Some(ReplyRefused::Depth));
    let line = |bytes: usize| format!("-{}\r\n", "x".repeat(bytes - 3));
    assert_eq!(refused(line(MAX_LINE_BYTES).as_bytes()), None);
    assert_eq!(refused(line(MAX_LINE_BYTES + 1).as_bytes()), Some(ReplyRefused::Line));
    assert_eq!(
        refused("x\n".repeat(MAX_LINE_BYTES).replacen('x', "+", 1).as_bytes()),
        Some(ReplyRefused::Line)
    );
}

/// A value as a server encodes it.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let string = |kind: &'static str| {
        vec(any::<u8>(), 0..30).prop_map(move |bytes| {
            [format!("{kind}{}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
        })
    };
    let line = "[-+:(,_#][^\r]{0,30}".prop_map(|line| [line.as_bytes(), b"\r\n"].concat());
    let leaf = prop_oneof![string("$"), string("="), string("!"), line, Just(b"$-1\r\n".to_vec())];
    leaf.prop_recursive(5, 40, 6, |inner| {
        (vec(inner, 0..6), prop::sample::select(b"*~%|".to_vec())).prop_map(|(mut values, kind)| {
            let count = match kind {
                b'%' => values.len() / 2,
                b'|' => values.len().saturating_sub(1) / 2,
                _ => values.len(),
            };
            match kind {
                b'%' => values.truncate(2 * count),
                b'|' => values.resize(2 * count + 1, b"+x\r\n".to_vec()),
                _ => {}
            }
            [&[kind], format!("{count}\r\n").as_bytes(), &values.concat()].concat()
        })
    })
}

/// Counts the values within one, itself included, and the bytes of its strings.
fn measure(value: &Value) -> (usize, usize) {
    let sum = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(measure).fold((1, 0), |(a, b), (c, d)| (a + c, b + d))
    };
    match value {
        Value::Array(values) | Value::Set(values) => sum(&mut values.iter()),
        Value::Push { data, .. } => sum(&mut data.iter()),
        Value::Map(pairs) => sum(&mut pairs.iter().flat_map(|(key, value)| [key, value])),
        Value::Attribute { data, attributes } => {
            sum(&mut attributes.iter().flat_map(|(key, value)| [key, value]).chain([&**data]))
        }
        Value::BulkString(bytes) => (1, bytes.len()),
        Value::SimpleString(text) => (1, text.len()),
        // What is not UTF-8 in it takes three times as much.
        Value::VerbatimString { text, .. } => (1, text.len() / 3),
        _ => (1, 0),
    }
}

proptest! {
    #[test]
    fn whatever_an_encoder_makes_is_handed_on_as_it_is(
        values in vec(value(), 1..6),
        sizes in vec(1..50_usize, 1..20),
        room in 1..200_usize,
    ) {
        let sent = values.concat();
        let (mut parts, mut rest) = (Vec::new(), &sent[..]);
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (part, after) = rest.split_at((*size).min(rest.len()));
            parts.push(part);
            rest = after;
        }
        let (read, refused) = read(&parts, values.len(), ReplyLimits::new(None), room);
        prop_assert_eq!(refused, None);
        prop_assert_eq!(read, sent);
    }

    #[test]
    fn whatever_is_sent_the_library_sees_no_more_than_the_limits_and_no_more_replies_than_were_asked_for(
        values in vec(value(), 1..6),
        changes in vec((any::<prop::sample::Index>(), prop::sample::select(b"$*>|%+\r\n0159-m".to_vec())), 0..6),
        place in any::<prop::sample::Index>(),
        room in 1..200_usize,
    ) {
        let mut sent = values.concat();
        for (place, byte) in changes {
            let place = place.index(sent.len());
            sent[place] = byte;
        }
        let (first, second) = sent.split_at(place.index(sent.len()));
        let (read, _) = read(&[first, second], 3, SMALL, room);
        let (mut parser, mut rest, mut replies) = (redis::Parser::new(), &read[..], 0);
        while let Ok(value) = parser.parse_value(&mut rest) {
            let (values, bytes) = measure(&value);
            let is_push = matches!(&value, Value::Push { .. });
            replies += usize::from(!is_push);
            prop_assert!(values <= 8 && bytes <= 40, "{:?}", value);
        }
        prop_assert!(replies <= 3);
    }
}
