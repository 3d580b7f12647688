//! Tests of the mailbox: its bounds, who is woken, and what a close leaves in it.

mod memory;
mod model;
mod moving;

use std::pin::Pin;
use std::task::{Context, Poll};

use hubward_proto::Protocol;
use hubward_proto::encode::completion;
use hubward_testing::WakeCounter;

use super::handing_over::CutMailbox;
use super::*;

/// What is done to a mailbox.
type Act = fn(&Mailbox);

fn mailbox(messages: usize, bytes: usize) -> Mailbox {
    Mailbox::new(MailboxLimits { messages, bytes })
}

fn large_mailbox() -> Mailbox {
    mailbox(10_000, 1 << 24)
}

fn push(mailbox: &Mailbox) {
    mailbox.push(frame());
}

fn frame() -> Frame {
    completion(Protocol::Json, "1", &"text").unwrap()
}

/// Takes all; returns the number of messages, and the control messages.
fn take(mailbox: &Mailbox) -> (usize, Vec<ControlMessage>) {
    let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
    mailbox.take(usize::MAX, &mut frames, &mut controls, None);
    (frames.len(), controls)
}

/// A wait for room, polled once.
fn wait_for_room<'a>(
    mailbox: &'a Mailbox,
    waker: &Waker,
) -> (Pin<Box<dyn Future<Output = bool> + 'a>>, Poll<bool>) {
    let mut wait: Pin<Box<dyn Future<Output = bool>>> = Box::pin(mailbox.room());
    let polled = wait.as_mut().poll(&mut Context::from_waker(waker));
    (wait, polled)
}

fn poll_room(mailbox: &Mailbox) -> Poll<bool> {
    wait_for_room(mailbox, Waker::noop()).1
}

/// Whether the mailbox has closed its connection as a slow consumer.
fn is_closed_as_slow(mailbox: &Mailbox) -> bool {
    matches!(take(mailbox).1[..], [ControlMessage::Close(CloseReason::SlowConsumer)])
}

