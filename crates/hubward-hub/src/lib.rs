//! What a hub author sees: hubs, contexts, clients, groups, handlers, streams, filters and errors.
//!
//! A hub is built as an axum router is, from plain async functions. This crate knows no sockets and no other
//! nodes: what a hub wants done goes through the [`HubEngine`] seam, which `hubward-server` implements.

mod binary;
mod clients;
mod connection;
mod context;
mod engine;
mod error;
mod filter;
mod groups;
mod handler;
mod hub;
mod items;
mod method;
mod options;
mod output;
mod outside;
mod parameter;
mod upload;

pub use binary::Binary;
pub use clients::{Asking, CallerClients, Client, Clients, Recipients};
pub use connection::{HubConnection, Request};
pub use context::HubContext;
pub use engine::{Answer, BoxFuture, EncodeCall, HubEngine, Sending};
pub use error::{ArgumentError, AskError, GroupError, HubError, SendError};
pub use filter::{BoxFilter, CallKind, FilterCall, Next};
pub use groups::{CallerGroups, Cursor, GroupMember, GroupPage, Groups};
pub use handler::{Authorized, Handler, HandlerExt, StreamHandler};
pub use hub::{Hub, HubBuildError, HubDefinition, MayJoin, MethodEntry};
pub use items::Items;
pub use method::{Method, Shape, Started};
pub use options::HubOptions;
pub use output::{Fallible, FrameStream, Outcome, Output, Plain, StreamOutput};
pub use outside::HubHandle;
pub use parameter::{CallReader, Disconnected, FromArgument, FromCall, FromRef, Incoming, Parameter, State};
pub use upload::{Upload, UploadSink};
