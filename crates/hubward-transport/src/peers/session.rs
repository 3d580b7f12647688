//! What a node that serves a connection to another keeps of it: the number that it gave it, once, and which requests came.
//! A request is authentic on its own connection and once, so that none can be replayed and no clocks are compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubward_auth::random_id;

/// One connection to the internal listener.
#[derive(Clone)]
pub(crate) struct PeerSession(Arc<State>);

struct State {
    nonce: String,
    /// The number of the last request.
    last: AtomicU64,
}

impl PeerSession {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State { nonce: random_id(), last: AtomicU64::new(0) }))
    }

    /// Returns what only this connection has.
    pub(crate) fn nonce(&self) -> &str {
        &self.0.nonce
    }

    /// Notes an authentic request. Returns whether it is the first of its number.
    pub(crate) fn is_new(&self, number: u64) -> bool {
        self.0.last.fetch_max(number, Ordering::Relaxed) < number
    }

    /// Whether an authentic request has come.
    pub(crate) fn is_authentic(&self) -> bool {
        self.0.last.load(Ordering::Relaxed) != 0
    }

    /// Lets no request be authentic any more. Returns false, and does nothing, where one was.
    pub(crate) fn refuse(&self) -> bool {
        self.0.last.compare_exchange(0, u64::MAX, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
