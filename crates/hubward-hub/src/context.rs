//! What a hub method knows of its caller and its hub.

use std::sync::Arc;

use hubward_types::{ConnectionId, HubName, Principal};
use tokio_util::sync::CancellationToken;

use crate::clients::CallerClients;
use crate::connection::{HubConnection, Request};
use crate::disconnected::DisconnectReason;
use crate::engine::HubEngine;
use crate::groups::CallerGroups;
use crate::items::Items;

/// The call that a method is running for: its caller, the hub's clients and groups.
///
/// Take it as a parameter of any method or callback. Cloning it is cheap, and a clone may outlive the call.
///
/// ```
/// use hubward_hub::{HubContext, HubError};
///
/// async fn say(cx: HubContext, text: String) -> Result<(), HubError> {
///     let who = cx.principal().user_id().map_or("somebody", |user| user.as_str()).to_owned();
///     Ok(cx.clients().others().send("Said", (who, text)).await?)
/// }
/// ```
#[derive(Clone)]
pub struct HubContext {
    connection: Arc<dyn HubConnection>,
    engine: Arc<dyn HubEngine>,
    call: u64,
    extra: Option<Arc<Extra>>,
}

/// What few calls have, kept out of the way of those that do not.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) disconnect_reason: Option<DisconnectReason>,
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

    /// Marks the context of `on_disconnected` with why the connection ended. For engines.
    pub fn with_disconnect_reason(mut self, reason: DisconnectReason) -> Self {
        self.extra = Some(Arc::new(Extra { headers: Vec::new(), disconnect_reason: Some(reason) }));
        self
    }

    pub(crate) fn disconnect_reason(&self) -> Option<&DisconnectReason> {
        self.extra.as_ref()?.disconnect_reason.as_ref()
    }

    /// The caller's connection id.
    pub fn connection_id(&self) -> &ConnectionId {
        self.connection.id()
    }

    /// Who the caller is.
    pub fn principal(&self) -> &Principal {
        self.connection.principal()
    }

    /// The hub's name.
    pub fn hub(&self) -> &HubName {
        self.engine.hub()
    }

    /// Whom to send to.
    pub fn clients(&self) -> CallerClients {
        CallerClients::new(self.engine.clone(), self.connection.clone(), self.call)
    }

    /// Groups, and the caller's membership in them.
    pub fn groups(&self) -> CallerGroups {
        CallerGroups::new(self.engine.clone(), self.connection.id().clone())
    }

    /// Values that live as long as the connection.
    pub fn items(&self) -> &Items {
        self.connection.items()
    }

    /// The request that opened the connection.
    pub fn request(&self) -> &dyn Request {
        self.connection.request()
    }

    /// The headers that the caller sent with this call, such as `traceparent`.
    pub fn headers(&self) -> &[(String, String)] {
        self.extra.as_ref().map_or(&[], |extra| &extra.headers)
    }

    /// Cancelled when the connection has ended.
    pub fn connection_closed(&self) -> CancellationToken {
        self.connection.connection_closed()
    }

    /// Ends the caller's connection; it may not reconnect by itself.
    pub fn abort(&self) {
        self.connection.abort();
    }
}
