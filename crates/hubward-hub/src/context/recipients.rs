//! Whom a message is sent to, and one client whose method can be invoked for a result.

use std::sync::Arc;

use hubward_proto::Arguments;
use hubward_types::{ConnectionId, Target};
use serde::de::DeserializeOwned;

use crate::connection::HubConnection;
use crate::engine::HubEngine;
use crate::engine::call::Call;
use crate::engine::client_result::ClientResult;
use crate::engine::sending::Sending;
use crate::error::ClientResultError;

/// The recipients of a message.
#[derive(Clone)]
pub struct Recipients {
    engine: Arc<dyn HubEngine>,
    target: Target,
}

impl Recipients {
    pub(crate) fn new(engine: Arc<dyn HubEngine>, target: Target) -> Self {
        Self { engine, target }
    }

    /// Calls a method of each recipient. Arguments are a tuple, also where there is one: `(argument,)`.
    ///
    /// Those of this node have the message queued when `send` returns, and awaiting publishes it to the other nodes.
    /// Awaiting also waits for room where there is one recipient, a connection of this node; of several it waits for
    /// none: see [`Sending`]. A client that does not read is closed as a slow consumer.
    ///
    /// ```
    /// # use hubward_hub::{HubContext, HubError};
    /// # use serde::Serialize;
    /// # #[derive(Serialize)] struct Vitals { heart_rate: u32 }
    /// # async fn example(cx: HubContext, vitals: Vitals) -> Result<(), HubError> {
    /// cx.clients().group("ward:7").send("Vitals", (&vitals,)).await?;
    /// cx.clients().user("alice").send("Reminder", ("Round at nine", 3)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Awaiting it yields a [`SendError`](crate::SendError).
    pub fn send<A: Arguments + Sync>(&self, method: &str, arguments: A) -> Sending {
        self.engine.send(&self.target, &Call { method, arguments: &arguments })
    }
}

/// One client, by its connection id.
#[derive(Clone)]
pub struct Client {
    engine: Arc<dyn HubEngine>,
    connection: ConnectionId,
    /// The connection and the call that this is used from, if any.
    caller: Option<(Arc<dyn HubConnection>, u64)>,
}

impl Client {
    pub(crate) fn new(
        engine: Arc<dyn HubEngine>,
        connection: ConnectionId,
        caller: Option<(Arc<dyn HubConnection>, u64)>,
    ) -> Self {
        Self { engine, connection, caller }
    }

    /// Calls a method of the client. Does nothing where no connection has this id.
    ///
    /// # Errors
    /// Awaiting it yields a [`SendError`](crate::SendError).
    pub fn send<A: Arguments + Sync>(&self, method: &str, arguments: A) -> Sending {
        let target = Target::Connections(vec![self.connection.clone()]);
        self.engine.send(&target, &Call { method, arguments: &arguments })
    }

    /// Invokes a method of the client and waits for the client result, for as long as
    /// [`client_result_timeout`](crate::HubOptions::client_result_timeout) allows.
    ///
    /// While a method waits here it has no permit: the next invocations of its own caller may start, so that invoking the
    /// caller cannot deadlock. It goes on when it has its permit again, for which it waits where other calls run.
    /// Where it stops waiting before there is a result, as in a `select`, it goes on at once.
    ///
    /// ```
    /// use hubward_hub::{ClientResultError, HubContext, HubError};
    ///
    /// async fn confirm(cx: HubContext, nurse: String, order: String) -> Result<bool, HubError> {
    ///     match cx.clients().connection(nurse).invoke("Confirm", (order,)).await {
    ///         Err(ClientResultError::TimedOut(_)) => Err(HubError::shown("Nobody confirmed in time.")),
    ///         confirmed => Ok(confirmed?),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Awaiting it yields [`ClientResultError::Failed`] with the client's own error, [`ClientResultError::NotFound`],
    /// [`ClientResultError::Disconnected`], [`ClientResultError::TimedOut`], and the others of that enum.
    pub fn invoke<T: DeserializeOwned>(
        &self,
        method: &str,
        arguments: impl Arguments + Sync,
    ) -> ClientResult<T> {
        let caller = self.caller.as_ref();
        if caller
            .is_some_and(|(caller, _)| caller.id() == &self.connection && !caller.accepts_client_results())
        {
            return ClientResult::new(Box::pin(async { Err(ClientResultError::WhileConnecting) }));
        }
        let caller = caller.map(|(caller, call)| (caller.id(), *call));
        let call = Call { method, arguments: &arguments };
        ClientResult::new(self.engine.invoke_client(&self.connection, &call, caller))
    }

    /// Closes the connection, on whichever node it is.
    ///
    /// # Errors
    /// Awaiting it yields a [`SendError`](crate::SendError) where the connection is on another node that could not be
    /// reached.
    pub fn abort(&self) -> Sending {
        self.engine.abort(&self.connection)
    }
}
