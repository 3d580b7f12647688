//! Where a connection is. This is decided before anything is taken from its request, and here alone: whether it is on this node, or
//! may begin here, or is another's. What a connection token says of its node is a hint; the registry of this node and the
//! store of all are the truth.

use std::time::{Duration, SystemTime};

use hubward_auth::{ConnectionTokenClaims, KeyRing};
use hubward_types::{ConnectionId, HubName, NodeId};

use super::owners::{ConnectionOwners, OwnerUnknown};
use super::registry::{Presence, Registry};
use crate::peers::PeerClient;
use crate::refusal::Refusal;
use crate::transport::Transport;

/// How far the clock of another node may be behind: more than NTP leaves, and little beside the connect timeout.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Where a connection is, as far as a request for it is concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Whereabouts {
    /// On this node, or it begins here if it may.
    Here,
    /// On another node that lives.
    At(NodeId),
    /// Not here, where another node has sent the request: that node has to look again.
    Moved,
    /// Nowhere yet. The node that negotiated it is about to leave, and the request cannot begin it elsewhere: another one of its
    /// client may.
    Leaving,
    /// Nowhere.
    Unknown,
}

/// A request whose connection is looked for.
pub(crate) struct Sought<'a> {
    pub(crate) node_id: &'a NodeId,
    pub(crate) claims: &'a ConnectionTokenClaims,
    /// The connection's public name.
    pub(crate) id: &'a ConnectionId,
    /// `None` where the request begins no connection by itself: a POST, a DELETE.
    pub(crate) transport: Option<Transport>,
    /// Whether another node has sent the request here.
    pub(crate) is_hop: bool,
    /// Whether this node begins no more connections.
    pub(crate) is_draining: bool,
    pub(crate) now: SystemTime,
}

/// What a node knows of the others.
#[derive(Clone, Copy)]
pub(crate) struct Others<'a> {
    pub(crate) owners: &'a dyn ConnectionOwners,
    pub(crate) peers: &'a PeerClient,
}

/// Opens a connection token and checks that it is for this hub. One that another node sealed, by a clock of its own, expires
/// a little later; when it was issued does not matter, so that its clock may be ahead as well.
pub(crate) fn open(
    keys: &KeyRing,
    node_id: &NodeId,
    hub: &HubName,
    token: &str,
) -> Result<ConnectionTokenClaims, Refusal> {
    let mut claims = keys.open(token).ok().filter(|claims| claims.hub == *hub).ok_or(Refusal::UnknownId)?;
    if claims.owner != *node_id {
        claims.expires_at = claims.expires_at.checked_add(CLOCK_SKEW).unwrap_or(claims.expires_at);
    }
    Ok(claims)
}

