//! The engine as hub code sees it: every call of the [`HubEngine`] trait goes to the module that carries it out.

use std::sync::Arc;
use std::time::Duration;

use hubward_hub::{
    BoxFuture, ClientResultError, ConnectionPage, EncodeCall, GroupError, GroupMember, GroupPage, HubEngine,
    HubHandle, PageCursor, RawClientResult, Sending, UserError, UserPage,
};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, Target, TraceContext, UserId};

use crate::cluster::{client_results, disconnecting, remote};
use crate::connection::close_reason::CloseReason;
use crate::delivery::router;
use crate::engine::Engine;
use crate::membership::connection::Change;
use crate::membership::{self, presence, queries, user_changes};

/// Implements [`HubEngine`] on a type of its own, because the calls need the engine's `Arc`.
struct Facade {
    engine: Arc<Engine>,
    /// The trace that the calls belong to.
    trace: Option<TraceContext>,
}

impl Engine {
    /// Returns a handle that reaches the hub's clients from anywhere in the program.
    pub fn handle(self: &Arc<Self>) -> HubHandle {
        HubHandle::new(self.clone().facade())
    }

    pub(crate) fn facade(self: Arc<Self>) -> Arc<dyn HubEngine> {
        Arc::new(Facade { engine: self, trace: None })
    }
}

impl HubEngine for Facade {
    fn hub(&self) -> &HubName {
        self.engine.name()
    }

    fn node(&self) -> &NodeId {
        &self.engine.context.id
    }

    fn trace_context(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    fn with_trace_context(&self, trace: TraceContext) -> Arc<dyn HubEngine> {
        Arc::new(Self { engine: self.engine.clone(), trace: Some(trace) })
    }

    fn send(&self, target: &Target, call: &dyn EncodeCall) -> Sending {
        router::send(&self.engine, target, call, self.trace.as_ref())
    }

    fn invoke_client(
        &self,
        connection: &ConnectionId,
        call: &dyn EncodeCall,
        caller: Option<(&ConnectionId, u64)>,
    ) -> BoxFuture<'static, Result<RawClientResult, ClientResultError>> {
        client_results::invoke(&self.engine, connection, call, caller, self.trace.clone())
    }

    fn abort(&self, connection: &ConnectionId) -> Sending {
        if let Some(connection) = self.engine.index.connection(connection) {
            connection.close(CloseReason::Aborted);
            return Sending::done(Ok(()));
        }
        let context = &self.engine.context;
        if context.other_nodes().is_none() {
            return Sending::done(Ok(()));
        }
        context.run(remote::abort(self.engine.clone(), connection.clone(), self.trace.clone()))
    }

    fn add_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<'static, Result<(), GroupError>> {
        let (engine, connection, group) = (self.engine.clone(), connection.clone(), group.clone());
        let trace = self.trace.clone();
        Box::pin(membership::connection::change(engine, connection, group, Change::Join, trace))
    }

    fn remove_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<'static, Result<(), GroupError>> {
        let (engine, connection, group) = (self.engine.clone(), connection.clone(), group.clone());
        let trace = self.trace.clone();
        Box::pin(membership::connection::change(engine, connection, group, Change::Leave, trace))
    }

    fn add_user(
        &self,
        user: &UserId,
        group: &GroupName,
        ttl: Option<Duration>,
    ) -> BoxFuture<'static, Result<(), GroupError>> {
        Box::pin(user_changes::add(self.engine.clone(), user.clone(), group.clone(), ttl, self.trace.clone()))
    }

    fn remove_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>> {
        Box::pin(user_changes::remove(self.engine.clone(), user.clone(), group.clone(), self.trace.clone()))
    }

    fn ban_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>> {
        Box::pin(user_changes::ban(self.engine.clone(), user.clone(), group.clone(), self.trace.clone()))
    }

    fn unban_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>> {
        Box::pin(user_changes::unban(self.engine.clone(), user.clone(), group.clone()))
    }

    fn members(
        &self,
        group: &GroupName,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<GroupPage, GroupError>> {
        Box::pin(queries::members(self.engine.clone(), group.clone(), cursor, limit))
    }

    fn count(&self, group: &GroupName) -> BoxFuture<'static, Result<u64, GroupError>> {
        Box::pin(queries::count(self.engine.clone(), group.clone()))
    }

    fn contains(
        &self,
        group: &GroupName,
        member: &GroupMember,
    ) -> BoxFuture<'static, Result<bool, GroupError>> {
        Box::pin(queries::contains(self.engine.clone(), group.clone(), member.clone()))
    }

    fn groups_of(&self, member: &GroupMember) -> BoxFuture<'static, Result<Vec<GroupName>, GroupError>> {
        Box::pin(queries::groups_of(self.engine.clone(), member.clone()))
    }

    fn users_online(
        &self,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<UserPage, UserError>> {
        Box::pin(presence::users_online(self.engine.clone(), cursor, limit))
    }

    fn connections_of_user(
        &self,
        user: &UserId,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<ConnectionPage, UserError>> {
        Box::pin(presence::connections_of_user(self.engine.clone(), user.clone(), cursor, limit))
    }

    fn is_online(&self, user: &UserId) -> BoxFuture<'static, Result<bool, UserError>> {
        Box::pin(presence::is_online(self.engine.clone(), user.clone()))
    }

    fn disconnect_user(&self, user: &UserId) -> BoxFuture<'static, Result<(), UserError>> {
        Box::pin(disconnecting::disconnect(self.engine.clone(), user.clone(), self.trace.clone()))
    }
}
