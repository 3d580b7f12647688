//! A connection as a value, so that another node can go on with it: who it is, and what it has sent, received and kept.
//! The values are here, their bytes in `session_state/`. Only a connection with stateful reconnect has one.

mod codec;
mod form;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hubward_proto::{Frame, Protocol, SessionSnapshot};
use hubward_transport::RequestInfo;
use hubward_types::{ConnectionId, GroupName, HubName, Principal};

pub(crate) use self::form::at_most;

/// The most bytes of an identity: a request has 16 KiB, and a thousand groups with names of the usual limit 256 KiB.
pub(crate) const MAX_IDENTITY_BYTES: usize = 1 << 20;

/// The most bytes of a state, identity included: as many as may wait for a client by default. The client of one that
/// has more has to reconnect.
pub(crate) const MAX_STATE_BYTES: usize = 4 << 20;

/// A connection that moves.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) identity: SessionIdentity,
    pub(crate) content: SessionContent,
}

/// Who a connection is: what another node needs to make a place for it, before it has what was sent and received.
#[derive(Clone)]
pub(crate) struct SessionIdentity {
    pub(crate) hub: HubName,
    /// The public id. Under negotiate version 0 that is the connection token: it must not be logged.
    pub(crate) connection: ConnectionId,
    /// The id inside the connection token, which logs may show.
    pub(crate) token_id: ConnectionId,
    /// Until when its token could have been used to open it.
    pub(crate) token_expires_at: SystemTime,
    pub(crate) protocol: Protocol,
    pub(crate) principal: Principal,
    /// The request that opened it.
    pub(crate) request: Arc<RequestInfo>,
    /// The groups that it joined itself, as its node knew them then. The group store has the truth.
    pub(crate) groups: Vec<GroupName>,
}

/// What a connection has sent and received, and what its hub keeps with it.
pub(crate) struct SessionContent {
    pub(crate) session: SessionSnapshot,
    /// What waited to be sent, in order; it comes after what the session keeps.
    pub(crate) waiting: Vec<Frame>,
    pub(crate) items: Vec<SavedItem>,
}

/// A value that the hub keeps with the connection, by the name that the hub gave to its type.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SavedItem {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// Why bytes are no identity or state, or why there are none of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// There is too much of it to move.
    #[error("the session has {bytes} bytes, and at most {limit} are moved")]
    TooLarge { bytes: usize, limit: usize },
    /// It was written by a version that this one does not know.
    #[error("the session's form {0} is not known; the nodes run versions that are too far apart")]
    UnknownVersion(u8),
    /// It is damaged, or no session at all.
    #[error("the bytes are not a session")]
    Malformed,
}

impl SessionContent {
    /// How many bytes there are to move, nearly.
    pub(crate) fn len(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(Frame::len).sum();
        let items: usize = self.items.iter().map(|item| item.name.len() + item.value.len()).sum();
        self.session.kept_bytes() + waiting + items
    }
}

/// Shows no id, claim or group: they are secrets or personal data.
impl fmt::Debug for SessionIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionIdentity").field("token_id", &self.token_id).finish_non_exhaustive()
    }
}

/// Shows numbers only: messages and items are user data.
impl fmt::Debug for SessionContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionContent")
            .field("session", &self.session)
            .field("waiting", &self.waiting.len())
            .field("items", &self.items.len())
            .finish()
    }
}

/// Shows the name only.
impl fmt::Debug for SavedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedItem").field("name", &self.name).finish_non_exhaustive()
    }
}
