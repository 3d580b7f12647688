//! The rules of a node registry, and what the death of a node means for the group store.

pub mod cancelling;
pub mod lives;
pub mod moving;
pub mod presence;
pub mod restoring;
pub mod sweeping;
