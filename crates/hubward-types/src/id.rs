//! Ids and names. Each is a type of its own, cheap to clone, so that a user id can never be passed for a group name.
//! Lengths are checked where a name enters the system, not here.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl From<&String> for $name {
            fn from(name: &String) -> Self {
                Self(name.as_str().into())
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// The public id of a connection; Hubward makes ids of 22 characters of base64url. It is not a secret: access to
    /// the connection needs its [`ConnectionToken`](crate::ConnectionToken).
    ConnectionId
}

name! {
    /// The name of a group of connections. It is case-sensitive, as in SignalR.
    GroupName
}

name! {
    /// The name of a hub, the same on every node of a cluster.
    HubName
}

name! {
    /// The id of a node: unique in its cluster, and new at each start.
    NodeId
}

name! {
    /// The id of a user: the value of the configured claim of a token. One user may have many connections.
    UserId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_displayed_as_it_is_and_debugged_in_quotes() {
        let group = GroupName::from("ward:7");
        assert_eq!(group.to_string(), "ward:7");
        assert_eq!(format!("{group:?}"), "\"ward:7\"");
    }
}
