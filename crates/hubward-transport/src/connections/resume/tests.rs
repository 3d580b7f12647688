//! Which pipe the owner gets, and which are dropped.

use std::sync::Arc;

use super::*;
use crate::pipe::sse::{EventStreamBody, ServerSentEventsPipe};
use crate::test_support::TestTask;

/// Makes a pipe, and the response's body, which ends when the pipe is dropped.
fn pipe() -> (Pipe, EventStreamBody) {
    let (pipe, body) = ServerSentEventsPipe::new(Arc::default(), Arc::default());
    (pipe.into(), body)
}

/// Returns whether the pipe that this body belongs to was dropped.
fn is_dropped(body: &mut EventStreamBody) -> bool {
    use http_body::Body;
    let task = TestTask::new();
    let mut poll = || std::pin::Pin::new(&mut *body).poll_frame(&mut task.cx());
    match poll() {
        Poll::Ready(Some(_opening)) => matches!(poll(), Poll::Ready(None)),
        ended => matches!(ended, Poll::Ready(None)),
    }
}

#[test]
fn an_offered_pipe_wakes_the_owner_which_takes_it_once() {
    let (resume, owner) = (Resume::default(), TestTask::new());
    assert!(resume.poll(&mut owner.cx()).is_pending());
    let (offered, mut body) = pipe();
    resume.offer(offered);
    assert!(owner.was_woken());
    let Poll::Ready(taken) = resume.poll(&mut owner.cx()) else { panic!("there is no pipe") };
    assert!(!is_dropped(&mut body));
    drop(taken);
    assert!(resume.poll(&mut owner.cx()).is_pending());
}

#[test]
fn the_newest_pipe_wins_and_the_older_is_dropped() {
    let (resume, owner) = (Resume::default(), TestTask::new());
    let ((older, mut older_body), (newer, mut newer_body)) = (pipe(), pipe());
    resume.offer(older);
    resume.offer(newer);
    assert!(is_dropped(&mut older_body));
    assert!(!is_dropped(&mut newer_body));
    assert!(resume.poll(&mut owner.cx()).is_ready());
}

#[test]
fn once_forbidden_every_pipe_is_dropped() {
    let (resume, owner) = (Resume::default(), TestTask::new());
    let ((waiting, mut waiting_body), (late, mut late_body)) = (pipe(), pipe());
    resume.allow();
    assert_eq!(resume.permission(), Permission::Allowed);
    resume.offer(waiting);
    resume.forbid();
    resume.allow();
    assert_eq!(resume.permission(), Permission::Forbidden);
    resume.offer(late);
    assert!(is_dropped(&mut waiting_body) && is_dropped(&mut late_body));
    assert!(resume.poll(&mut owner.cx()).is_pending());
}
