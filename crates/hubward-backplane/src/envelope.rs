//! What travels between nodes: one MessagePack array for each envelope. It carries messages that are already
//! encoded, so that a receiving node hands them on without reading them.
//!
//! # Layout, version 1
//!
//! `[version, kind, sender, …]`: two integers and the sending node's name, then the fields of the kind:
//!
//! | kind | body | fields |
//! |---|---|---|
//! | 0 | [`Deliver`](Body::Deliver) | json, messagepack, except: array of connection ids |
//! | 1 | [`InvokeClient`](Body::InvokeClient) | id, reply to, json, messagepack, invocation id |
//! | 2 | [`ClientResult`](Body::ClientResult) | id, outcome, and what belongs to it |
//! | 3 | [`CancelInvokeClient`](Body::CancelInvokeClient) | id |
//! | 4 | [`Abort`](Body::Abort) | |
//! | 5 | [`JoinGroup`](Body::JoinGroup) | id, reply to, group |
//! | 6 | [`LeaveGroup`](Body::LeaveGroup) | id, reply to, group |
//! | 7 | [`MembershipConfirmed`](Body::MembershipConfirmed) | id, error or nil |
//! | 8 | [`UserJoined`](Body::UserJoined) | group, milliseconds to live or nil |
//! | 9 | [`UserLeft`](Body::UserLeft) | group |
//!
//! Names and errors are `str`, frames are `bin` or nil, ids are unsigned integers. An outcome is 0 with a
//! protocol's number and a `bin`, 1 for none, 2 with the error, 3 for an unknown connection, 4 for one that
//! went away, 5 for one that was cancelled.
//!
//! A later version may add fields at the end of a kind, which older nodes pass over; it changes the version
//! only where an older node would misunderstand. A node that is sent a version or kind that it does not know
//! is told so by the error, and skips it: nodes of two versions run side by side while a cluster is rolled.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use hubward_types::{ConnectionId, GroupName, NodeId};

/// The largest envelope that may be sent or is read: 32 MiB. Redis drops a subscriber for whom more than that
/// waits (its default `client-output-buffer-limit`), so that a larger one could never arrive.
pub const MAX_ENVELOPE_BYTES: usize = 32 * 1024 * 1024;

/// The most connection ids that one envelope may name. An id that Hubward made takes 23 bytes, so no envelope
/// that is within its size has more; the bound keeps forged empty ids from costing many times their size.
const MAX_EXCEPT_IDS: usize = MAX_ENVELOPE_BYTES / 23;

/// The version that this build writes and reads.
const VERSION: u8 = 1;

mod kind {
    //! The numbers of the kinds, as the layout says.

    pub(super) const DELIVER: u8 = 0;
    pub(super) const INVOKE_CLIENT: u8 = 1;
    pub(super) const CLIENT_RESULT: u8 = 2;
    pub(super) const CANCEL_INVOKE_CLIENT: u8 = 3;
    pub(super) const ABORT: u8 = 4;
    pub(super) const JOIN_GROUP: u8 = 5;
    pub(super) const LEAVE_GROUP: u8 = 6;
    pub(super) const MEMBERSHIP_CONFIRMED: u8 = 7;
    pub(super) const USER_JOINED: u8 = 8;
    pub(super) const USER_LEFT: u8 = 9;
}

mod outcome {
    //! The numbers of the outcomes, as the layout says.

    pub(super) const RESULT: u8 = 0;
    pub(super) const VOID: u8 = 1;
    pub(super) const ERROR: u8 = 2;
    pub(super) const NOT_FOUND: u8 = 3;
    pub(super) const DISCONNECTED: u8 = 4;
    pub(super) const CANCELLED: u8 = 5;
}

/// What one node tells others on a topic.
///
/// ```
/// use bytes::Bytes;
/// use hubward_backplane::{Body, Envelope, Frames};
///
/// # fn main() -> Result<(), hubward_backplane::EnvelopeError> {
/// let frames = Frames { json: Some(Bytes::from_static(b"\x81\x0b{\"type\":6}\x1e")), messagepack: None };
/// let envelope = Envelope { sender: "node-1".into(), body: Body::Deliver { frames, except: vec![] } };
/// assert_eq!(Envelope::decode(&envelope.encode())?, envelope);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The node that sends it.
    pub sender: NodeId,
    /// What it says.
    pub body: Body,
}

