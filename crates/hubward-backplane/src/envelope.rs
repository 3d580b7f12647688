//! The messages between nodes: each envelope is one MessagePack array. It carries hub messages that are
//! already encoded, so that a receiving node forwards them without decoding them.
//!
//! # Layout, version 1
//!
//! `[version, kind, sender, …, trace, number]`: two integers and the sending node's name, then the fields of the kind, then the
//! trace context if there is one, and the number of the message if it has one:
//!
//! | kind | body | fields |
//! |---|---|---|
//! | 0 | [`Deliver`](Body::Deliver) | json, messagepack, except: array of connection ids |
//! | 1 | [`DeliverTo`](Body::DeliverTo) | hub, connections: array of connection ids, json, messagepack |
//! | 2 | [`InvokeClient`](Body::InvokeClient) | id, hub, connection, json, messagepack, invocation id |
//! | 3 | [`ClientResult`](Body::ClientResult) | id, outcome, and what belongs to it |
//! | 4 | [`CancelInvokeClient`](Body::CancelInvokeClient) | id |
//! | 5 | [`Abort`](Body::Abort) | id, hub, connection |
//! | 6 | [`JoinGroup`](Body::JoinGroup) | id, hub, connection, group |
//! | 7 | [`LeaveGroup`](Body::LeaveGroup) | id, hub, connection, group |
//! | 8 | [`UserChanged`](Body::UserChanged) | id, hub, user, group |
//! | 9 | [`Confirmed`](Body::Confirmed) | id, nil or failure, and what belongs to it |
//! | 10 | [`Resumed`](Body::Resumed) | |
//! | 11 | [`UserBanned`](Body::UserBanned) | id, hub, user, group |
//! | 12 | [`DisconnectUser`](Body::DisconnectUser) | id, hub, user |
//! | 13 | [`ConfirmLink`](Body::ConfirmLink) | id |
//! | 14 | [`Marker`](Body::Marker) | id |
//!
//! Names and errors are `str`, frames are `bin` or nil, ids are unsigned integers. An outcome is a number and
//! what belongs to it: 0 with the number of a hub protocol and a result in `bin`, 1 without a result, 2 with
//! an error, 3 for an unknown connection, 4 for a disconnected one, 5 where too many results of it are
//! waited for, 6 where it did not come in time. So is a failure: 0 with an error, 1 where the hub's rule refuses a
//! membership, 2 where the user is banned from the group. A trace context is one `bin`: the 16 bytes of the trace id, the 8
//! of the parent id, one of flags, and the `tracestate` (at most 512 bytes, or it is left out). Whatever else is in its
//! place is no context, and the envelope is good all the same; where there is none and something follows, it is nil. A number is
//! an unsigned integer or nil.
//!
//! Nodes of two versions run side by side while a cluster is upgraded. A later version may add fields behind the
//! number, which is nil then where there is none; older nodes skip them. It changes the version number only
//! if an older node would misunderstand the envelope. A node skips an envelope of a version or kind that it does not know.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod trace;

use bytes::Bytes;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, TraceContext, UserId};

/// The largest envelope that is sent or read: 8 MiB. Redis disconnects a subscriber at once for which 32 MiB wait, and after a
/// minute one for which 8 MiB do (its default `client-output-buffer-limit`), so that several of these fit, from several nodes.
pub const MAX_ENVELOPE_BYTES: usize = 8 * 1024 * 1024;

/// The most connection ids that one envelope may name. An id that Hubward made takes 23 bytes, so no envelope
/// of the allowed size has more. The bound keeps forged empty ids from taking many times their size in
/// memory.
const MAX_EXCEPT_IDS: usize = MAX_ENVELOPE_BYTES / 23;

/// The version that this build writes and reads.
const VERSION: u8 = 1;

mod kind {
    //! The numbers of the kinds, as in the layout above.

