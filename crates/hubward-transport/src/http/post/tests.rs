//! When a body is put into the inbox, and what becomes of one that is not.

use std::convert::Infallible;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::*;
use crate::pipe::received::Received;
use crate::test_support::TestTask;

/// More than any body here.
const MANY: usize = 1 << 20;

fn unread(inbox: &Inbox) -> Vec<u8> {
    let mut input = Vec::new();
    let _ = inbox.poll_receive(&TestTask::new().cx(), &mut input);
    input
}

/// Makes a body of so many chunks of 1 KiB, and counts those that are read.
fn counted(chunks: usize, read: &Arc<AtomicUsize>) -> Body {
    let read = read.clone();
    Body::from_stream(stream::iter(0..chunks).map(move |_| {
        read.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from_static(&[7; 1024]))
    }))
}

/// A body whose first piece is in the inbox when it comes no further.
fn long_then(rest: impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Body {
    let begin = Ok(Bytes::from(vec![7; PIECE_BYTES + 1]));
    Body::from_stream(stream::iter([begin]).chain(rest))
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

#[tokio::test(start_paused = true)]
async fn a_body_is_not_touched_before_there_is_room() {
    let (inbox, read) = (Inbox::default(), Arc::default());
    assert_eq!(put(&inbox, "1234".into(), MANY, 4).await, Ok(()));
    let mut second = pin!(put(&inbox, counted(8, &read), MANY, 4));
    assert!(TestTask::new().poll(second.as_mut()).is_pending());
    assert_eq!(read.load(Ordering::Relaxed), 0);
    assert_eq!(unread(&inbox), b"1234");
    assert_eq!(second.await, Ok(()));
    assert_eq!(read.load(Ordering::Relaxed), 8);
}

#[tokio::test(start_paused = true)]
async fn a_long_body_is_read_as_there_is_room_for_it() {
    let (inbox, read, post) = (Inbox::default(), Arc::default(), TestTask::new());
    let mut copying = pin!(put(&inbox, counted(1000, &read), MANY, PIECE_BYTES));
    let mut copied = 0;
    while post.poll(copying.as_mut()).is_pending() {
        assert!(read.load(Ordering::Relaxed) * 1024 <= copied + PIECE_BYTES + 1024);
        copied += unread(&inbox).len();
        assert!(post.was_woken());
    }
    assert_eq!(copied + unread(&inbox).len(), 1000 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_long_body_that_breaks_off_ends_the_connection() {
    let gone = stream::iter([Err(std::io::Error::other("gone"))]);
    let inbox = Inbox::default();
    assert_eq!(put(&inbox, long_then(gone), MANY, 0).await, Err(Refusal::BodyAborted));
    assert_ended(&inbox);

    let inbox = Inbox::default();
    let too_long = long_then(stream::iter([Ok(Bytes::from_static(b"more"))]));
    assert_eq!(put(&inbox, too_long, PIECE_BYTES + 2, 0).await, Err(Refusal::BodyTooLarge));
    assert_ended(&inbox);

    // The client goes away, or a deadline of the server passes: the future is dropped.
    let inbox = Inbox::default();
    let mut dropped = Box::pin(put(&inbox, long_then(stream::pending()), MANY, 0));
    assert!(TestTask::new().poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_ended(&inbox);
}

fn assert_ended(inbox: &Inbox) {
    unread(inbox);
    let end = inbox.poll_receive(&TestTask::new().cx(), &mut Vec::new());
    assert_eq!(end, Poll::Ready(Received::End(TransportEnd::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_goes_away_while_it_waits_leaves_its_turn_to_the_next() {
    let inbox = Inbox::default();
    assert_eq!(put(&inbox, "1234".into(), MANY, 4).await, Ok(()));
    let mut gone = Box::pin(put(&inbox, "gone".into(), MANY, 4));
    let mut next = pin!(put(&inbox, "next".into(), MANY, 4));
    assert!(TestTask::new().poll(gone.as_mut()).is_pending());
    assert!(TestTask::new().poll(next.as_mut()).is_pending());
    drop(gone);
    assert!(TestTask::new().poll(next.as_mut()).is_pending());
    assert_eq!(unread(&inbox), b"1234");
    assert_eq!(next.await, Ok(()));
    assert_eq!(unread(&inbox), b"next");
}

#[tokio::test(start_paused = true)]
async fn posts_that_wait_for_room_fail_at_once_when_the_connection_ends() {
    let inbox = Inbox::default();
    assert_eq!(put(&inbox, "1234".into(), MANY, 4).await, Ok(()));
    let post = TestTask::new();
    let mut first = pin!(put(&inbox, endless(), MANY, 4));
    let mut second = pin!(put(&inbox, endless(), MANY, 4));
    assert!(post.poll(first.as_mut()).is_pending());
    assert!(post.poll(second.as_mut()).is_pending());
    inbox.end(TransportEnd::Lost);
    assert!(post.was_woken());
    assert_eq!(first.await, Err(Refusal::ConnectionEnded));
    assert_eq!(second.await, Err(Refusal::ConnectionEnded));
}

#[tokio::test(start_paused = true)]
async fn so_many_posts_may_wait_and_no_more() {
    let inbox = Inbox::default();
    assert_eq!(put(&inbox, "1234".into(), MANY, 4).await, Ok(()));
    let mut waiting = Vec::new();
    let refused = loop {
        let mut post = Box::pin(put(&inbox, "5".into(), MANY, 4));
        match TestTask::new().poll(post.as_mut()) {
            Poll::Pending => waiting.push(post),
            Poll::Ready(refused) => break refused,
        }
    };
    assert_eq!(refused, Err(Refusal::TooManyPosts));
    assert_eq!(waiting.len(), 65);
}
