//! What two nodes say to each other when one hands sessions over: one byte of version, and then MessagePack. It comes from whoever
//! has the cluster's keys, and may be anything: no list is longer than a node ever writes, and no memory is allocated for a
//! length that is only declared.

use hubward_auth::random_id;
use hubward_backplane::{Epoch, Owner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::session_state::{MAX_IDENTITY_BYTES, MAX_STATE_BYTES, at_most};

/// The form that is written, and the only one that is read: a node that knows no other keeps its sessions, and tells their
/// clients to reconnect.
const VERSION: u8 = 1;

/// The most sessions of a batch: few, so that all of them move within a moment, and enough that the round trips between the nodes
/// do not matter.
pub(crate) const MAX_SESSIONS: usize = 64;

/// The most bytes of the sessions of a batch, unless it has only one.
pub(crate) const MAX_BATCH_BYTES: usize = 4 << 20;

/// The most bytes of a call: what a batch has, or one session with all that was delivered to it.
pub(crate) const MAX_CALL_BYTES: usize = MAX_BATCH_BYTES + MAX_IDENTITY_BYTES + MAX_STATE_BYTES;

/// The most messages that are remembered as delivered, for each session.
pub(crate) const MAX_DELIVERED: usize = 16 * 1024;

/// The most groups of a user; one that is in more is asked to reconnect.
pub(crate) const MAX_USER_GROUPS: usize = 4 * 1024;

/// Bytes that an id of a batch may have.
const MAX_ID_BYTES: usize = 64;

/// Names a batch among all that nodes hand over. Nobody guesses it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct BatchId(String);

impl BatchId {
    pub(crate) fn new() -> Self {
        Self(random_id())
    }
}

/// Asks a node to make room for sessions, and to receive all that is sent to them from now on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Prepare {
    pub(crate) batch: BatchId,
    from: (String, u64),
    /// The marker that will follow, on every topic of the sessions, all that the asking node has received before.
    pub(crate) marker: u64,
    #[serde(deserialize_with = "at_most::<_, _, MAX_SESSIONS>")]
    pub(crate) sessions: Vec<Offer>,
}

/// A session that is to move.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// The identity, as bytes.
    pub(crate) identity: ByteBuf,
    /// The groups of its user that are delivered to it.
    #[serde(deserialize_with = "at_most::<_, _, MAX_USER_GROUPS>")]
    pub(crate) user_groups: Vec<String>,
    /// How many bytes its content will have, about.
    pub(crate) content_bytes: u64,
}

/// The answer to [`Prepare`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct PrepareReply {
    /// The marker that follows, on every topic, when the node has received the other one there.
    pub(crate) marker: u64,
    /// For each session, in order, why it cannot come; 0 where it can.
    #[serde(deserialize_with = "at_most::<_, _, MAX_SESSIONS>")]
    refusals: Vec<u8>,
}

/// Gives the contents of sessions that were prepared.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Adopt {
    pub(crate) batch: BatchId,
    #[serde(deserialize_with = "at_most::<_, _, MAX_SESSIONS>")]
    pub(crate) sessions: Vec<GivenContent>,
}

/// The content of a session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct GivenContent {
    /// Its place among the sessions of the batch.
    pub(crate) place: u32,
    pub(crate) content: ByteBuf,
    /// The messages that are in it and may have reached the other node, too: the pairs of their ids.
    #[serde(deserialize_with = "at_most::<_, _, MAX_DELIVERED>")]
    pub(crate) delivered: Vec<(u64, u64)>,
}

/// The answer to [`Adopt`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct AdoptReply {
    /// For each session of the call, in order.
    #[serde(deserialize_with = "at_most::<_, _, MAX_SESSIONS>")]
    outcomes: Vec<u8>,
}

/// Takes back what was prepared.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Cancel {
    pub(crate) batch: BatchId,
}

/// The answer to [`Cancel`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct CancelReply;

/// Why a session cannot come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PlaceRefusal {
    /// As many have come as the node has room for.
    NoRoom,
    /// The node does not have the hub.
    NoHub,
    /// The node is about to leave, too.
    Draining,
    /// The node cannot read it: it runs another version, or hub options differ.
    Unreadable,
    /// The node has, or had, a connection of this id.
    Known,
    /// The node cannot reach the backplane or the store.
    Outage,
    /// Something that this version does not know.
    Other,
}

/// What came of a session whose content was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AdoptOutcome {
    /// The node that was asked has it.
    Adopted,
    /// It has not, and will not.
    NotAdopted,
    /// It does not know: the store has not answered.
    Unclear,
}

/// Why a call has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unanswered {
    /// There is no such call.
    Unknown,
    /// It is damaged, or not what it says.
    Malformed,
    /// It is in a form that this version does not know.
    UnknownVersion,
    /// There are too many at once.
    Busy,
    /// It failed half-way, or goes on: it may have had its effect.
    Unclear,
}

/// Why bytes are not what was to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("it has {0} bytes, more than any")]
    TooLarge(usize),
    #[error("its form {0} is not known; the nodes run versions that are too far apart")]
    UnknownVersion(u8),
    #[error("the bytes are damaged")]
    Malformed,
}

