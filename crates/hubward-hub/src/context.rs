//! What a hub method knows of its caller and its hub.

pub(crate) mod clients;
pub(crate) mod groups;
pub(crate) mod hub_handle;
pub(crate) mod recipients;
pub(crate) mod users;

use std::sync::Arc;

use hubward_types::{ConnectionId, HubName, NodeId, Principal, TraceContext};
use tokio_util::sync::CancellationToken;

use crate::connection::disconnect_reason::DisconnectReason;
use crate::connection::items::Items;
use crate::connection::{HubConnection, Request};
use crate::context::clients::CallerClients;
use crate::context::groups::CallerGroups;
use crate::context::users::Users;
use crate::engine::HubEngine;

/// The call that a method is running for: its caller, and the hub's clients and groups.
///
/// Take it as a parameter of any method or callback. Cloning it is cheap, and a clone may outlive the call.
///
/// ```
/// use hubward_hub::{HubContext, HubError};
///
/// async fn say(cx: HubContext, text: String) -> Result<(), HubError> {
///     let user = cx.principal().user_id().map_or("anonymous", |user| user.as_str());
///     Ok(cx.clients().others().send("Said", (user, text)).await?)
/// }
/// ```
#[derive(Clone)]
pub struct HubContext {
    connection: Arc<dyn HubConnection>,
    engine: Arc<dyn HubEngine>,
    call: u64,
    extra: Option<Arc<Extra>>,
}

/// What few calls have; behind a pointer, so that the other calls do not pay for it.
#[derive(Default)]
struct Extra {
    headers: Vec<(String, String)>,
    disconnect_reason: Option<DisconnectReason>,
}

impl HubContext {
    /// Makes the context of call `call` of a connection. For engines.
    pub fn new(connection: Arc<dyn HubConnection>, engine: Arc<dyn HubEngine>, call: u64) -> Self {
        Self { connection, engine, call, extra: None }
    }

    /// Adds the headers that came with the call. For engines.
    pub fn with_headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.extra = Some(Arc::new(Extra { headers, disconnect_reason: None }));
        self
    }

    /// Makes this the context of `on_disconnected`, which learns why the connection ended. For engines.
    pub fn with_disconnect_reason(mut self, reason: DisconnectReason) -> Self {
        self.extra = Some(Arc::new(Extra { headers: Vec::new(), disconnect_reason: Some(reason) }));
        self
    }

    pub(crate) fn disconnect_reason(&self) -> Option<&DisconnectReason> {
        self.extra.as_ref()?.disconnect_reason.as_ref()
    }

    /// Returns the caller's connection id.
    pub fn connection_id(&self) -> &ConnectionId {
        self.connection.id()
    }

    /// Returns who the caller is.
    ///
    /// ```
    /// use hubward_hub::{HubContext, HubError};
    ///
    /// async fn department(cx: HubContext) -> Result<String, HubError> {
    ///     let department = cx.principal().claim("department");
    ///     Ok(department.ok_or_else(|| HubError::shown("Your token names no department."))?.to_owned())
    /// }
    /// ```
    pub fn principal(&self) -> &Principal {
        self.connection.principal()
    }

    /// Returns the hub's name.
    pub fn hub(&self) -> &HubName {
        self.engine.hub()
    }

    /// Returns the id of the node that the call runs on.
    pub fn node(&self) -> &NodeId {
        self.engine.node()
    }

    /// Returns the hub's clients, to choose recipients from.
    pub fn clients(&self) -> CallerClients {
        CallerClients::new(self.engine.clone(), self.connection.clone(), self.call)
    }

    /// Returns the hub's groups, and the caller's membership in them.
    pub fn groups(&self) -> CallerGroups {
        CallerGroups::new(self.engine.clone(), self.connection.id().clone())
    }

    /// Returns the hub's users: who is online. To send to several users, use `clients().users([…])`.
    pub fn users(&self) -> Users {
        Users::new(self.engine.clone())
    }

    /// Returns the values that live as long as the connection.
    pub fn items(&self) -> &Items {
        self.connection.items()
    }

    /// Returns the request that opened the connection.
    pub fn request(&self) -> &dyn Request {
        self.connection.request()
    }

    /// Returns the headers that the caller sent with this call. What tracing needs of them is
    /// [`trace_context`](Self::trace_context).
    pub fn headers(&self) -> &[(String, String)] {
        self.extra.as_ref().map_or(&[], |extra| &extra.headers)
    }

    /// Returns the distributed trace that this call belongs to: what the caller sent in the headers `traceparent` and
    /// `tracestate` of the call, unless it is malformed. Official .NET clients do from version 9 on where they are traced.
    /// What this context sends to other nodes, and asks of them, carries it.
    pub fn trace_context(&self) -> Option<&TraceContext> {
        self.engine.trace_context()
    }

    /// Returns the context as a part of this trace, such as of a span that the method has begun.
    pub fn with_trace_context(mut self, trace: TraceContext) -> Self {
        self.engine = self.engine.with_trace_context(trace);
        self
    }

    /// Returns a token that is cancelled when the connection has closed (`ConnectionAborted` in ASP.NET Core).
    pub fn connection_closed(&self) -> CancellationToken {
        self.connection.connection_closed()
    }

    /// Closes the caller's connection, with a Close message that does not allow a reconnect.
    pub fn abort(&self) {
        self.connection.abort();
    }
}
