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
