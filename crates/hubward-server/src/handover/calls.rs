//! The calls of one node to another, sealed: what they carry are the messages and claims of clients, and whoever listens between two nodes without
//! mutual TLS learns nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use hubward_auth::KeyRing;
use hubward_backplane::BoxFuture;
use hubward_transport::{PeerClient, PeerError};
use hubward_types::{ConnectionId, HubName, NodeId, brief_causes};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{self, Bounded, MAX_CALL_BYTES};

/// The purposes of what is sealed.
const CALL: &str = "hand-over call 1";
const ANSWER: &str = "hand-over answer 1";
const PARKED: &str = "parked session 1";

/// What a call is about: its path at the other node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum HandoverCall {
    Prepare,
    Adopt,
    Cancel,
}

/// The way to other nodes.
pub(crate) trait HandoverTransport: Send + Sync + 'static {
    /// Calls another node; returns what it answers.
    fn call(
        &self,
        node: &NodeId,
        method: HandoverCall,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, CallError>>;
}

/// Why there is no answer to a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not sent: it certainly had no effect.
    #[error("the node could not be called: {0}")]
    NotSent(String),
    /// It may have had its effect.
    #[error("the node did not answer: {0}")]
    NoAnswer(String),
    /// The other node refused it as a whole, or runs a version that is too far apart: it had no effect.
    #[error("the node refused the call: {0}")]
    Refused(String),
}

impl From<PeerError> for CallError {
    fn from(error: PeerError) -> Self {
        let reason = brief_causes(&error).to_string();
        match error {
            PeerError::Gone
            | PeerError::NoListener
            | PeerError::Refused(_)
            | PeerError::Unreachable(_)
            | PeerError::TooMany
            | PeerError::Busy
            | PeerError::Stopping => Self::NotSent(reason),
            // What the service answers before it does anything.
            PeerError::Status(
                StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNPROCESSABLE_ENTITY
                | StatusCode::SERVICE_UNAVAILABLE,
            ) => Self::Refused(reason),
            // All others: something was sent, or may have been. That includes a refusal as not authentic, which anybody between
            // the nodes can have said in the other one's place.
            _ => Self::NoAnswer(reason),
        }
    }
}

impl HandoverCall {
    pub(crate) const ALL: [Self; 3] = [Self::Prepare, Self::Adopt, Self::Cancel];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Prepare => "/handover/prepare",
            Self::Adopt => "/handover/adopt",
            Self::Cancel => "/handover/cancel",
        }
    }
}

/// The other nodes, as this one calls them.
#[derive(Clone)]
pub(crate) struct HandoverPeers {
    pub(crate) seals: Seals,
    transport: Arc<dyn HandoverTransport>,
}

/// Seals what goes to another node, and opens what comes from it.
#[derive(Clone)]
pub(crate) struct Seals {
    keys: KeyRing,
    this: NodeId,
}

impl HandoverPeers {
    pub(crate) fn new(seals: Seals, transport: Arc<dyn HandoverTransport>) -> Self {
        Self { seals, transport }
    }

    /// Calls another node.
    pub(crate) async fn call<A: DeserializeOwned + Bounded>(
        &self,
        node: &NodeId,
        method: HandoverCall,
        call: &impl Serialize,
        deadline: Duration,
    ) -> Result<A, CallError> {
        let body = wire::encode(call);
        if body.len() > MAX_CALL_BYTES {
            return Err(CallError::NotSent("the call is too large".to_owned()));
        }
        let keys = &self.seals.keys;
        let of: [&[u8]; 2] = [method.path().as_bytes(), node.as_str().as_bytes()];
        let sealed = keys.seal_bytes(CALL, &of, &body);
        let answer = self.transport.call(node, method, sealed.into(), deadline).await?;
        let opened = keys.open_bytes(ANSWER, &of, answer.into());
        let opened = opened.ok_or_else(|| CallError::NoAnswer("the answer is not authentic".to_owned()))?;
        wire::decode(&opened).map_err(|error| CallError::NoAnswer(error.to_string()))
    }
}

impl Seals {
    pub(crate) fn new(keys: KeyRing, this: NodeId) -> Self {
        Self { keys, this }
    }

    /// Opens a call of another node; `None` where it is none.
    pub(crate) fn open_call(&self, method: HandoverCall, sealed: Bytes) -> Option<Vec<u8>> {
        let of: [&[u8]; 2] = [method.path().as_bytes(), self.this.as_str().as_bytes()];
        self.keys.open_bytes(CALL, &of, sealed.into())
    }

    /// Seals a session that nobody takes, for a store.
    pub(crate) fn seal_parked(&self, hub: &HubName, connection: &ConnectionId, session: &[u8]) -> Bytes {
        let of: [&[u8]; 2] = [hub.as_str().as_bytes(), connection.as_str().as_bytes()];
        self.keys.seal_bytes(PARKED, &of, session).into()
    }

    /// Opens what was sealed for a store; `None` where it is something else.
    pub(crate) fn open_parked(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        sealed: Bytes,
    ) -> Option<Vec<u8>> {
        let of: [&[u8]; 2] = [hub.as_str().as_bytes(), connection.as_str().as_bytes()];
        self.keys.open_bytes(PARKED, &of, sealed.into())
    }

    /// Seals the answer to a call.
    pub(crate) fn seal_answer(&self, method: HandoverCall, answer: &[u8]) -> Bytes {
        let of: [&[u8]; 2] = [method.path().as_bytes(), self.this.as_str().as_bytes()];
        self.keys.seal_bytes(ANSWER, &of, answer).into()
    }
}

impl HandoverTransport for PeerClient {
    fn call(
        &self,
        node: &NodeId,
        method: HandoverCall,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let node = node.clone();
        Box::pin(async move {
            let called = self.call(&node, method.path(), body, deadline).await;
            called.map_err(CallError::from)
        })
    }
}

#[cfg(test)]
mod tests;
