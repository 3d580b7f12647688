//! Whom a hub speaks to: SignalR's selectors.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use hubward_proto::Arguments;
use hubward_types::{ConnectionId, GroupName, Target, UserId};
use serde::de::DeserializeOwned;

use crate::connection::HubConnection;
use crate::engine::{Call, HubEngine, RawClientResult, Sending};
use crate::error::ClientResultError;

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

fn all_of<T, I: Into<T>>(names: impl IntoIterator<Item = I>) -> Vec<T> {
    names.into_iter().map(Into::into).collect()
}

impl Clients {
    pub(crate) fn new(engine: Arc<dyn HubEngine>) -> Self {
        Self { engine }
    }

    fn to(&self, target: Target) -> Recipients {
        Recipients { engine: self.engine.clone(), target }
    }

    /// Everybody.
    pub fn all(&self) -> Recipients {
        self.to(Target::All)
    }

    /// Everybody but these connections.
    pub fn all_except<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::AllExcept(all_of(ids)))
    }

    /// One connection. It may be asked, too.
    pub fn connection(&self, id: impl Into<ConnectionId>) -> Client {
        Client { engine: self.engine.clone(), connection: id.into(), call: None }
    }

    /// Several connections.
    pub fn connections<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::Connections(all_of(ids)))
    }

    /// A group's members.
    pub fn group(&self, group: impl Into<GroupName>) -> Recipients {
        self.to(Target::Group(group.into()))
    }

    /// The members of several groups; who is in two of them receives twice, as in SignalR.
    pub fn groups<I: Into<GroupName>>(&self, groups: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::Groups(all_of(groups)))
    }

    /// A group's members but these connections.
    pub fn group_except<I: Into<ConnectionId>>(
        &self,
        group: impl Into<GroupName>,
        ids: impl IntoIterator<Item = I>,
    ) -> Recipients {
        self.to(Target::GroupExcept(group.into(), all_of(ids)))
    }

    /// All connections of a user.
    pub fn user(&self, user: impl Into<UserId>) -> Recipients {
        self.to(Target::Users(vec![user.into()]))
    }

    /// All connections of several users.
    pub fn users<I: Into<UserId>>(&self, users: impl IntoIterator<Item = I>) -> Recipients {
        self.to(Target::Users(all_of(users)))
    }
}

/// The clients of a hub, seen by a caller: what [`Clients`] names, and the caller's own view.
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

    /// The caller. It may be asked, too.
    pub fn caller(&self) -> Client {
        self.connection(self.connection.id())
    }

    /// Everybody but the caller.
    pub fn others(&self) -> Recipients {
        self.clients.all_except([self.connection.id()])
    }

    /// A group's members but the caller.
    pub fn others_in_group(&self, group: impl Into<GroupName>) -> Recipients {
        self.clients.group_except(group, [self.connection.id()])
    }

    /// One connection. It may be asked, too.
    pub fn connection(&self, id: impl Into<ConnectionId>) -> Client {
        let call = Some((self.connection.clone(), self.call));
        Client { engine: self.clients.engine.clone(), connection: id.into(), call }
    }
}

impl std::ops::Deref for CallerClients {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

/// Those whom a message is for.
#[derive(Clone)]
pub struct Recipients {
    engine: Arc<dyn HubEngine>,
    target: Target,
}

impl Recipients {
    /// Calls a method of each recipient. Arguments are a tuple, also where there is one: `(argument,)`.
    ///
    /// It never waits for a recipient: this node's have the message queued when `send` returns, and awaiting
    /// passes it to the other nodes.
    ///
    /// ```
    /// # use hubward_hub::{HubContext, HubError};
    /// # use serde::Serialize;
    /// # #[derive(Serialize)] struct Reading { value: f64 }
    /// # async fn example(cx: HubContext, reading: Reading) -> Result<(), HubError> {
    /// cx.clients().group("ward:7").send("Vitals", (&reading,)).await?;
    /// cx.clients().user("alice").send("Reminder", ("Round at nine", 3)).await?;
    /// # Ok(()) }
    /// ```
    pub fn send<A: Arguments + Sync>(&self, method: &str, arguments: A) -> Sending {
        self.engine.send(&self.target, &Call { method, arguments: &arguments })
    }
}

/// One client.
#[derive(Clone)]
pub struct Client {
    engine: Arc<dyn HubEngine>,
    connection: ConnectionId,
    call: Option<(Arc<dyn HubConnection>, u64)>,
}

impl Client {
    /// Calls a method of the client, if it is there.
    pub fn send<A: Arguments + Sync>(&self, method: &str, arguments: A) -> Sending {
        let target = Target::Connections(vec![self.connection.clone()]);
        self.engine.send(&target, &Call { method, arguments: &arguments })
    }

    /// Calls a method of the client and waits for its answer, until the client leaves. Put a timeout around it
    /// where the client is not to be trusted to answer.
    ///
    /// While a method waits here, the next invocations of its own caller may start, so that asking the caller
    /// itself cannot deadlock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hubward_hub::{HubContext, HubError};
    ///
    /// async fn confirm(cx: HubContext, nurse: String, order: String) -> Result<bool, HubError> {
    ///     let answer = cx.clients().connection(nurse).invoke("Confirm", (order,));
    ///     match tokio::time::timeout(Duration::from_secs(30), answer).await {
    ///         Ok(sure) => Ok(sure?),
    ///         Err(_) => Err(HubError::shown("Nobody confirmed in time.")),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ClientResultError::Failed`] with the client's text, [`ClientResultError::NotFound`], [`ClientResultError::Disconnected`], …
    pub fn invoke<T: DeserializeOwned>(
        &self,
        method: &str,
        arguments: impl Arguments + Sync,
    ) -> ClientResult<T> {
        if let Some((caller, call)) = &self.call {
            if caller.id() == &self.connection && !caller.accepts_client_results() {
                return ClientResult::new(Box::pin(async { Err(ClientResultError::WhileConnecting) }));
            }
            caller.release_permit(*call);
        }
        ClientResult::new(
            self.engine.invoke_client(&self.connection, &Call { method, arguments: &arguments }),
        )
    }

    /// Ends the connection, on whichever node it is.
    pub fn abort(&self) -> Sending {
        self.engine.abort(&self.connection)
    }
}

/// A question on its way: await it for the client's answer. Dropping it stops waiting.
#[must_use = "a question is asked, and its answer waited for, when this is awaited"]
pub struct ClientResult<T> {
    answer: BoxFuture<'static, Result<RawClientResult, ClientResultError>>,
    wanted: PhantomData<fn() -> T>,
}

impl<T> ClientResult<T> {
    fn new(answer: BoxFuture<'static, Result<RawClientResult, ClientResultError>>) -> Self {
        Self { answer, wanted: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for ClientResult<T> {
    type Output = Result<T, ClientResultError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.as_mut().poll(cx));
        Poll::Ready(answer.and_then(|answer| answer.decode()))
    }
}