/// The task's turn, in which it finds that its client takes nothing.
fn stall(mailbox: &Mailbox) {
    mailbox.take_controls(&mut Vec::new(), Waker::noop());
    mailbox.set_stalled(true);
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
fn a_full_mailbox_whose_client_takes_nothing_closes_its_connection_and_takes_nothing_more() {
    let mailbox = mailbox(2, 1 << 20);
    stall(&mailbox);
    for _ in 0..4 {
        mailbox.push(frame());
    }
    let (frames, controls) = take(&mailbox);
    assert_eq!(frames, 2);
    assert!(matches!(controls[..], [ControlMessage::Close(CloseReason::SlowConsumer)]));
}

#[test]
fn a_full_mailbox_goes_on_taking_while_its_task_has_had_no_turn_up_to_a_multiple_of_the_limit() {
    let mailbox = mailbox(10, 1 << 20);
    for _ in 0..10 * HARD_LIMIT {
        mailbox.push(frame());
    }
    assert_eq!(take(&mailbox).0, 10 * HARD_LIMIT);
    take(&mailbox);
    for _ in 0..10 * HARD_LIMIT + 1 {
        mailbox.push(frame());
    }
    assert!(is_closed_as_slow(&mailbox));
}

#[test]
fn a_client_that_takes_something_is_no_longer_one_that_takes_nothing() {
    let mailbox = mailbox(4, 1 << 20);
    stall(&mailbox);
    take(&mailbox);
    (0..6).for_each(|_| push(&mailbox));
    assert!(!is_closed_as_slow(&mailbox));
    (0..6).for_each(|_| push(&mailbox));
    mailbox.take_controls(&mut Vec::new(), Waker::noop());
    mailbox.push(frame());
    assert!(!is_closed_as_slow(&mailbox), "a turn alone says nothing about the client");
}

#[test]
fn what_was_taken_beyond_the_limit_closes_the_connection_once_its_client_is_known_to_take_nothing() {
    for (messages, closed) in [(2, false), (3, true)] {
        let mailbox = mailbox(2, 1 << 20);
        (0..messages).for_each(|_| push(&mailbox));
        stall(&mailbox);
        assert_eq!(is_closed_as_slow(&mailbox), closed, "{messages}");
    }
}

#[test]
fn bytes_are_bounded_but_one_message_always_fits() {
    let mailbox = mailbox(100, 10);
    stall(&mailbox);
    mailbox.push(frame());
    mailbox.push(frame());
    let (frames, controls) = take(&mailbox);
    assert_eq!((frames, controls.len()), (1, 1));
}

#[test]
fn bytes_that_were_taken_count_until_the_next_take() {
    let fits_after = |takes: usize| {
        let mailbox = mailbox(100, 3 * frame().len());
        (0..2).for_each(|_| push(&mailbox));
        (0..takes).for_each(|_| drop(take(&mailbox)));
        stall(&mailbox);
        (0..2).for_each(|_| push(&mailbox));
        take(&mailbox).1.is_empty()
    };
    assert!(!fits_after(1));
    assert!(fits_after(2));
}

#[test]
fn messages_are_taken_until_they_fill_the_room_there_is_and_the_rest_stays() {
    let mailbox = mailbox(100, 1 << 20);
    (0..5).for_each(|_| push(&mailbox));
    let message = frame().message().len();
    let mut taken = Vec::new();
    for room in [1, message, message + 1, 1000] {
        let mut frames = VecDeque::new();
        mailbox.take(room, &mut frames, &mut Vec::new(), None);
        taken.push(frames.len());
    }
    assert_eq!(taken, [1, 1, 2, 1]);
    assert_eq!(mailbox.state.lock().bytes, frame().len(), "what was taken last counts");
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
fn a_completion_is_taken_by_a_full_mailbox_whose_client_takes_nothing() {
    let mailbox = mailbox(1, 1 << 20);
    mailbox.push(frame());
    stall(&mailbox);
    mailbox.complete(Some(frame()), Some(ControlMessage::CallEnded(1)));
    let (frames, controls) = take(&mailbox);
    assert_eq!((frames, controls.len()), (2, 1));
}

#[test]
fn completions_count_and_have_a_hard_limit_too() {
    let mailbox = mailbox(8, 1 << 20);
    mailbox.complete(Some(frame()), None);
    assert_eq!(mailbox.fill(), Fill::Room);
    mailbox.complete(Some(frame()), None);
    assert_eq!(mailbox.fill(), Fill::Crowded);
    (0..6).for_each(|_| mailbox.complete(Some(frame()), None));
    assert_eq!(mailbox.fill(), Fill::Full);
    (0..8 * HARD_LIMIT).for_each(|_| mailbox.complete(Some(frame()), None));
    assert!(is_closed_as_slow(&mailbox));
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
    stall(&slow);
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
        ("a message", push),
        ("a completion", |mailbox| mailbox.complete(Some(frame()), None)),
        ("a control message", |mailbox| mailbox.complete(None, Some(ControlMessage::CallEnded(1)))),
        ("a close", |mailbox| mailbox.close_with(ControlMessage::Close(CloseReason::Aborted))),
    ];
    for (what, put) in puts {
        let (woken, waker) = WakeCounter::waker();
        let mailbox = mailbox(10, 1 << 20);
        mailbox.take(usize::MAX, &mut VecDeque::new(), &mut Vec::new(), Some(&waker));
        put(&mailbox);
        put(&mailbox);
        assert_eq!(woken.take(), 1, "{what}");
        mailbox.take(usize::MAX, &mut VecDeque::new(), &mut Vec::new(), Some(&waker));
        put(&mailbox);
        assert_eq!(woken.take(), 0, "{what}, after a take that found something");
    }
}

#[test]
fn a_take_without_a_reader_leaves_nobody_to_be_woken() {
    let (woken, waker) = WakeCounter::waker();
    let mailbox = mailbox(10, 1 << 20);
    mailbox.take(usize::MAX, &mut VecDeque::new(), &mut Vec::new(), Some(&waker));
    take(&mailbox);
    mailbox.push(frame());
    assert_eq!(woken.take(), 0);
}

#[test]
fn control_messages_are_taken_alone_while_messages_cannot_be_written() {
    let (woken, waker) = WakeCounter::waker();
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
fn who_can_wait_does_from_a_quarter_of_the_messages_on() {
    let (woken, waker) = WakeCounter::waker();
    let mailbox = mailbox(8, 1 << 20);
    assert_eq!(mailbox.push(frame()), Fill::Room);
    assert_eq!(poll_room(&mailbox), Poll::Ready(true));
    assert_eq!(mailbox.push(frame()), Fill::Crowded);
    let (_wait, polled) = wait_for_room(&mailbox, &waker);
    assert_eq!(polled, Poll::Pending);
    take(&mailbox);
    assert_eq!(woken.take(), 1);
    assert_eq!((mailbox.fill(), poll_room(&mailbox)), (Fill::Room, Poll::Ready(true)));
}

#[test]
fn who_can_wait_does_from_a_quarter_of_the_bytes_on() {
    let (woken, waker) = WakeCounter::waker();
    let mailbox = mailbox(100, 8 * frame().len());
    mailbox.push(frame());
    assert_eq!(poll_room(&mailbox), Poll::Ready(true));
    mailbox.push(frame());
    let (_wait, polled) = wait_for_room(&mailbox, &waker);
    assert_eq!(polled, Poll::Pending);
    // What was taken counts until the client has been written it, that is, until the next take.
    take(&mailbox);
    assert_eq!((woken.take(), poll_room(&mailbox)), (0, Poll::Pending));
    take(&mailbox);
    assert_eq!((woken.take(), poll_room(&mailbox)), (1, Poll::Ready(true)));
}

#[test]
fn a_mailbox_of_whatever_size_has_room_while_it_is_empty() {
    for (messages, bytes) in [(0, 0), (1, 1), (3, 3)] {
        let mailbox = mailbox(messages, bytes);
        assert_eq!((mailbox.fill(), poll_room(&mailbox)), (Fill::Room, Poll::Ready(true)));
    }
}

#[test]
fn who_waits_for_the_turn_of_a_full_mailboxs_task_is_woken_by_it_whatever_it_can_write() {
    let turns: [(&str, Act); 2] = [
        ("blocked", |mailbox| mailbox.take_controls(&mut Vec::new(), Waker::noop())),
        ("not blocked", |mailbox| drop(take(mailbox))),
    ];
    for (name, turn) in turns {
        let (woken, waker) = WakeCounter::waker();
        let mailbox = mailbox(2, 1 << 20);
        mailbox.push(frame());
        assert_eq!(mailbox.push(frame()), Fill::Full);
        let mut wait = Box::pin(mailbox.turn());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        turn(&mailbox);
        assert_eq!(woken.take(), 1, "{name}");
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    }
}

#[test]
fn a_close_wakes_those_that_wait_for_room_and_there_is_none() {
    let closes: [(&str, Act); 3] = [
        ("close", Mailbox::close),
        ("close_with", |mailbox| mailbox.close_with(ControlMessage::Close(CloseReason::Aborted))),
        ("slow", |mailbox| (0..10).for_each(|_| push(mailbox))),
    ];
    for (name, close) in closes {
        let (woken, waker) = WakeCounter::waker();
        let mailbox = mailbox(1, 1 << 20);
        mailbox.push(frame());
        let (mut wait, polled) = wait_for_room(&mailbox, &waker);
        assert_eq!(polled, Poll::Pending);
        close(&mailbox);
        assert_eq!(woken.take(), 1, "{name}");
        assert_eq!(wait.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(false), "{name}");
    }
}

#[test]
fn the_memory_of_a_burst_is_freed_when_nothing_follows_it() {
    let mailbox = mailbox(1000, 1 << 20);
    (0..200).for_each(|_| push(&mailbox));
    let mut frames = VecDeque::new();
    mailbox.take(usize::MAX, &mut frames, &mut Vec::new(), None);
    assert_eq!(frames.len(), 200);
    frames.clear();
    for _ in 0..2 {
        mailbox.take(usize::MAX, &mut frames, &mut Vec::new(), None);
    }
    let kept = (frames.capacity(), mailbox.state.lock().frames.capacity());
    assert!(kept.0 <= KEPT_MESSAGES && kept.1 <= KEPT_MESSAGES, "{kept:?}");
}
