//! When a body is put into the inbox, and what becomes of one that is not.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;

use super::*;
use crate::pipe::received::TransportEnd;
use crate::test_support::TestTask;

/// More than any body here.
const MANY: usize = 1 << 20;

fn unread(inbox: &Inbox) -> Vec<u8> {
    let mut input = Vec::new();
    let _ = inbox.poll_receive(&TestTask::new().cx(), &mut input);
    input
}

/// Makes a body that never ends.
fn endless() -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())
}

#[tokio::test(start_paused = true)]
async fn a_body_over_its_limit_is_refused_whether_or_not_it_declares_its_length() {
    let inbox = Inbox::default();
    let declared = Body::from(vec![0; 11]);
    assert_eq!(put(&inbox, declared, 10, MANY).await, Err(Refusal::BodyTooLarge));
    let pieces = ["123456", "789012"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    let streamed = Body::from_stream(stream::iter(pieces));
    assert_eq!(put(&inbox, streamed, 10, MANY).await, Err(Refusal::BodyTooLarge));
    assert_eq!(unread(&inbox), b"", "nothing of it arrives");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_leaves_nothing() {
    let inbox = Inbox::default();
    let pieces = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(stream::iter(pieces));
    assert_eq!(put(&inbox, body, MANY, MANY).await, Err(Refusal::BodyAborted));
    assert_eq!(unread(&inbox), b"");
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_accepted_and_wakes_nobody() {
    let (inbox, reader) = (Inbox::default(), TestTask::new());
    assert!(inbox.poll_receive(&reader.cx(), &mut Vec::new()).is_pending());
    assert_eq!(put(&inbox, Body::empty(), MANY, MANY).await, Ok(()));
    assert!(!reader.was_woken());
}

#[tokio::test(start_paused = true)]
async fn a_post_waits_for_the_reader_and_later_ones_for_their_turn() {
    let inbox = Inbox::default();
    assert_eq!(put(&inbox, "1234".into(), MANY, 4).await, Ok(()));
    let mut second = pin!(put(&inbox, "5678".into(), MANY, 4));
    let mut third = pin!(put(&inbox, "9".into(), MANY, 0));
    assert!(TestTask::new().poll(second.as_mut()).is_pending());
    assert!(TestTask::new().poll(third.as_mut()).is_pending());
    assert_eq!(unread(&inbox), b"1234");
    assert_eq!(second.await, Ok(()));
    assert_eq!(third.await, Ok(()));
    assert_eq!(unread(&inbox), b"56789");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_ends_a_post_in_any_state() {
    let inbox = Inbox::default();
    let mut reading = pin!(put(&inbox, endless(), MANY, MANY));
    let mut queued = pin!(put(&inbox, "late".into(), MANY, MANY));
    assert!(TestTask::new().poll(reading.as_mut()).is_pending());
    assert!(TestTask::new().poll(queued.as_mut()).is_pending());
    inbox.end(TransportEnd::Lost);
    assert_eq!(reading.await, Err(Refusal::ConnectionEnded));
    assert_eq!(queued.await, Err(Refusal::ConnectionEnded));
}
