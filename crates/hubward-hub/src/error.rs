//! What can go wrong in a hub, and how much of it a client may learn.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use hubward_proto::{DecodeError, EncodeError};

/// The failure of a hub method.
///
/// Only an error that was made by [`shown`](HubError::shown) reaches the client with its message (SignalR's
/// `HubException`). Every other error becomes a `HubError` by `?` and stays hidden behind a generic message, unless the
/// hub's `detailed_errors` are on.
///
/// ```
/// use hubward_hub::HubError;
///
/// fn admit(beds: u32) -> Result<(), HubError> {
///     if beds == 0 {
///         return Err(HubError::shown("The ward is full."));
///     }
///     let _parsed: u32 = "7".parse()?; // would be hidden
///     Ok(())
/// }
/// assert_eq!(admit(0).unwrap_err().shown_text(), Some("The ward is full."));
/// ```
pub struct HubError(Visibility);

enum Visibility {
    Shown(String),
    Hidden { name: &'static str, error: Box<dyn std::error::Error + Send + Sync> },
}

impl HubError {
    /// Makes an error whose message the client sees.
    pub fn shown(message: impl Into<String>) -> Self {
        Self(Visibility::Shown(message.into()))
    }

    /// Makes an error that the client learns nothing of. Logs show it, and detailed errors do.
    pub fn hidden<E>(error: E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self(Visibility::Hidden { name: short_name::<E>(), error: error.into() })
    }

    /// Returns the message that is meant for the client, if there is one.
    pub fn shown_text(&self) -> Option<&str> {
        match &self.0 {
            Visibility::Shown(message) => Some(message),
            Visibility::Hidden { .. } => None,
        }
    }

    /// Returns the error that the client learns nothing of, unless this one was made for the client.
    pub fn hidden_error(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match &self.0 {
            Visibility::Shown(_) => None,
            Visibility::Hidden { error, .. } => Some(&**error),
        }
    }

    /// Returns whether it only says that a client has gone: an upload that stopped because its connection closed, or
    /// [`ClientResultError::Disconnected`]. For engines.
    pub fn is_disconnect(&self) -> bool {
        self.hidden_error().is_some_and(|error| {
            error.is::<ConnectionClosed>()
                || matches!(error.downcast_ref(), Some(ClientResultError::Disconnected(_)))
        })
    }

    /// Composes the error that is sent to the client: `base` alone, or followed by this error where that is shown or
    /// `detailed` is set. The form is SignalR's: `<base> <Type>: <message>`.
    pub fn wire_text(&self, base: &str, detailed: bool) -> String {
        match &self.0 {
            Visibility::Shown(message) => format!("{base} HubException: {message}"),
            Visibility::Hidden { name, error } if detailed => format!("{base} {name}: {error}"),
            Visibility::Hidden { .. } => base.to_owned(),
        }
    }
}

/// Every `std::error::Error` is hidden, except those that are meant for the caller: the error that a client returned
/// ([`ClientResultError::Failed`]), and a group that the hub's own rule refused ([`GroupError::NotAllowed`]) or that the
/// user is banned from ([`GroupError::Banned`]).
impl<E> From<E> for HubError
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(ClientResultError::Failed(message)) = any.downcast_ref::<ClientResultError>() {
            return Self::shown(message.as_str());
        }
        let refused = any.downcast_ref::<GroupError>();
        if let Some(refused @ (GroupError::NotAllowed { .. } | GroupError::Banned { .. })) = refused {
            return Self::shown(refused.to_string());
        }
        Self(Visibility::Hidden { name: short_name::<E>(), error: Box::new(error) })
    }
}

impl fmt::Debug for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Visibility::Shown(message) => write!(f, "HubError::shown({message:?})"),
            Visibility::Hidden { name, error } => write!(f, "HubError::hidden({name}: {error})"),
        }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Visibility::Shown(message) => f.write_str(message),
            Visibility::Hidden { name, error } => write!(f, "{name}: {error}"),
        }
    }
}

/// The last part of a type's path, without generics: what .NET would show as the exception's name.
fn short_name<E>() -> &'static str {
    let path = std::any::type_name::<E>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// An upload stopped midway, because its connection closed.
