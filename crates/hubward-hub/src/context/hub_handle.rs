//! A hub, for code that runs outside any call.

use std::sync::Arc;

use hubward_types::TraceContext;

use crate::context::clients::Clients;
use crate::context::groups::Groups;
use crate::context::users::Users;
use crate::engine::HubEngine;

/// Sends to a hub's clients from anywhere in the program: SignalR's `IHubContext`. Cheap to clone.
///
/// ```
/// use hubward_hub::{HubError, HubHandle};
///
/// async fn remind(clinical: HubHandle) -> Result<(), HubError> {
///     clinical.user("alice").send("Reminder", ("Round at nine",)).await?;
///     clinical.groups().add_user("alice", "ward:7", None).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct HubHandle {
    engine: Arc<dyn HubEngine>,
    clients: Clients,
    groups: Groups,
    users: Users,
}

impl HubHandle {
    /// Makes a handle. For engines.
    pub fn new(engine: Arc<dyn HubEngine>) -> Self {
        let (clients, groups) = (Clients::new(engine.clone()), Groups::new(engine.clone()));
        Self { clients, groups, users: Users::new(engine.clone()), engine }
    }

    /// Returns a handle of which all that it sends to other nodes, and asks of them, belongs to a distributed trace.
    ///
    /// ```
    /// use hubward_hub::{HubHandle, SendError};
    /// use hubward_types::TraceContext;
    ///
    /// async fn admitted(clinical: HubHandle, traceparent: &str, bed: u32) -> Result<(), SendError> {
    ///     let clinical = match TraceContext::parse(traceparent) {
    ///         Some(trace) => clinical.with_trace_context(trace),
    ///         None => clinical,
    ///     };
    ///     clinical.all().send("Admitted", (bed,)).await
    /// }
    /// ```
    pub fn with_trace_context(&self, trace: TraceContext) -> Self {
        Self::new(self.engine.with_trace_context(trace))
    }

    /// Returns the hub's groups and their members. To send to several groups, use `clients().groups([…])`.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Returns the hub's users: who is online. To send to several users, use `clients().users([…])`.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Returns the hub's clients, to choose recipients from.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }
}

impl std::ops::Deref for HubHandle {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}