impl Sought<'_> {
    /// Finds the connection.
    ///
    /// # Errors
    /// [`OwnerUnknown`] where the store cannot be reached and nothing else says where it is.
    pub(crate) async fn locate(
        &self,
        registry: &Registry,
        others: Option<Others<'_>>,
    ) -> Result<Whereabouts, OwnerUnknown> {
        match registry.presence(&self.claims.connection_id) {
            Presence::Here => Ok(Whereabouts::Here),
            Presence::Ended => Ok(Whereabouts::Unknown),
            Presence::Moved if self.is_hop => Ok(Whereabouts::Moved),
            // What is remembered may be from before it moved.
            Presence::Moved => match others {
                Some(others) => {
                    self.look_up(others, true).await.map(|found| found.unwrap_or(Whereabouts::Unknown))
                }
                None => Ok(Whereabouts::Unknown),
            },
            Presence::None => match others {
                Some(others) if self.is_hop => Ok(self.locate_for_another(others).await),
                Some(others) => self.locate_absent(others).await,
                None if self.may_begin_anywhere() || self.is_ours() => Ok(Whereabouts::Here),
                None => Ok(Whereabouts::Unknown),
            },
        }
    }

    /// Whether its session may be kept for whichever node its client comes to: nobody holds it, or the node that negotiated
    /// it has gone. For a client that resumes, only.
    pub(crate) async fn may_be_parked(
        &self,
        registry: &Registry,
        others: Others<'_>,
        located: &Result<Whereabouts, OwnerUnknown>,
    ) -> bool {
        let is_resumable = self.claims.stateful && self.transport == Some(Transport::WebSockets);
        if !is_resumable || self.is_hop || registry.presence(&self.claims.connection_id) != Presence::None {
            return false;
        }
        match located {
            Ok(Whereabouts::Unknown) => true,
            Ok(Whereabouts::Here) => !self.is_ours() && others.peers.find(&self.claims.owner).await.is_none(),
            _ => false,
        }
    }

    /// Another node takes this one for the owner.
    async fn locate_for_another(&self, others: Others<'_>) -> Whereabouts {
        if !self.is_ours() || self.transport == Some(Transport::WebSockets) {
            return Whereabouts::Moved;
        }
        // Whether another node has it, the claim says where the connection begins now.
        if self.begins() && !self.is_draining {
            return Whereabouts::Here;
        }
        match self.look_up(others, false).await {
            Ok(Some(Whereabouts::At(_))) => Whereabouts::Moved,
            _ => Whereabouts::Here,
        }
    }

    async fn locate_absent(&self, others: Others<'_>) -> Result<Whereabouts, OwnerUnknown> {
        let may_begin = self.begins() && (self.may_begin_anywhere() || self.is_ours());
        // The claim says whether another node has it. Nothing is claimed where nothing begins.
        if may_begin && !self.is_draining {
            return Ok(Whereabouts::Here);
        }
        let found = self.look_up(others, false).await;
        if let Ok(Some(found)) = found {
            return Ok(found);
        }
        if may_begin {
            return Ok(Whereabouts::Here);
        }
        if self.transport == Some(Transport::WebSockets) {
            // It has begun somewhere, or never will.
            found?;
            return Ok(Whereabouts::Unknown);
        }
        Ok(self.negotiated_at(others).await)
    }

    /// Nobody holds it: all there is is the node that negotiated it, where it begins if that lives and stays. One that is about
    /// to leave is asked only for what can begin nowhere else, or not at all any more.
    async fn negotiated_at(&self, others: Others<'_>) -> Whereabouts {
        if self.is_ours() {
            return Whereabouts::Here;
        }
        let owner = others.peers.find(&self.claims.owner).await;
        match owner {
            Some(owner) if owner.stays || self.is_expired() || !others.owners.are_recorded() => {
                Whereabouts::At(self.claims.owner.clone())
            }
            _ if self.begins() && others.owners.are_recorded() => Whereabouts::Here,
            // What it brings would be lost there, when the connection begins here.
            Some(_) => Whereabouts::Leaving,
            None => Whereabouts::Unknown,
        }
    }

    /// Asks the store; `None` where nobody holds it. Where the store is away, a WebSocket that was opened before is looked for
    /// at the node that negotiated it, if that is another.
    async fn look_up(&self, others: Others<'_>, anew: bool) -> Result<Option<Whereabouts>, OwnerUnknown> {
        match others.owners.find(self.id, anew).await {
            // It is not: the record is late.
            Ok(Some(node)) if node == *self.node_id => Ok(Some(Whereabouts::Unknown)),
            Ok(Some(node)) if others.peers.find(&node).await.is_some() => Ok(Some(Whereabouts::At(node))),
            Ok(_) => Ok(None),
            Err(OwnerUnknown) => {
                let owner = &self.claims.owner;
                let is_there = !self.is_ours() && others.peers.find(owner).await.is_some();
                if is_there { Ok(Some(Whereabouts::At(owner.clone()))) } else { Err(OwnerUnknown) }
            }
        }
    }

    /// Whether this node negotiated it.
    fn is_ours(&self) -> bool {
        self.claims.owner == *self.node_id
    }

    /// Whether its token can still open it, with this request.
    fn begins(&self) -> bool {
        self.transport.is_some() && !self.is_expired()
    }

    fn is_expired(&self) -> bool {
        self.now >= self.claims.expires_at
    }

    /// A WebSocket is one request, and may begin on any node. The other transports are many, and begin where they were
    /// negotiated, so that all nodes know where without asking.
    fn may_begin_anywhere(&self) -> bool {
        self.transport == Some(Transport::WebSockets)
    }
}

#[cfg(test)]
mod tests;