#[derive(Debug, thiserror::Error)]
#[error("The underlying connection was closed.")]
pub(crate) struct ConnectionClosed;

/// Why a handler's parameter could not be taken from a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The call has no argument at this position.
    #[error("the call has no such argument")]
    Missing,
    /// The parameter is a [`Disconnected`](crate::Disconnected), and the connection has not ended.
    #[error("why a connection ended is known in on_disconnected only")]
    StillConnected,
    /// The argument is not of the parameter's type.
    #[error("the argument is not of the parameter's type: {0}")]
    Type(#[from] DecodeError),
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// An argument could not be serialized: a mistake in the hub. Other nodes did not get the message; recipients of
    /// this node may have it, in a protocol in which it could be serialized.
    #[error("the arguments of '{method}' could not be encoded")]
    Encode {
        /// The client method that was to be called.
        method: String,
        /// The serializer's error.
        source: EncodeError,
    },
    /// The message could not be published to the other nodes; the recipients of this node have it.
    #[error("the message could not be published to the other nodes: {reason}")]
    Backplane {
        /// The backplane's error.
        reason: String,
    },
    /// The link to the other nodes is interrupted, and what the hub may hold meanwhile is used up; the recipients of this
    /// node have the message.
    #[error(
        "the link to the other nodes is interrupted, and the {limit_bytes} bytes that the hub may hold for them are used up; \
         send less or later, or raise max_bytes of HubOptions::on_outage"
    )]
    HeldTooMuch {
        /// The most that the hub may hold, in bytes ([`on_outage`](crate::HubOptions::on_outage)).
        limit_bytes: usize,
    },
    /// The link to the other nodes has been interrupted for longer than the hub holds messages; the recipients of this node
    /// have the message.
    #[error(
        "the link to the other nodes has been interrupted for more than {limit:?}; send it again when on_link_resumed runs, or raise \
         max_wait of HubOptions::on_outage"
    )]
    HeldTooLong {
        /// For how long the hub holds messages ([`on_outage`](crate::HubOptions::on_outage)).
        limit: Duration,
    },
}

/// Why there is no client result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientResultError {
    /// The client returned this error.
    #[error("{0}")]
    Failed(String),
    /// No connection has this id.
    #[error("Connection '{0}' does not exist.")]
    NotFound(String),
    /// The connection ended before it returned a result.
    #[error("Connection '{0}' disconnected.")]
    Disconnected(String),
    /// The link to the connection's node was interrupted before a result came: the client may or may not have been
    /// invoked.
    #[error("The link to the node of connection '{0}' was interrupted.")]
    Interrupted(String),
    /// The client returned nothing in time
    /// ([`client_result_timeout`](crate::HubOptions::client_result_timeout)).
    #[error("Connection '{0}' did not return a result in time.")]
    TimedOut(String),
    /// As many results as the hub allows are waited for already, of this client or by this caller's calls
    /// ([`client_results_per_connection`](crate::HubOptions::client_results_per_connection)).
    #[error("too many client results of connection '{0}', or of the caller's calls, are waited for")]
    TooMany(String),
    /// The client returned nothing, where a value is wanted.
    #[error("the client did not provide a result")]
    NoResult,
    /// The result is not of the wanted type.
    #[error("the client result is not of the wanted type: {0}")]
    Decode(#[source] DecodeError),
    /// `on_connected` or `on_resumed` invoked its own client: nothing that the client sends is read yet, so no result could arrive.
    #[error("Client results inside OnConnectedAsync Hub methods are not allowed.")]
    WhileConnecting,
    /// The invocation could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Why a change of group membership failed. A connection that could not be added to a group gets none of its messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The name is longer than the hub allows.
    #[error("a group name of {length} bytes is over the limit of {limit}")]
    NameTooLong {
        /// The name's length in bytes.
        length: usize,
        /// The longest that the hub allows, in bytes ([`group_name_bytes`](crate::HubOptions::group_name_bytes)).
        limit: usize,
    },
    /// Too many changes of the connection's groups wait for each other.
    #[error("too many changes of the connection's groups wait; await each before the next")]
    TooManyChanges,
    /// The connection is in as many groups as the hub allows.
    #[error("the connection is in {limit} groups already, the most that this hub allows")]
    TooManyGroups {
        /// The most that the hub allows ([`groups_per_connection`](crate::HubOptions::groups_per_connection)).
        limit: usize,
    },
    /// The hub's rule [`may_join`](crate::Hub::may_join) refused.
    #[error("Joining the group '{group}' is not allowed.")]
    NotAllowed {
        /// The group.
        group: String,
    },
    /// The user, or the user of the connection, is banned from the group.
    #[error("The user is banned from the group '{group}'.")]
    Banned {
        /// The group.
        group: String,
    },
    /// The group store could not record the change, or could not read the group.
    #[error("the group store failed: {reason}")]
    Store {
        /// The store's error.
        reason: String,
    },
    /// Other nodes could not be reached: to change a connection of theirs, to notify them of a user's change, or to
    /// subscribe to what they send to the group.
    #[error("the other nodes could not be reached: {reason}")]
    Backplane {
        /// The backplane's error.
        reason: String,
    },
    /// The node that holds the connection did not confirm in time.
    #[error("the node that holds the connection did not confirm in time")]
    NoConfirmation,
    /// The node that holds the connection refused or failed.
    #[error("the node that holds the connection refused: {reason}")]
    Owner {
        /// That node's error.
        reason: String,
    },
}

