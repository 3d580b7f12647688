//! What a reader gets, and what holds a POST back.

use super::*;
use crate::test_support::TestTask;

const CLOSED: TransportEnd = TransportEnd::Closed { code: None };

/// Puts a body in where it has to go in at once.
fn put(inbox: &Inbox, body: &[u8]) {
    let put = inbox.poll_put(&TestTask::new().cx(), &mut body.to_vec(), 0);
    assert_eq!(put, Poll::Ready(Ok(())));
}

fn receive(inbox: &Inbox, task: &TestTask) -> (Poll<Received>, Vec<u8>) {
    let mut input = Vec::new();
    (inbox.poll_receive(&task.cx(), &mut input), input)
}

#[test]
fn bodies_are_read_in_the_order_in_which_they_came() {
    let (inbox, reader) = (Inbox::default(), TestTask::new());
    assert!(receive(&inbox, &reader).0.is_pending());
    put(&inbox, b"one, ");
    assert!(reader.was_woken());
    put(&inbox, b"two");
    assert_eq!(receive(&inbox, &reader), (Poll::Ready(Received::Data), b"one, two".to_vec()));
    assert!(receive(&inbox, &reader).0.is_pending(), "nothing is read twice");
}

#[test]
fn what_is_read_is_appended_to_what_the_reader_has() {
    let inbox = Inbox::default();
    put(&inbox, b"new");
    let mut input = b"old ".to_vec();
    assert!(inbox.poll_receive(&TestTask::new().cx(), &mut input).is_ready());
    assert_eq!(input, b"old new");
}

#[test]
fn a_post_waits_while_its_limit_is_unread_and_reading_wakes_it() {
    let (inbox, post, reader) = (Inbox::default(), TestTask::new(), TestTask::new());
    put(&inbox, b"1234");
    let mut body = b"5".to_vec();
    assert!(inbox.poll_put(&post.cx(), &mut body, 4).is_pending());
    assert!(!post.was_woken());
    assert!(receive(&inbox, &reader).0.is_ready());
    assert!(post.was_woken());
    assert_eq!(inbox.poll_put(&post.cx(), &mut body, 4), Poll::Ready(Ok(())));
    assert_eq!(receive(&inbox, &reader).1, b"5");
}

#[test]
fn a_body_over_the_limit_goes_in_whole_where_less_than_the_limit_is_unread() {
    let inbox = Inbox::default();
    put(&inbox, b"123");
    let mut body = b"45678".to_vec();
    assert_eq!(inbox.poll_put(&TestTask::new().cx(), &mut body, 4), Poll::Ready(Ok(())));
    assert_eq!(receive(&inbox, &TestTask::new()).1, b"12345678");
}

#[test]
fn the_end_wakes_both_sides_and_comes_after_all_bytes() {
    let (inbox, post, reader) = (Inbox::default(), TestTask::new(), TestTask::new());
    assert!(receive(&inbox, &reader).0.is_pending());
    assert!(inbox.poll_ended(&post.cx()).is_pending());
    put(&inbox, b"last");
    assert!(reader.was_woken());
    inbox.end(CLOSED);
    assert!(post.was_woken());
    assert_eq!(inbox.poll_ended(&post.cx()), Poll::Ready(CLOSED));
    assert_eq!(inbox.poll_put(&post.cx(), &mut b"late".to_vec(), 0), Poll::Ready(Err(CLOSED)));
    assert_eq!(receive(&inbox, &reader), (Poll::Ready(Received::Data), b"last".to_vec()));
    for _ in 0..2 {
        assert_eq!(receive(&inbox, &reader).0, Poll::Ready(Received::End(CLOSED)));
    }
}

#[test]
fn the_end_wakes_a_reader_that_waits_for_bytes() {
    let (inbox, reader) = (Inbox::default(), TestTask::new());
    assert!(receive(&inbox, &reader).0.is_pending());
    inbox.end(TransportEnd::Lost);
    assert!(reader.was_woken());
}

#[test]
fn the_first_end_stands() {
    let inbox = Inbox::default();
    inbox.end(CLOSED);
    inbox.end(TransportEnd::Lost);
    assert_eq!(receive(&inbox, &TestTask::new()).0, Poll::Ready(Received::End(CLOSED)));
}
