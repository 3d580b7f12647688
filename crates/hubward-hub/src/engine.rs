//! The seam between a hub's code and what carries out its wishes. `hubward-server` implements it; tests may.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_proto::{Arguments, EncodeError, Frame, Protocol, RawValue};
use hubward_types::{ConnectionId, GroupName, HubName, Target, UserId};
use serde::de::DeserializeOwned;

use crate::error::{ClientResultError, GroupError, SendError};
use crate::members::{GroupMember, GroupPage, PageCursor};

/// Carries out what a hub wants done. One per hub and node.
pub trait HubEngine: Send + Sync + 'static {
    /// The hub's name.
    fn hub(&self) -> &HubName;
    /// Sends a call to all of `target`: those of this node before it returns, others when `Sending` is awaited.
    fn send(&self, target: &Target, call: &dyn EncodeCall) -> Sending;
    /// Calls a method of one client and waits for its answer.
    fn invoke_client(
        &self,
        connection: &ConnectionId,
        call: &dyn EncodeCall,
    ) -> BoxFuture<'static, Result<RawClientResult, ClientResultError>>;
    /// Ends a connection, wherever it is.
    fn abort(&self, connection: &ConnectionId) -> Sending;
    /// Adds a connection, of whichever node, to a group.
    fn add_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Removes a connection, of whichever node, from a group.
    fn remove_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Adds all connections of a user, present and future, to a group until `ttl` has passed.
    fn add_user(
        &self,
        user: &UserId,
        group: &GroupName,
        ttl: Option<Duration>,
    ) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Ends a user's membership.
    fn remove_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Lists a part of a group's members.
    fn members(
        &self,
        group: &GroupName,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<GroupPage, GroupError>>;
    /// Counts a group's members.
    fn count(&self, group: &GroupName) -> BoxFuture<'static, Result<u64, GroupError>>;
    /// Tells whether a group has a member.
    fn contains(
        &self,
        group: &GroupName,
        member: &GroupMember,
    ) -> BoxFuture<'static, Result<bool, GroupError>>;
    /// Lists the groups of a connection or a user.
    fn groups_of(&self, member: &GroupMember) -> BoxFuture<'static, Result<Vec<GroupName>, GroupError>>;
}

/// A call of a client method that can be encoded when it is known for which protocols.
pub trait EncodeCall: Sync {
    /// The client method.
    fn method(&self) -> &str;
    /// Encodes the call; with `id` where an answer is wanted.
    ///
    /// # Errors
    /// The arguments' own, from serde.
    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError>;
}

pub(crate) struct Call<'a, A> {
    pub(crate) method: &'a str,
    pub(crate) arguments: &'a A,
}

impl<A: Arguments + Sync> EncodeCall for Call<'_, A> {
    fn method(&self) -> &str {
        self.method
    }

    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError> {
        hubward_proto::encode::invocation(protocol, id, self.method, self.arguments)
    }
}

/// A client's answer, not yet decoded.
#[derive(Debug)]
pub struct RawClientResult {
    protocol: Protocol,
    /// Empty where the client gave no result.
    bytes: Vec<u8>,
}

impl RawClientResult {
    /// Wraps the encoded value that a client answered with.
    pub fn new(protocol: Protocol, bytes: Vec<u8>) -> Self {
        Self { protocol, bytes }
    }

    /// The answer of a client that gave no result.
    pub fn without_result() -> Self {
        Self { protocol: Protocol::Json, bytes: Vec::new() }
    }

    /// Decodes the result. None is enough only where nothing is wanted, such as `()`.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, ClientResultError> {
        let value = match &*self.bytes {
            [] if size_of::<T>() == 0 => RawValue::new(Protocol::Json, b"null"),
            [] => return Err(ClientResultError::NoResult),
            bytes => RawValue::new(self.protocol, bytes),
        };
        value.deserialize().map_err(ClientResultError::Decode)
    }
}

/// A message on its way: recipients of this node have it already; awaiting passes it on to the other nodes.
///
/// Not awaiting it is allowed only where it is spawned or otherwise polled: a dropped `Sending` may never
/// leave this node.
#[must_use = "other nodes get the message only when this is awaited"]
pub struct Sending(State);

enum State {
    Done(Option<Result<(), SendError>>),
    Later(BoxFuture<'static, Result<(), SendError>>),
}

impl Sending {
    /// A message that needs nothing more done.
    pub fn done(result: Result<(), SendError>) -> Self {
        Self(State::Done(Some(result)))
    }

    /// A message that is passed on by `rest`.
    pub fn later(rest: BoxFuture<'static, Result<(), SendError>>) -> Self {
        Self(State::Later(rest))
    }
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(result) => Poll::Ready(result.take().unwrap_or(Ok(()))),
            State::Later(rest) => rest.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_result_is_enough_only_where_none_is_wanted() {
        assert!(RawClientResult::without_result().decode::<()>().is_ok());
        assert!(matches!(
            RawClientResult::without_result().decode::<Option<String>>(),
            Err(ClientResultError::NoResult)
        ));
        let null = RawClientResult::new(Protocol::Json, b"null".to_vec());
        assert_eq!(null.decode::<Option<String>>().unwrap(), None);
        assert!(matches!(null.decode::<String>(), Err(ClientResultError::Decode(_))));
    }
}
