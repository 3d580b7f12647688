//! A hub, for code that runs outside any call.

use std::sync::Arc;

use crate::context::clients::Clients;
use crate::context::groups::Groups;
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
    clients: Clients,
    groups: Groups,
}

impl HubHandle {
    /// Makes a handle. For engines.
    pub fn new(engine: Arc<dyn HubEngine>) -> Self {
        Self { clients: Clients::new(engine.clone()), groups: Groups::new(engine) }
    }

    /// Returns the hub's groups and their members. To send to several groups, use `clients().groups([…])`.
    pub fn groups(&self) -> &Groups {
        &self.groups
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
