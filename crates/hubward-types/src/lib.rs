//! The types that all crates of Hubward share: ids, targets, principals, secrets and trace contexts. It has no logic beyond
//! keeping its own values valid, does no I/O, and depends only on serde.

mod brief;
mod id;
mod principal;
mod secret;
mod target;
mod trace_context;
mod zero_duration;

pub use brief::{brief_causes, brief_chain, brief_display, brief_error, brief_name};
pub use id::{ConnectionId, GroupName, HubName, NodeId, UserId};
pub use principal::{Principal, PrincipalBuilder};
pub use secret::{AccessToken, ConnectionToken};
pub use target::Target;
pub use trace_context::{SpanId, TraceContext, TraceId};
