//! Why another node could not be reached, or did not answer.

use std::io;

use http::StatusCode;

/// Why a call of another node failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The node has left or died.
    #[error("the node has left the cluster or died")]
    Gone,
    /// The node has no internal listener.
    #[error("the node has no internal listener; give each node one with Builder::internal_listener")]
    NoListener,
    /// Nothing listens at its address.
    #[error("nothing listens at the node's address")]
    Refused(#[source] io::Error),
    /// There was no connection in time.
    #[error("the node cannot be connected to")]
    Unreachable(#[source] io::Error),
    /// Whatever listens at the address has not shown that it is the node.
    #[error(
        "what listens at the node's address is not the node, or has other keys; is each node reached by an address of its own?"
    )]
    NotAuthentic,
    /// The node did not answer in time.
    #[error("the node did not answer in time")]
    TooSlow,
    /// The connection broke off.
    #[error("the connection to the node broke off")]
    Lost(#[source] hyper::Error),
    /// What was to be sent broke off.
    #[error("the body of the request broke off")]
    BodyBroken(#[source] hyper::Error),
    /// There are as many requests on their way to other nodes as may be.
    #[error("there are too many requests on their way to other nodes")]
    TooMany,
    /// The node has as many connections of others as may be.
    #[error("the node has too many connections of other nodes")]
    Busy,
    /// This node ends.
    #[error("the node is shutting down")]
    Stopping,
    /// The node refused the call.
    #[error("the node refused the call: {0}")]
    Status(StatusCode),
    /// The reply is larger than any.
    #[error("the node's reply is too large")]
    TooLarge,
}
