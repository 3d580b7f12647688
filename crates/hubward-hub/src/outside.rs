//! A hub seen from outside any call: from anywhere in the program.

use std::sync::Arc;

use crate::clients::Clients;
use crate::engine::HubEngine;
use crate::groups::Groups;

/// Speaks to a hub's clients from anywhere: SignalR's `IHubContext`. Cheap to clone.
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

    /// Groups and their members.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The hub's clients.
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
