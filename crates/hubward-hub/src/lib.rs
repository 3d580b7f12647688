//! What a hub author sees: hubs, contexts, clients, groups, handlers, streams, filters and errors.
//!
//! A hub is built as an axum router is, from plain async functions. This crate knows no sockets and no other
//! nodes: what a hub wants done goes through the [`HubEngine`] seam, which `hubward-server` implements.

mod binary;
mod clients;
mod connection;
mod context;
mod disconnected;
mod engine;
mod error;
mod filter;
mod groups;
mod handler;
mod hub;
mod items;
mod members;
mod method;
mod options;
mod output;
mod outside;
mod parameter;
mod upload;

/// A boxed future that may be sent between threads.
pub use futures_util::future::BoxFuture;

pub use binary::Binary;
pub use clients::{CallerClients, Client, ClientResult, Clients, Recipients};
pub use connection::{HubConnection, Request};
pub use context::HubContext;
pub use disconnected::{DisconnectReason, Disconnected};
pub use engine::{EncodeCall, HubEngine, RawClientResult, Sending};
pub use error::{ArgumentError, ClientResultError, GroupError, HubError, SendError};
pub use filter::{BoxFilter, CallKind, FilterCall, Next};
pub use groups::{CallerGroups, Groups};
pub use handler::{Authorized, Handler, HandlerExt, StreamHandler};
pub use hub::{Hub, HubBuildError, HubDefinition, MayJoin, MethodEntry};
pub use items::Items;
pub use members::{GroupMember, GroupPage, PageCursor};
pub use method::{Method, Shape, Started};
pub use options::HubOptions;
pub use output::{Fallible, FrameStream, Outcome, Output, Plain, StreamOutput};
pub use outside::HubHandle;
pub use parameter::{CallReader, FromArgument, FromCall, FromRef, IncomingInvocation, Parameter, State};
pub use upload::{Upload, UploadSink};
