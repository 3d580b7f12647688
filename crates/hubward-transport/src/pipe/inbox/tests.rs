//! What a reader gets, and what holds a POST back.

use super::*;
use crate::test_support::TestTask;

const CLOSED: TransportEnd = TransportEnd::Closed { code: None };

fn put(inbox: &Inbox, body: &[u8]) {
    assert_eq!(inbox.put(body.to_vec()), Ok(()));
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
    assert_eq!(inbox.poll_room(&post.cx(), 0), Poll::Ready(Ok(())), "a limit of 0 is none");
    assert!(inbox.poll_room(&post.cx(), 4).is_pending());
    assert!(!post.was_woken());
    assert!(receive(&inbox, &reader).0.is_ready());
    assert!(post.was_woken());
    assert_eq!(inbox.poll_room(&post.cx(), 4), Poll::Ready(Ok(())));
}

#[test]
fn places_are_bounded_and_come_back() {
    let inbox = Inbox::default();
    let mut places: Vec<_> = (0..=WAITING_POSTS).map(|_| inbox.place().unwrap()).collect();
    assert!(inbox.place().is_none());
    places.pop();
    assert!(inbox.place().is_some());
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
    assert_eq!(inbox.poll_room(&post.cx(), 0), Poll::Ready(Err(CLOSED)));
    assert_eq!(inbox.put(b"late".to_vec()), Err(CLOSED));
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
