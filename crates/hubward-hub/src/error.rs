//! What can go wrong in a hub, and how much of it a client may know.

use std::any::Any;
use std::fmt;

use hubward_proto::{DecodeError, EncodeError};

/// The failure of a hub method.
///
/// Only what was made to be [shown](HubError::shown) reaches the client (SignalR calls it a `HubException`).
/// Every other error becomes one by `?` and stays hidden behind a generic text, unless the hub has
/// `detailed_errors` on.
///
/// ```
/// use hubward_hub::HubError;
///
/// fn admit(beds: u32) -> Result<(), HubError> {
///     if beds == 0 {
///         return Err(HubError::shown("The ward is full."));
///     }
///     let _parsed: u32 = "7".parse()?; // hidden, were it to fail
///     Ok(())
/// }
/// assert_eq!(admit(0).unwrap_err().shown_text(), Some("The ward is full."));
/// ```
pub struct HubError(Kind);

enum Kind {
    Shown(String),
    Hidden { name: &'static str, error: Box<dyn std::error::Error + Send + Sync> },
}

impl HubError {
    /// Makes an error whose text the client sees.
    pub fn shown(text: impl Into<String>) -> Self {
        Self(Kind::Shown(text.into()))
    }

    /// Makes an error that the client learns nothing of; logs and detailed errors show it.
    pub fn hidden<E>(error: E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self(Kind::Hidden { name: short_name::<E>(), error: error.into() })
    }

    /// Returns the text that is meant for the client, if there is one.
    pub fn shown_text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Shown(text) => Some(text),
            Kind::Hidden { .. } => None,
        }
    }

    /// Composes what the client is told: the base text alone, or with the error behind it where that is
    /// shown or `detailed` is set. The form is SignalR's: `<base> <Type>: <message>`.
    pub fn wire_text(&self, base: &str, detailed: bool) -> String {
        match &self.0 {
            Kind::Shown(text) => format!("{base} HubException: {text}"),
            Kind::Hidden { name, error } if detailed => format!("{base} {name}: {error}"),
            Kind::Hidden { .. } => base.to_owned(),
        }
    }
}

/// Every error of the standard kind is hidden, but for two that speak for the other side on purpose: what an
/// asked client answered, and a group that the hub's own rule refused.
impl<E> From<E> for HubError
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(ClientResultError::Failed(text)) = any.downcast_ref::<ClientResultError>() {
            return Self::shown(text.as_str());
        }
        if let Some(refused @ GroupError::NotAllowed { .. }) = any.downcast_ref::<GroupError>() {
            return Self::shown(refused.to_string());
        }
        Self(Kind::Hidden { name: short_name::<E>(), error: Box::new(error) })
    }
}

impl fmt::Debug for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Shown(text) => write!(f, "HubError::shown({text:?})"),
            Kind::Hidden { name, error } => write!(f, "HubError::hidden({name}: {error})"),
        }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Shown(text) => f.write_str(text),
            Kind::Hidden { name, error } => write!(f, "{name}: {error}"),
        }
    }
}

/// The last part of a type's path, without generics: what .NET would show as the exception's name.
fn short_name<E>() -> &'static str {
    let path = std::any::type_name::<E>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// Why an argument of a call could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The call has no argument at this place.
    #[error("the call has no such argument")]
    Missing,
    /// [`Disconnected`](crate::Disconnected) was wanted while the connection lives.
    #[error("why a connection ended is known in on_disconnected only")]
    StillConnected,
    /// The argument is not of the wanted type.
    #[error("the argument is not of the wanted type: {0}")]
    Type(#[from] DecodeError),
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// An argument could not be serialized: the caller's mistake.
    #[error("the arguments of '{method}' could not be encoded")]
    Encode {
        /// The client method that was to be called.
        method: String,
        /// What the serializer said.
        source: EncodeError,
    },
    /// Other nodes could not be reached; those of this node have the message.
    #[error("the message could not be passed to the other nodes: {reason}")]
    Backplane {
        /// What the backplane said.
        reason: String,
    },
}

/// Why a client did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientResultError {
    /// The client answered with an error.
    #[error("{0}")]
    Failed(String),
    /// No connection has this id.
    #[error("Connection '{0}' does not exist.")]
    NotFound(String),
    /// The connection ended before it answered.
    #[error("Connection '{0}' disconnected.")]
    Disconnected(String),
    /// The client answered without a result, where one was asked for.
    #[error("the client did not provide a result")]
    NoResult,
    /// The answer is not of the wanted type.
    #[error("the client's answer is not of the wanted type: {0}")]
    Decode(#[source] DecodeError),
    /// Asked while the connection opens: its reader is not running yet, so that no answer could arrive.
    #[error("Client results inside OnConnectedAsync Hub methods are not allowed.")]
    WhileConnecting,
    /// The question could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Why a change of group membership failed. Nothing is delivered for a membership that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The name is longer than the hub allows.
    #[error("a group name of {length} bytes is over the limit of {limit}")]
    NameTooLong {
        /// Bytes that the name has.
        length: usize,
        /// Bytes that the hub allows (`HubOptions::group_name_bytes`).
        limit: usize,
    },
    /// The connection is in as many groups as the hub allows.
    #[error("the connection is in {limit} groups already, the most that this hub allows")]
    TooManyGroups {
        /// Groups that the hub allows (`HubOptions::groups_per_connection`).
        limit: usize,
    },
    /// The hub's rule `may_join` refused.
    #[error("Joining the group '{group}' is not allowed.")]
    NotAllowed {
        /// The group that was asked for.
        group: String,
    },
    /// The group store could not record it.
    #[error("the group store could not record the change: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
    /// The node that holds the connection did not confirm in time.
    #[error("the node that holds the connection did not confirm in time")]
    NoConfirmation,
    /// The owner refused or failed.
    #[error("the node that holds the connection refused: {reason}")]
    Owner {
        /// What the owner said.
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
    fn what_an_asked_client_answered_is_shown() {
        let error = HubError::from(ClientResultError::Failed("no idea".into()));
        assert_eq!(error.shown_text(), Some("no idea"));
        assert_eq!(HubError::from(ClientResultError::NotFound("x".into())).shown_text(), None);
    }
}
