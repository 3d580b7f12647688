//! A node of the demo, as its page and its sign-in need it.

use hubward::auth::DevelopmentIssuer;
use serde::Serialize;

/// A node as the page lists it.
#[derive(Clone, Serialize)]
pub(super) struct NodeInfo {
    pub(super) name: String,
    pub(super) url: String,
}

/// What the requests to a node of the demo share.
pub(super) struct DemoNode {
    pub(super) info: NodeInfo,
    /// All nodes of the demo, this one included.
    pub(super) nodes: Vec<NodeInfo>,
    pub(super) issuer: DevelopmentIssuer,
}
