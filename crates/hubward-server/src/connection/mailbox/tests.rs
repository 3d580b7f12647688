//! Tests of the mailbox: its bounds, who is woken, and what a close leaves in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use hubward_proto::Protocol;
use hubward_proto::encode::completion;

use super::*;

/// What is done to a mailbox.
type Act = fn(&Mailbox);

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn waker() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self::default());
        (woken.clone(), Waker::from(woken))
    }

    /// Takes the count.
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn mailbox(messages: usize, bytes: usize) -> Mailbox {
    Mailbox::new(MailboxLimits { messages, bytes })
}

fn frame() -> Frame {
    completion(Protocol::Json, "1", &"text").unwrap()
}

/// Takes all; returns the number of messages, and the control messages.
fn take(mailbox: &Mailbox) -> (usize, Vec<ControlMessage>) {
    let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
    mailbox.take(&mut frames, &mut controls, None);
    (frames.len(), controls)
}

fn poll_room(mailbox: &Mailbox, waker: &Waker) -> Poll<bool> {
    mailbox.poll_room(&mut Context::from_waker(waker))
}

#[test]
fn what_was_taken_counts_until_the_next_take() {
    let mailbox = mailbox(3, 1 << 20);
    mailbox.push(frame());
    mailbox.push(frame());
    assert_eq!(take(&mailbox).0, 2);
    mailbox.push(frame());
    assert_eq!(take(&mailbox).0, 1);
    mailbox.push(frame());
    mailbox.push(frame());
    assert_eq!(take(&mailbox).0, 2);
}

#[test]
fn a_full_mailbox_closes_its_connection_as_a_slow_consumer_and_takes_nothing_more() {
    let mailbox = mailbox(2, 1 << 20);
    for _ in 0..4 {
        mailbox.push(frame());
    }
    let (frames, controls) = take(&mailbox);
    assert_eq!(frames, 2);
    assert!(matches!(controls[..], [ControlMessage::Close(CloseReason::SlowConsumer)]));
}

#[test]
fn bytes_are_bounded_but_one_message_always_fits() {
    let mailbox = mailbox(100, 10);
    mailbox.push(frame());
    mailbox.push(frame());
    let (frames, controls) = take(&mailbox);
    assert_eq!((frames, controls.len()), (1, 1));
}

#[test]
fn bytes_that_were_taken_count_until_the_next_take() {
    let fits_after = |takes: usize| {
        let mailbox = mailbox(100, 3 * frame().len());
        (0..2).for_each(|_| mailbox.push(frame()));
        (0..takes).for_each(|_| drop(take(&mailbox)));
        (0..2).for_each(|_| mailbox.push(frame()));
        take(&mailbox).1.is_empty()
    };
    assert!(!fits_after(1));
    assert!(fits_after(2));
}

#[test]
fn a_mailbox_that_is_emptied_again_and_again_never_fills() {
    let mailbox = mailbox(3, 3 * frame().len());
    for _ in 0..100 {
        mailbox.push(frame());
        let (frames, controls) = take(&mailbox);
        assert_eq!((frames, controls.len()), (1, 0));
    }
}

#[test]
fn a_completion_is_taken_by_a_full_mailbox() {
    let mailbox = mailbox(1, 10);
    mailbox.push(frame());
    mailbox.complete(Some(frame()), Some(ControlMessage::CallEnded(1)));
    let (frames, controls) = take(&mailbox);
    assert_eq!((frames, controls.len()), (2, 1));
}

#[test]
fn what_comes_before_a_closing_control_message_is_taken_and_what_comes_after_is_not() {
    let mailbox = mailbox(10, 1 << 20);
    mailbox.push(frame());
    mailbox.close_with(ControlMessage::Close(CloseReason::Aborted));
    mailbox.push(frame());
    mailbox.complete(Some(frame()), Some(ControlMessage::CallEnded(1)));
    let (frames, controls) = take(&mailbox);
    assert_eq!(frames, 1);
    assert!(matches!(controls[..], [ControlMessage::Close(CloseReason::Aborted)]));
}

#[test]
fn what_follows_the_first_reason_to_close_does_not_pile_up() {
    let aborted = mailbox(10, 1 << 20);
    let slow = mailbox(1, 1 << 20);
    slow.push(frame());
    slow.push(frame());
    for _ in 0..1000 {
        for mailbox in [&aborted, &slow] {
            mailbox.close_with(ControlMessage::Close(CloseReason::Aborted));
            mailbox.complete(None, Some(ControlMessage::Close(CloseReason::Shutdown)));
            mailbox.complete(None, Some(ControlMessage::CallEnded(1)));
        }
    }
    assert!(matches!(take(&aborted).1[..], [ControlMessage::Close(CloseReason::Aborted)]));
    assert!(matches!(take(&slow).1[..], [ControlMessage::Close(CloseReason::SlowConsumer)]));
}

#[test]
fn a_closed_mailbox_has_dropped_its_messages_and_takes_no_more() {
    let mailbox = mailbox(10, 1 << 20);
    mailbox.push(frame());
    mailbox.close();
    mailbox.push(frame());
    mailbox.complete(Some(frame()), None);
    assert_eq!(take(&mailbox).0, 0);
}