/// Why it is not known who is online, or why a user may not be disconnected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The group store failed.
    #[error("the group store failed: {reason}")]
    Store {
        /// The store's error.
        reason: String,
    },
    /// It is not known which other nodes hold connections of the user. They are asked to end them where they can be reached,
    /// and none confirms it.
    #[error(
        "connections of the user on other nodes may go on, since the group store could not say where there are any; disconnect \
         the user again: {reason}"
    )]
    NodesUnknown {
        /// The store's error.
        reason: String,
    },
    /// Other nodes that hold connections of the user could not be reached.
    #[error(
        "connections of the user on other nodes may go on, since these could not be reached; disconnect the user again: {reason}"
    )]
    Backplane {
        /// The backplane's error.
        reason: String,
    },
    /// Connections of the user did not end in time
    /// ([`confirmation_timeout`](crate::HubOptions::confirmation_timeout)), or their node did not confirm it.
    #[error("it was not confirmed in time that the user's connections have ended; disconnect the user again")]
    NoConfirmation,
    /// A node that holds connections of the user failed.
    #[error(
        "a node that holds connections of the user failed, so that they may go on; disconnect the user again: {reason}"
    )]
    Owner {
        /// That node's error.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("secret")]
    struct InvalidOperationException;

    #[test]
    fn a_hidden_error_shows_only_where_details_are_on() {
        let error = HubError::from(InvalidOperationException);
        assert_eq!(error.wire_text("It failed.", false), "It failed.");
        assert_eq!(error.wire_text("It failed.", true), "It failed. InvalidOperationException: secret");
    }

    #[test]
    fn a_shown_error_always_shows() {
        let error = HubError::shown("the ward is full");
        assert_eq!(error.wire_text("It failed.", false), "It failed. HubException: the ward is full");
    }

    #[test]
    fn the_error_that_a_client_returned_is_shown() {
        let error = HubError::from(ClientResultError::Failed("no idea".into()));
        assert_eq!(error.shown_text(), Some("no idea"));
        assert_eq!(HubError::from(ClientResultError::NotFound("x".into())).shown_text(), None);
    }

    #[test]
    fn whoever_is_refused_a_group_is_shown_why() {
        let not_allowed = HubError::from(GroupError::NotAllowed { group: "ward:7".into() });
        assert_eq!(not_allowed.shown_text(), Some("Joining the group 'ward:7' is not allowed."));
        let banned = HubError::from(GroupError::Banned { group: "ward:7".into() });
        assert_eq!(banned.shown_text(), Some("The user is banned from the group 'ward:7'."));
        assert_eq!(HubError::from(GroupError::TooManyGroups { limit: 1 }).shown_text(), None);
    }
}
