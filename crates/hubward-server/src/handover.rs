//! A draining node hands its sessions over to other nodes.

mod wire;