    pub(super) const DELIVER: u8 = 0;
    pub(super) const DELIVER_TO: u8 = 1;
    pub(super) const INVOKE_CLIENT: u8 = 2;
    pub(super) const CLIENT_RESULT: u8 = 3;
    pub(super) const CANCEL_INVOKE_CLIENT: u8 = 4;
    pub(super) const ABORT: u8 = 5;
    pub(super) const JOIN_GROUP: u8 = 6;
    pub(super) const LEAVE_GROUP: u8 = 7;
    pub(super) const USER_CHANGED: u8 = 8;
    pub(super) const CONFIRMED: u8 = 9;
    pub(super) const RESUMED: u8 = 10;
    pub(super) const USER_BANNED: u8 = 11;
    pub(super) const DISCONNECT_USER: u8 = 12;
    pub(super) const CONFIRM_LINK: u8 = 13;
    pub(super) const MARKER: u8 = 14;
}

mod outcome {
    //! The numbers of the outcomes, as in the layout above.

    pub(super) const RESULT: u8 = 0;
    pub(super) const VOID: u8 = 1;
    pub(super) const ERROR: u8 = 2;
    pub(super) const NOT_FOUND: u8 = 3;
    pub(super) const DISCONNECTED: u8 = 4;
    pub(super) const TOO_MANY: u8 = 5;
    pub(super) const TIMED_OUT: u8 = 6;
}

mod failure {
    //! The numbers of the failures, as in the layout above.

    pub(super) const ERROR: u8 = 0;
    pub(super) const NOT_ALLOWED: u8 = 1;
    pub(super) const BANNED: u8 = 2;
}

/// A message from one node to the nodes that are subscribed to a topic.
///
/// ```
/// use bytes::Bytes;
/// use hubward_backplane::{Body, Envelope, Frames};
///
/// # fn main() -> Result<(), hubward_backplane::EnvelopeError> {
/// let frames = Frames { json: Some(Bytes::from_static(b"\x81\x0b{\"type\":6}\x1e")), messagepack: None };
/// let body = Body::Deliver { frames, except: vec![] };
/// let envelope = Envelope { sender: "node-1".into(), trace: None, number: None, body };
/// assert_eq!(Envelope::decode(&envelope.encode())?, envelope);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The node that sends it.
    pub sender: NodeId,
    /// The trace of what it was sent for. Replies have none: who asked knows it.
    pub trace: Option<TraceContext>,
    /// The sender's number of a message for a topic: no other message of the sender has it, of whichever of its lives. Two nodes
    /// that hold one connection after the other find out by it which of them has delivered the message.
    pub number: Option<u64>,
    /// What the receiving nodes are to do.
    pub body: Body,
}

