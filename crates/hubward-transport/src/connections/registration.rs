//! What the owner of a connection holds of the registry: the connection's place there, and where a stateful client
//! resumes it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use hubward_auth::ConnectionTokenClaims;
use hubward_types::ConnectionId;

use super::claims::Claim;
use super::registry::Left;
use super::resume::Resume;
use crate::connections::manager::ConnectionManager;
use crate::pipe::Pipe;

/// A connection's place among the node's connections. Dropping it releases the place: to later requests the
/// connection is unknown.
pub struct Registration {
    manager: Arc<ConnectionManager>,
    /// Absent where the connection was opened without a token, so that no later request can name it.
    id: Option<ConnectionId>,
    token_expires_at: SystemTime,
    resume: Option<Arc<Resume>>,
    claim: Option<Claim>,
    is_moved: bool,
}

impl ConnectionManager {
    /// Takes the place of a stateful connection that another node hands over. Its WebSocket stayed behind, so that it waits
    /// to be resumed, from now on. Who may resume it stands in the client's connection token: `id` is the one inside of it.
    ///
    /// `None` where this node has a connection of this id, or had one whose token could still be used.
    pub fn adopt(self: &Arc<Self>, id: ConnectionId, token_expires_at: SystemTime) -> Option<Registration> {
        let resume = Arc::<Resume>::default();
        resume.allow();
        if !self.registry().adopt(&id, resume.clone()) {
            return None;
        }
        let (manager, resume) = (self.clone(), Some(resume));
        Some(Registration { manager, id: Some(id), token_expires_at, resume, claim: None, is_moved: false })
    }
}

impl Registration {
    /// Takes the place of a new connection, which the registry has just begun. Nothing may come between the two: the
    /// place is released only by this.
    pub(crate) fn new(
        manager: Arc<ConnectionManager>,
        claims: &ConnectionTokenClaims,
        resume: Option<Arc<Resume>>,
    ) -> Self {
        Self {
            manager,
            id: Some(claims.connection_id.clone()),
            token_expires_at: claims.expires_at,
            resume,
            claim: None,
            is_moved: false,
        }
    }

    /// Makes the registration of a connection that was opened without a token.
    pub(crate) fn unnamed(manager: Arc<ConnectionManager>) -> Self {
        let token_expires_at = SystemTime::UNIX_EPOCH;
        Self { manager, id: None, token_expires_at, resume: None, claim: None, is_moved: false }
    }

    /// Opens the connection, with what was claimed for it. Until then it cannot be resumed.
    pub(crate) fn open(&mut self, claim: Option<Claim>) {
        self.claim = claim;
        if let Some(resume) = &self.resume {
            resume.allow();
        }
    }

    /// Takes what was [claimed](crate::ConnectionClaims) for the connection, if it is a `T`. What is not taken is dropped
    /// with the registration.
    pub fn take_claim<T: 'static>(&mut self) -> Option<Box<T>> {
        match self.claim.take()?.downcast() {
            Ok(claim) => Some(claim),
            Err(other) => {
                self.claim = Some(other);
                None
            }
        }
    }

    /// Returns until when the connection token could be used again; `None` where there was none.
    pub fn token_expires_at(&self) -> Option<SystemTime> {
        self.id.as_ref().map(|_| self.token_expires_at)
    }

    /// Is ready when the client has opened another WebSocket to resume this connection. The new pipe takes over at
    /// once, whether or not the old one is known to be dead: drop the old one. Never ready where stateful reconnect
    /// was not negotiated.
    pub fn poll_resumed(&mut self, cx: &mut Context<'_>) -> Poll<Pipe> {
        match &self.resume {
            Some(resume) => resume.poll(cx),
            None => Poll::Pending,
        }
    }

    /// Refuses to resume the connection: from now on it is unknown to a reconnect.
    pub fn forbid_resume(&self) {
        if let Some(resume) = &self.resume {
            resume.forbid();
        }
    }

    /// Notes that another node has taken the connection over: when this is dropped, later requests look for it there.
    pub fn moved(&mut self) {
        self.is_moved = true;
    }

    /// Returns the id inside the connection token, which logs may show: under negotiate version 0 the public id is the
    /// token itself. `None` where there was no token; the public id is not a secret then.
    pub fn logged_id(&self) -> Option<&ConnectionId> {
        self.id.as_ref()
    }

    /// Returns where a client's next WebSocket is handed over, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn resume(&self) -> Option<Arc<Resume>> {
        self.resume.clone()
    }

    /// Returns the manager that the connection is registered with.
    pub fn manager(&self) -> &ConnectionManager {
        &self.manager
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // First: a client whose WebSocket waits here is dropped by what follows, and may be back at once.
        if let Some(id) = &self.id {
            let left = if self.is_moved { Left::Moved } else { Left::Ended };
            self.manager.registry().release(id, self.token_expires_at, left);
        }
        self.forbid_resume();
    }
}
