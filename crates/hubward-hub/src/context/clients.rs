//! The clients of a hub, by SignalR's selectors. Sending to what they select is in `recipients.rs`.

use std::sync::Arc;

use hubward_types::{ConnectionId, GroupName, Target, UserId};

use crate::connection::HubConnection;
use crate::context::recipients::{Client, Recipients};
use crate::engine::HubEngine;

/// The clients of a hub, by SignalR's selectors.
///
/// ```
/// use hubward_hub::{Clients, SendError};
///
/// async fn evacuate(clients: &Clients) -> Result<(), SendError> {
///     clients.all().send("Evacuate", ("Leave by the east stairs.",)).await?;
///     clients.groups(["ward:7", "ward:8"]).send("Doors", ("open",)).await?;
///     clients.users(["alice", "bob"]).send("Page", ()).await
/// }
/// ```
#[derive(Clone)]
pub struct Clients {
    engine: Arc<dyn HubEngine>,
}

impl Clients {
    pub(crate) fn new(engine: Arc<dyn HubEngine>) -> Self {
        Self { engine }
    }

    fn to(&self, target: Target) -> Recipients {
        Recipients::new(self.engine.clone(), target)
    }

    /// Selects all connections of the hub: a broadcast.
    pub fn all(&self) -> Recipients {
        self.to(Target::All)
    }

    /// Selects all connections but these.
    pub fn all_except<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::AllExcept(all_of(ids)))
    }

    /// Selects one connection, which can return results, too ([`Client::invoke`]).
    pub fn connection(&self, id: impl Into<ConnectionId>) -> Client {
        Client::new(self.engine.clone(), id.into(), None)
    }

    /// Selects several connections.
    pub fn connections<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::Connections(all_of(ids)))
    }

    /// Selects a group's members.
    pub fn group(&self, group: impl Into<GroupName>) -> Recipients {
        self.to(Target::Group(group.into()))
    }

    /// Selects the members of several groups. A member of two of them receives twice, as in SignalR.
    pub fn groups<I: Into<GroupName>>(&self, groups: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::Groups(all_of(groups)))
    }

    /// Selects a group's members but these connections.
    pub fn group_except<I: Into<ConnectionId>>(
        &self,
        group: impl Into<GroupName>,
        ids: impl IntoIterator<Item = I>,
    ) -> Recipients {
        self.to(Target::GroupExcept(group.into(), all_of(ids)))
    }

    /// Selects all connections of a user.
    pub fn user(&self, user: impl Into<UserId>) -> Recipients {
        self.to(Target::Users(vec![user.into()]))
    }

    /// Selects all connections of several users.
    pub fn users<I: Into<UserId>>(&self, users: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::Users(all_of(users)))
    }
}

/// The clients of a hub, seen by a caller: what [`Clients`] selects, and the caller's own selectors.
#[derive(Clone)]
pub struct CallerClients {
    clients: Clients,
    connection: Arc<dyn HubConnection>,
    call: u64,
}

impl CallerClients {
    pub(crate) fn new(engine: Arc<dyn HubEngine>, connection: Arc<dyn HubConnection>, call: u64) -> Self {
        Self { clients: Clients::new(engine), connection, call }
    }

    /// Selects the caller, which can return results, too ([`Client::invoke`]).
    pub fn caller(&self) -> Client {
        self.connection(self.connection.id())
    }

    /// Selects all connections but the caller's.
    pub fn others(&self) -> Recipients {
        self.clients.all_except([self.connection.id()])
    }

    /// Selects a group's members but the caller.
    pub fn others_in_group(&self, group: impl Into<GroupName>) -> Recipients {
        self.clients.group_except(group, [self.connection.id()])
    }

    /// Selects one connection, which can return results, too ([`Client::invoke`]).
    pub fn connection(&self, id: impl Into<ConnectionId>) -> Client {
        let call = Some((self.connection.clone(), self.call));
        Client::new(self.clients.engine.clone(), id.into(), call)
    }
}

impl std::ops::Deref for CallerClients {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

fn all_of<T, I: Into<T>>(names: impl IntoIterator<Item = I>) -> Vec<T> {
    names.into_iter().map(Into::into).collect()
}
