//! What the unit tests share: a task that records whether it was woken, frames, and token claims.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use hubward_auth::{ConnectionTokenClaims, Identity, random_id};
use hubward_proto::Frame;
use hubward_testing::WakeCounter;
use hubward_types::Principal;

/// How long the tokens of [`claims`] may be used.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(15);

/// Stands for a task that polls.
pub(crate) struct TestTask {
    woken: Arc<WakeCounter>,
    waker: Waker,
}

impl TestTask {
    pub(crate) fn new() -> Self {
        let (woken, waker) = WakeCounter::waker();
        Self { woken, waker }
    }

    pub(crate) fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Polls a future once.
    pub(crate) fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut self.cx())
    }

    /// Returns whether the task was woken since this was last called.
    pub(crate) fn was_woken(&self) -> bool {
        self.woken.take() > 0
    }
}

/// Makes a binary frame.
pub(crate) fn frame(message: &[u8]) -> Frame {
    Frame::from_payload(message, true).unwrap()
}

/// Makes the claims of a connection token that is negotiated at `now`, on the node `node` for the hub `hub`.
pub(crate) fn claims(now: SystemTime) -> ConnectionTokenClaims {
    ConnectionTokenClaims {
        connection_id: random_id().into(),
        hub: "hub".into(),
        owner: "node".into(),
        identity: Identity::of(&Principal::anonymous()),
        stateful: false,
        issued_at: now,
        expires_at: now + TOKEN_LIFETIME,
    }
}
