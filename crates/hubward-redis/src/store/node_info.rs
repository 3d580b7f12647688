//! What a node announces, as MessagePack.

use hubward_backplane::NodeInfo;
use hubward_types::{HubName, NodeId};

use crate::error::RedisFailure;

/// What a node announces, but its id: its address and its hubs.
pub(super) fn pack(node: &NodeInfo) -> Result<Vec<u8>, RedisFailure> {
    let hubs: Vec<_> = node.hubs.iter().map(HubName::as_str).collect();
    rmp_serde::to_vec(&(&node.address, hubs)).map_err(|error| RedisFailure::said(error.to_string()))
}

pub(super) fn unpack(id: NodeId, info: &[u8]) -> Result<NodeInfo, RedisFailure> {
    let read: Result<(Option<String>, Vec<String>), _> = rmp_serde::from_slice(info);
    let (address, hubs) = read.map_err(|error| {
        RedisFailure::unreadable(format!("what the node '{id}' has announced cannot be read: {error}"))
    })?;
    Ok(NodeInfo { id, address, hubs: hubs.into_iter().map(HubName::from).collect() })
}
