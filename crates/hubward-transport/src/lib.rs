//! An authenticated, ordered pipe of bytes over WebSockets, server-sent events or long polling, mounted into any
//! axum [`Router`](axum::Router). What the bytes mean is not known here: a hub engine or a raw handler takes each
//! accepted [`Connection`] through [`Acceptor`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use hubward_auth::KeyRing;
//! use hubward_transport::{Endpoint, Node, raw};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let node = Node::new("node-1", KeyRing::random(), CancellationToken::new(), TaskTracker::new());
//! let echo = raw::handler(|mut connection| async move {
//!     while let Some(bytes) = connection.receive().await {
//!         connection.send(bytes).await?;
//!     }
//!     Ok(())
//! });
//! let app: axum::Router = Endpoint::new("/echo", "echo", Arc::new(echo), node).router();
//! # let _ = app;
//! ```

mod caller;
mod connection;
mod dispatch;
mod endpoint;
mod error;
mod get;
mod inbox;
mod long_polling;
mod negotiate;
mod node;
mod options;
mod owner;
mod pipe;
mod post;
mod refusal;
mod registration;
mod registry;
mod request;
mod resume;
mod scratch;
mod sse;
mod transport;
mod upgrade;
mod websocket;

pub mod raw;

pub use connection::{Acceptor, Connection};
pub use endpoint::Endpoint;
pub use error::PipeError;
pub use node::{Node, Shared};
pub use options::TransportOptions;
pub use pipe::{End, Pipe, Received};
pub use registration::Registration;
pub use request::RequestInfo;
pub use transport::Transport;