impl Prepare {
    pub(crate) fn new(batch: BatchId, from: &Owner, marker: u64, sessions: Vec<Offer>) -> Self {
        Self { batch, from: (from.node.to_string(), from.epoch.get()), marker, sessions }
    }

    /// Who holds the sessions.
    pub(crate) fn from(&self) -> Owner {
        Owner { node: self.from.0.as_str().into(), epoch: Epoch::new(self.from.1) }
    }
}

impl PrepareReply {
    pub(crate) fn new(marker: u64, refusals: impl Iterator<Item = Option<PlaceRefusal>>) -> Self {
        let refusals = refusals.map(|refusal| refusal.map_or(0, PlaceRefusal::number)).collect();
        Self { marker, refusals }
    }

    /// Why a session cannot come; `None` where it can. One that the answer does not name cannot.
    pub(crate) fn refusal(&self, place: usize) -> Option<PlaceRefusal> {
        match self.refusals.get(place) {
            Some(0) => None,
            Some(number) => Some(PlaceRefusal::of(*number)),
            None => Some(PlaceRefusal::Other),
        }
    }
}

impl AdoptReply {
    pub(crate) fn new(outcomes: impl Iterator<Item = AdoptOutcome>) -> Self {
        Self { outcomes: outcomes.map(AdoptOutcome::number).collect() }
    }

    /// What came of a session of the call, by its place there.
    pub(crate) fn outcome(&self, place: usize) -> AdoptOutcome {
        self.outcomes.get(place).map_or(AdoptOutcome::Unclear, |number| AdoptOutcome::of(*number))
    }
}

impl PlaceRefusal {
    const ALL: [Self; 6] =
        [Self::NoRoom, Self::NoHub, Self::Draining, Self::Unreadable, Self::Known, Self::Outage];

    fn number(self) -> u8 {
        match self {
            Self::NoRoom => 1,
            Self::NoHub => 2,
            Self::Draining => 3,
            Self::Unreadable => 4,
            Self::Known => 5,
            Self::Outage => 6,
            Self::Other => u8::MAX,
        }
    }

    fn of(number: u8) -> Self {
        Self::ALL.into_iter().find(|refusal| refusal.number() == number).unwrap_or(Self::Other)
    }

    /// Its name in log lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoRoom => "no room",
            Self::NoHub => "no such hub",
            Self::Draining => "draining",
            Self::Unreadable => "not readable there",
            Self::Known => "known there",
            Self::Outage => "no link there",
            Self::Other => "another reason",
        }
    }
}

impl AdoptOutcome {
    fn number(self) -> u8 {
        match self {
            Self::Adopted => 0,
            Self::NotAdopted => 1,
            Self::Unclear => 2,
        }
    }

    fn of(number: u8) -> Self {
        match number {
            0 => Self::Adopted,
            1 => Self::NotAdopted,
            _ => Self::Unclear,
        }
    }
}

/// Encodes a call or an answer.
pub(crate) fn encode(form: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // Nothing of a form fails to be written into memory.
    let written = rmp_serde::encode::write(&mut bytes, form);
    debug_assert!(written.is_ok());
    bytes
}

/// Decodes a call or an answer.
pub(crate) fn decode<T: DeserializeOwned + Bounded>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > MAX_CALL_BYTES {
        return Err(WireError::TooLarge(bytes.len()));
    }
    // The errors of the reader are not passed on: they may quote what was read.
    let decoded: T = match bytes.split_first() {
        Some((&VERSION, form)) => rmp_serde::from_slice(form).map_err(|_| WireError::Malformed)?,
        Some((&version, _)) => return Err(WireError::UnknownVersion(version)),
        None => return Err(WireError::Malformed),
    };
    if decoded.is_bounded() { Ok(decoded) } else { Err(WireError::Malformed) }
}

/// What is checked beside the lengths of lists.
pub(crate) trait Bounded {
    fn is_bounded(&self) -> bool;
}

impl Bounded for Prepare {
    fn is_bounded(&self) -> bool {
        self.batch.is_bounded()
            && self.sessions.iter().all(|offer| offer.identity.len() <= MAX_IDENTITY_BYTES)
    }
}

impl Bounded for PrepareReply {
    fn is_bounded(&self) -> bool {
        true
    }
}

impl Bounded for Adopt {
    fn is_bounded(&self) -> bool {
        let is_bounded = |content: &GivenContent| content.content.len() <= MAX_STATE_BYTES;
        self.batch.is_bounded() && self.sessions.iter().all(is_bounded)
    }
}

impl Bounded for AdoptReply {
    fn is_bounded(&self) -> bool {
        true
    }
}

impl Bounded for CancelReply {
    fn is_bounded(&self) -> bool {
        true
    }
}

impl Bounded for Cancel {
    fn is_bounded(&self) -> bool {
        self.batch.is_bounded()
    }
}

impl Bounded for BatchId {
    fn is_bounded(&self) -> bool {
        self.0.len() <= MAX_ID_BYTES
    }
}

#[cfg(test)]
mod tests;
