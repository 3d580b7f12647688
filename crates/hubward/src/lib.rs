//! SignalR hubs in Rust: every official SignalR client connects to them unmodified, on one node or a cluster.
//!
//! A hub is built from plain async functions, as an axum router is, and mounted into one:
//!
//! ```
//! use hubward::{Hub, HubContext, HubError, Hubward};
//!
//! async fn send(cx: HubContext, text: String) -> Result<(), HubError> {
//!     Ok(cx.clients().all().send("Message", (text,)).await?)
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let hubs = Hubward::builder().hub("/hubs/chat", Hub::new("chat").method("Send", send)).build()?;
//! let app = hubs.mount(axum::Router::new());
//! hubs.hub("chat").ok_or("no such hub")?.all().send("Message", ("The server is up.",)).await?;
//! # let _ = app; Ok(()) }
//! ```
//!
//! The guide for hub authors is in the repository, under `docs/guide`.

mod build_error;
mod builder;
mod cluster;
mod drain_route;
mod draining;
mod health;
mod internal;
mod mounting;
mod node_id;
mod paths;
mod raw_endpoint;
#[cfg(feature = "redis")]
mod redis_cluster;

pub use build_error::BuildError;
pub use builder::{Builder, Hubward};
pub use cluster::Cluster;
pub use hubward_auth as auth;
pub use hubward_backplane as backplane;
pub use hubward_hub::{
    ArgumentError, Authorized, Binary, CallKind, CallerClients, CallerGroups, Client, ClientResult,
    ClientResultError, Clients, ConnectionPage, DisconnectReason, Disconnected, FilterCall, FromRef,
    GroupError, GroupMember, GroupPage, Groups, Handler, HandlerExt, Hub, HubBuildError, HubContext,
    HubError, HubHandle, HubOptions, Items, LinkResumed, Next, Outage, Outcome, Output, PageCursor,
    Parameter, Recipients, Request, SendError, Sending, State, StreamHandler, StreamOutput, Upload,
    UserError, UserPage, Users,
};
pub use hubward_proto::{Arguments, List};
#[cfg(feature = "redis")]
pub use hubward_redis as redis;
pub use hubward_server::{DrainOptions, DrainPhase, DrainReport, StartError};
pub use hubward_transport::{
    self as transport, ForwardingHeader, PeerTls, ServeOptions, TransportOptions, TrustedProxies, serve,
};
pub use hubward_types::{
    AccessToken, ConnectionId, ConnectionToken, GroupName, HubName, NodeId, Principal, SpanId, Target,
    TraceContext, TraceId, UserId,
};
pub use paths::HubPath;
pub use raw_endpoint::RawEndpoint;
pub use tokio_util::sync::CancellationToken;

/// The guide's Rust examples, compiled with the documentation tests.
#[cfg(doctest)]
mod guide;
