//! What the owner of a connection holds of the registry: its place there, and the way by which a stateful client
//! comes back.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use hubward_auth::ConnectionTokenClaims;
use hubward_types::ConnectionId;

use crate::connections::resume::Resume;
use crate::{ConnectionManager, Pipe};

/// A connection's place among the node's connections. Dropping it gives the place up: later requests are told that
/// the connection is unknown.
pub struct Registration {
    manager: Arc<ConnectionManager>,
    /// None where the connection was opened without a token, so that no later request can name it.
    id: Option<ConnectionId>,
    lapses_at: SystemTime,
    resume: Option<Arc<Resume>>,
}

impl Registration {
    pub(crate) fn new(
        manager: Arc<ConnectionManager>,
        sealed: &ConnectionTokenClaims,
        resume: Option<Arc<Resume>>,
    ) -> Self {
        Self { manager, id: Some(sealed.connection_id.clone()), lapses_at: sealed.expires_at, resume }
    }

    /// For a connection that was opened without a token.
    pub(crate) fn unnamed(manager: Arc<ConnectionManager>) -> Self {
        Self { manager, id: None, lapses_at: SystemTime::UNIX_EPOCH, resume: None }
    }

    /// Is ready when the client has opened another WebSocket for this connection. The new pipe takes over at once,
    /// whether or not the old one is known to be dead: drop the old one. Never ready where stateful reconnect was
    /// not negotiated.
    pub fn poll_resumed(&mut self, cx: &mut Context<'_>) -> Poll<Pipe> {
        match &self.resume {
            Some(resume) => resume.poll(cx),
            None => Poll::Pending,
        }
    }

    /// Refuses to take the connection up again: from now on a reconnect is told that the connection is unknown.
    pub fn forbid_resume(&self) {
        if let Some(resume) = &self.resume {
            resume.forbid();
        }
    }

    pub(crate) fn is_stateful(&self) -> bool {
        self.resume.is_some()
    }

    /// Returns the name that logs may say: none where that is the public id. Where negotiate's version 0 makes one
    /// text of the public id and the token, it is neither.
    pub fn logged_id(&self) -> Option<&ConnectionId> {
        self.id.as_ref()
    }

    /// Returns the manager of the connections that this is one of.
    pub fn manager(&self) -> &ConnectionManager {
        &self.manager
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.forbid_resume();
        if let Some(id) = &self.id {
            self.manager.registry().end(id, self.lapses_at);
        }
    }
}
