//! What is wrong with how a node is built, and what to do about it.

use std::fmt;
use std::net::SocketAddr;

use hubward_hub::HubBuildError;
use hubward_server::UnknownPolicy;
use hubward_types::HubName;

use crate::paths::HubPath;

/// A mistake in how a node is built. Its `Debug` form is its message, too, because that is what a `main` prints which
/// returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A hub cannot be built.
    #[error(transparent)]
    Hub(#[from] HubBuildError),
    /// A hub or a raw handler names a policy that is not defined.
    #[error(transparent)]
    Policy(#[from] UnknownPolicy),
    /// A hub, a method or a raw handler needs a policy that no anonymous caller meets, and no tokens are accepted.
    #[error(
        "'{hub}' needs the policy '{policy}', which nobody meets without a token, and no tokens are accepted; add Builder::auth"
    )]
    NoAuthentication {
        /// The hub, or the path of the raw handler.
        hub: HubName,
        /// The policy's name.
        policy: String,
    },
    /// The node's name is empty, or blank.
    #[error("the node's name is empty; give it one of its own, such as its pod's, or none for a node alone")]
    NodeName,
    /// Two policies have the same name, whatever the case of its letters: one of them would allow what the other forbids.
    #[error("two policies are named '{0}' (case does not matter); rename one")]
    DuplicatePolicy(String),
    /// Two hubs have the same name.
    #[error("two hubs are named '{0}'; names keep the hubs of a cluster apart, so each needs its own")]
    DuplicateHub(HubName),
    /// A path does not begin with a slash, ends with one, or cannot be routed.
    #[error(
        "'{0}' cannot be a hub's path: it must begin with '/' and not end with one, have no '?', '#' or space, no part of it may \
         begin with ':' or '*', and braces stand only around a whole part"
    )]
    Path(HubPath),
    /// Two hubs or raw handlers have the same path but for the case of letters, or one has that of another's negotiation.
    #[error(
        "the path '{0}' is another hub's already, by itself or with '/negotiate', whatever the case of its letters; choose \
         another one"
    )]
    DuplicatePath(HubPath),
    /// The options of a path could not work.
    #[error("the options of '{path}' cannot work: {mistake}")]
    Options {
        /// The path.
        path: HubPath,
        /// What could not, and what to do about it.
        mistake: &'static str,
    },
    /// There is a backplane or a node registry, but no group store: the nodes would disagree about groups.
    #[error(
        "a backplane or a node registry needs a group store that all nodes share; add Builder::group_store"
    )]
    NoGroupStore,
    /// There is a group store, but no node registry: nobody would remove what a dead node left in it.
    #[error(
        "a group store needs the node registry that it shares its record with; add Builder::node_registry"
    )]
    NoNodeRegistry,
    /// The nodes of a cluster share no keys.
    #[error(
        "the nodes of a cluster need the same keys, for connection tokens and to know each other; make one with `openssl rand \
         -hex 32`, and give it to each node with Builder::connection_token_keys"
    )]
    NoKeys,
    /// The internal listener listens on all addresses, and no node knows which of them another one reaches.
    #[error(
        "other nodes cannot reach '{0}'; add Builder::address with the address of this node that they reach, such as its pod's"
    )]
    NoAddress(SocketAddr),
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
