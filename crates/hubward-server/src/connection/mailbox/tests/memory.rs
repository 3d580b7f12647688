//! What memory an idle mailbox keeps.

use super::*;

#[test]
fn nothing_is_kept_of_the_memory_of_a_burst() {
    let mailbox = mailbox(10_000, 1 << 20);
    let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
    for _ in 0..3 {
        for call in 0..1000 {
            mailbox.complete(Some(frame()), Some(ControlMessage::CallEnded(call)));
        }
        mailbox.take(usize::MAX, &mut frames, &mut controls, None);
        assert_eq!((frames.len(), controls.len()), (1000, 1000));
        // They are written and handled, and the next take finds nothing.
        frames.clear();
        controls.clear();
        mailbox.take(usize::MAX, &mut frames, &mut controls, None);
        let state = mailbox.state.lock();
        assert!(state.frames.capacity().max(frames.capacity()) <= KEPT_MESSAGES);
        assert!(state.controls.capacity().max(controls.capacity()) <= KEPT_MESSAGES);
    }
}

#[test]
fn whoever_can_wait_does_from_the_bytes_on_that_were_set_and_not_later_than_from_a_quarter_on() {
    let bytes = frame().len();
    for (limit, waiting_from) in [(100 * bytes, 2 * bytes), (8 * bytes, usize::MAX)] {
        let mailbox = mailbox(usize::MAX, limit).waiting_from(waiting_from);
        assert_eq!(mailbox.push(frame()), Fill::Room);
        assert_eq!(mailbox.push(frame()), Fill::Crowded);
    }
}