#[test]
fn whatever_comes_wakes_the_reader_that_found_nothing_once() {
    let puts: [(&str, Act); 4] = [
        ("a message", |mailbox| mailbox.push(frame())),
        ("a completion", |mailbox| mailbox.complete(Some(frame()), None)),
        ("a control message", |mailbox| mailbox.complete(None, Some(ControlMessage::CallEnded(1)))),
        ("a close", |mailbox| mailbox.close_with(ControlMessage::Close(CloseReason::Aborted))),
    ];
    for (what, put) in puts {
        let (woken, waker) = Woken::waker();
        let mailbox = mailbox(10, 1 << 20);
        mailbox.take(&mut VecDeque::new(), &mut Vec::new(), Some(&waker));
        put(&mailbox);
        put(&mailbox);
        assert_eq!(woken.take(), 1, "{what}");
        mailbox.take(&mut VecDeque::new(), &mut Vec::new(), Some(&waker));
        put(&mailbox);
        assert_eq!(woken.take(), 0, "{what}, after a take that found something");
    }
}

#[test]
fn a_take_without_a_reader_leaves_nobody_to_be_woken() {
    let (woken, waker) = Woken::waker();
    let mailbox = mailbox(10, 1 << 20);
    mailbox.take(&mut VecDeque::new(), &mut Vec::new(), Some(&waker));
    take(&mailbox);
    mailbox.push(frame());
    assert_eq!(woken.take(), 0);
}

#[test]
fn control_messages_are_taken_alone_while_messages_cannot_be_written() {
    let (woken, waker) = Woken::waker();
    let mailbox = mailbox(10, 1 << 20);
    mailbox.push(frame());
    mailbox.complete(Some(frame()), Some(ControlMessage::CallEnded(1)));
    let mut controls = Vec::new();
    mailbox.take_controls(&mut controls, &waker);
    assert!(matches!(controls[..], [ControlMessage::CallEnded(1)]));
    mailbox.push(frame());
    assert_eq!(woken.take(), 1);
    let (frames, controls) = take(&mailbox);
    assert_eq!((frames, controls.len()), (3, 0));
}

#[test]
fn a_stream_waits_for_room_from_a_quarter_of_the_messages_on() {
    let (woken, waker) = Woken::waker();
    let mailbox = mailbox(8, 1 << 20);
    mailbox.push(frame());
    assert_eq!(poll_room(&mailbox, &waker), Poll::Ready(true));
    mailbox.push(frame());
    assert_eq!(poll_room(&mailbox, &waker), Poll::Pending);
    take(&mailbox);
    assert_eq!(woken.take(), 1);
    assert_eq!(poll_room(&mailbox, &waker), Poll::Ready(true));
}

#[test]
fn a_stream_waits_for_room_from_a_quarter_of_the_bytes_on() {
    let (woken, waker) = Woken::waker();
    let mailbox = mailbox(100, 8 * frame().len());
    mailbox.push(frame());
    assert_eq!(poll_room(&mailbox, &waker), Poll::Ready(true));
    mailbox.push(frame());
    assert_eq!(poll_room(&mailbox, &waker), Poll::Pending);
    // What was taken counts until the client has been written it, that is, until the next take.
    take(&mailbox);
    assert_eq!((woken.take(), poll_room(&mailbox, &waker)), (0, Poll::Pending));
    take(&mailbox);
    // Both polls that found no room are woken.
    assert_eq!((woken.take(), poll_room(&mailbox, &waker)), (2, Poll::Ready(true)));
}

#[test]
fn a_close_wakes_streams_that_wait_for_room_and_they_fail() {
    let closes: [(&str, Act); 2] = [
        ("close", Mailbox::close),
        ("close_with", |mailbox| mailbox.close_with(ControlMessage::Close(CloseReason::Aborted))),
    ];
    for (name, close) in closes {
        let (woken, waker) = Woken::waker();
        let mailbox = mailbox(1, 1 << 20);
        assert_eq!(poll_room(&mailbox, &waker), Poll::Pending);
        close(&mailbox);
        assert_eq!(woken.take(), 1, "{name}");
        assert_eq!(poll_room(&mailbox, &waker), Poll::Ready(false), "{name}");
    }
}

#[test]
fn the_memory_of_a_burst_is_freed_when_nothing_follows_it() {
    let mailbox = mailbox(1000, 1 << 20);
    (0..200).for_each(|_| mailbox.push(frame()));
    let mut frames = VecDeque::new();
    mailbox.take(&mut frames, &mut Vec::new(), None);
    assert_eq!(frames.len(), 200);
    frames.clear();
    for _ in 0..2 {
        mailbox.take(&mut frames, &mut Vec::new(), None);
    }
    let kept = (frames.capacity(), mailbox.state.lock().frames.capacity());
    assert!(kept.0 <= KEPT_MESSAGES && kept.1 <= KEPT_MESSAGES, "{kept:?}");
}