/// What the receiving nodes are to do. Replies go to the sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Send this to the connections of the topic.
    Deliver {
        /// The message.
        frames: Frames,
        /// The connections that are skipped.
        except: Vec<ConnectionId>,
    },
    /// Send this to connections of the receiving node; those that it does not hold are skipped.
    DeliverTo {
        /// The hub.
        hub: HubName,
        /// The connections.
        connections: Vec<ConnectionId>,
        /// The message.
        frames: Frames,
    },
    /// Invoke a method of a client, and send back the client result.
    InvokeClient {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The client's connection.
        connection: ConnectionId,
        /// The invocation message, with `invocation_id` in it.
        frames: Frames,
        /// The invocation id that the client's completion message will have.
        invocation_id: String,
    },
    /// The client result of an [`InvokeClient`](Self::InvokeClient).
    ClientResult {
        /// The number that the request had.
        id: u64,
        /// The result, or why there is none.
        outcome: ClientResultOutcome,
    },
    /// The sender no longer waits for the client result of its [`InvokeClient`](Self::InvokeClient).
    CancelInvokeClient {
        /// The number that the request had.
        id: u64,
    },
    /// Close a connection, and confirm it. One that the receiver does not hold counts as closed.
    Abort {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The connection.
        connection: ConnectionId,
    },
    /// Add a connection to a group, and confirm it.
    JoinGroup {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The connection.
        connection: ConnectionId,
        /// The group.
        group: GroupName,
    },
    /// Remove a connection from a group, and confirm it.
    LeaveGroup {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The connection.
        connection: ConnectionId,
        /// The group.
        group: GroupName,
    },
    /// A user's membership has changed: read from the group store whether it is a member, deliver to the user's
    /// connections accordingly, and confirm it.
    UserChanged {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The user.
        user: UserId,
        /// The group.
        group: GroupName,
    },
    /// A request is done, or has failed.
    Confirmed {
        /// The number that the request had.
        id: u64,
        /// Why it failed, if it did.
        failure: Option<RequestFailure>,
    },
    /// The sender's link was interrupted and is whole again: what was sent to it meanwhile may be lost.
    Resumed,
    /// A user was banned from a group: read from the group store whether it and its connections are members, deliver to
    /// the user's connections accordingly, and confirm it.
    UserBanned {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The user.
        user: UserId,
        /// The group.
        group: GroupName,
    },
    /// Close all connections of a user, and confirm it when they have ended.
    DisconnectUser {
        /// The sender's number of the request.
        id: u64,
        /// The hub.
        hub: HubName,
        /// The user.
        user: UserId,
    },
    /// Confirm that the link of the receiver is whole, so that it receives what is published on its topics. While it is
    /// interrupted nothing is confirmed: [`Resumed`](Self::Resumed) follows.
    ConfirmLink {
        /// The sender's number of the request.
        id: u64,
    },
    /// All that the sender published on the topic before it has arrived, for a receiver that waits for it; others ignore it.
    Marker {
        /// The number of what the receiver waits for.
        id: u64,
    },
}

/// Why a request failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestFailure {
    /// This error.
    Error(String),
    /// The hub's rule refuses the membership.
    NotAllowed,
    /// The user is banned from the group.
    Banned,
}

/// How the invocation of a client ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientResultOutcome {
    /// The client returned a value, which is still encoded.
    Result {
        /// The number of the hub protocol that the value is encoded in.
        protocol: u8,
        /// The value.
        bytes: Bytes,
    },
    /// The client completed the invocation without a value.
    Void,
    /// The client completed the invocation with an error.
    Error(String),
    /// No node that received the invocation has the connection.
    NotFound,
    /// The connection ended before the invocation was completed.
    Disconnected,
    /// As many results of the connection are waited for as its hub allows.
    TooMany,
    /// The client did not complete the invocation in time.
    TimedOut,
}

/// A hub message, encoded once for each protocol that its hub speaks, with its WebSocket header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    /// For connections that speak JSON.
    pub json: Option<Bytes>,
    /// For connections that speak MessagePack.
    pub messagepack: Option<Bytes>,
}

/// Why bytes are not an envelope. It is for the operator, in the log of the node that received them. It names
/// the part that is wrong, never its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is larger than any envelope that a node sends.
    #[error("an envelope of {bytes} bytes exceeds {MAX_ENVELOPE_BYTES} bytes")]
    TooLarge {
        /// Its size, in bytes.
        bytes: usize,
    },
    /// It has a version that this build does not know, and is to be skipped.
    #[error("an envelope of version {0} is not known")]
    UnknownVersion(u64),
    /// It has a kind, an outcome or a failure that this build does not know, and is to be skipped.
    #[error("an envelope of kind {0} is not known")]
    UnknownKind(u64),
    /// It names more connections than any envelope that a node sends.
    #[error("an envelope names more than {MAX_EXCEPT_IDS} connections")]
    TooManyIds,
    /// It is not an envelope, or a damaged one.
    #[error("an envelope's {field} cannot be read")]
    Malformed {
        /// The first part that could not be read.
        field: &'static str,
    },
}

impl EnvelopeError {
    /// Returns whether the envelope may come from a later version of Hubward, and is to be skipped without a
    /// warning.
    pub fn is_from_a_later_version(&self) -> bool {
        matches!(self, Self::UnknownVersion(_) | Self::UnknownKind(_))
    }
}
