//! What every group store must do.

pub mod bans;
pub mod cancelling;
pub mod expiry;
pub mod hub_store;
pub mod membership;
pub mod moving;
pub mod names;
pub mod opening;
pub mod paging;
pub mod presence;
