//! Whether a connection token was used before, on any node. Each node knows by itself which tokens were used here.

use std::any::Any;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, NodeId, UserId};

/// What all nodes know together of used connection tokens. A path without one knows only this node's.
pub trait ConnectionClaims: Send + Sync + 'static {
    /// Claims a connection that is to open on this node, before the request that opens it has its response. Has a
    /// deadline of its own. The future is dropped where the client goes meanwhile.
    ///
    /// # Errors
    /// [`Claimed`] where its token was used before.
    fn claim(&self, opening: OpeningConnection) -> BoxFuture<'static, Result<Option<Claim>, Claimed>>;
}

/// A connection that is to open with a connection token.
#[derive(Clone, Debug)]
pub struct OpeningConnection {
    /// Its public name.
    pub id: ConnectionId,
    /// Its user, if it has one.
    pub user: Option<UserId>,
    /// Until when its token could be used again.
    pub token_expires_at: SystemTime,
}

/// What was claimed. Dropping it gives up the connection, for which its token cannot be used again all the same.
pub type Claim = Box<dyn Any + Send>;

/// The connection was claimed before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// The node that it was opened on.
    pub by: NodeId,
}