/// What an envelope says. Whom it concerns is said by the topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Send this to the connections of the topic.
    Deliver {
        /// The message.
        frames: Frames,
        /// Connections that are passed over.
        except: Vec<ConnectionId>,
    },
    /// Send this invocation to the connection of the topic, and report what it answers.
    InvokeClient {
        /// The asking node's number for it.
        id: u64,
        /// The node that waits for the answer.
        reply_to: NodeId,
        /// The invocation, which names `invocation_id`.
        frames: Frames,
        /// The invocation id that the connection's completion will name.
        invocation_id: String,
    },
    /// What came of an [`InvokeClient`](Self::InvokeClient).
    ClientResult {
        /// The asking node's number for it.
        id: u64,
        /// What the connection answered, or why it did not.
        outcome: ClientResultOutcome,
    },
    /// The sender no longer waits for the answer to its [`InvokeClient`](Self::InvokeClient).
    CancelInvokeClient {
        /// The asking node's number for it.
        id: u64,
    },
    /// Close the connections of the topic.
    Abort {},
    /// Put the connection of the topic into a group, and report when it is done.
    JoinGroup {
        /// The asking node's number for it.
        id: u64,
        /// The node that waits.
        reply_to: NodeId,
        /// The group.
        group: GroupName,
    },
    /// Take the connection of the topic out of a group, and report when it is done.
    LeaveGroup {
        /// The asking node's number for it.
        id: u64,
        /// The node that waits.
        reply_to: NodeId,
        /// The group.
        group: GroupName,
    },
    /// What came of a [`JoinGroup`](Self::JoinGroup) or [`LeaveGroup`](Self::LeaveGroup).
    MembershipConfirmed {
        /// The asking node's number for it.
        id: u64,
        /// Why it failed, where it did.
        error: Option<String>,
    },
    /// The user of the topic has been put into a group: deliver for it.
    UserJoined {
        /// The group.
        group: GroupName,
        /// How long it lasts, in milliseconds; `None` until it is ended.
        ttl_ms: Option<u64>,
    },
    /// The user of the topic has been taken out of a group.
    UserLeft {
        /// The group.
        group: GroupName,
    },
}

/// What came of asking a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientResultOutcome {
    /// It answered with a value, still encoded.
    Result {
        /// The number of the hub protocol that the value is encoded in.
        protocol: u8,
        /// The value.
        bytes: Bytes,
    },
    /// It answered without a value.
    Void,
    /// It answered with an error.
    Error(String),
    /// No node that was reached has the connection.
    NotFound,
    /// It went away before it answered.
    Disconnected,
    /// It was no longer waited for.
    Cancelled,
}

/// A hub message, encoded once for each protocol that its hub speaks, with its WebSocket header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    /// For connections that speak JSON.
    pub json: Option<Bytes>,
    /// For connections that speak MessagePack.
    pub messagepack: Option<Bytes>,
}

/// Why bytes are not an envelope. It names what was wrong, never what was in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is larger than any node sends.
    #[error("an envelope of {bytes} bytes exceeds {MAX_ENVELOPE_BYTES} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It has a version that this build does not know: to be skipped.
    #[error("an envelope of version {0} is not known")]
    UnknownVersion(u64),
    /// It has a kind, or an outcome, that this build does not know: to be skipped.
    #[error("an envelope of kind {0} is not known")]
    UnknownKind(u64),
    /// It names more connections than any node does.
    #[error("an envelope names more than {MAX_EXCEPT_IDS} connections")]
    TooManyIds,
    /// It is not an envelope at all, or a broken one.
    #[error("an envelope's {field} cannot be read")]
    Malformed {
        /// The first part that could not be read.
        field: &'static str,
    },
}

impl EnvelopeError {
    /// Tells whether the envelope may come from a later version of Hubward, and is to be skipped in silence.
    pub fn is_from_a_later_version(&self) -> bool {
        matches!(self, Self::UnknownVersion(_) | Self::UnknownKind(_))
    }
}
