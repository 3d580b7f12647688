//! What every backplane must do. That something is not delivered is shown by what was published after it and
//! has arrived: because order is guaranteed, that serves as a fence.

pub mod cancelling;
pub mod confirmation;
pub mod delivery;
mod in_memory;
pub mod lifecycle;
pub mod recording_node;
pub mod subscription;
