//! What a hub author sees: hubs, contexts, clients, groups, handlers, streams, filters and errors.
//!
//! A hub is built as an axum router is, from plain async functions. This crate knows no sockets and no other
//! nodes: what hub code does to connections goes through the trait [`HubEngine`], which `hubward-server` implements.

mod binary;
mod connection;
mod context;
mod engine;
mod error;
mod handler;
mod hub;

/// A boxed future that may be sent between threads.
pub use futures_util::future::BoxFuture;

pub use binary::Binary;
pub use connection::disconnect_reason::DisconnectReason;
pub use connection::item_type::ItemType;
pub use connection::items::Items;
pub use connection::{HubConnection, Request};
pub use context::HubContext;
pub use context::clients::{CallerClients, Clients};
pub use context::groups::{CallerGroups, Groups};
pub use context::hub_handle::HubHandle;
pub use context::recipients::{Client, Recipients};
pub use context::users::Users;
pub use engine::HubEngine;
pub use engine::call::EncodeCall;
pub use engine::client_result::{ClientResult, RawClientResult};
pub use engine::group_members::{GroupMember, GroupPage, PageCursor};
pub use engine::presence::{ConnectionPage, UserPage};
pub use engine::sending::Sending;
pub use error::{ArgumentError, ClientResultError, GroupError, HubError, SendError, UserError};
pub use handler::authorized::{Authorized, HandlerExt};
pub use handler::disconnected::Disconnected;
pub use handler::filter::{BoxFilter, CallKind, FilterCall, Next};
pub use handler::incoming::IncomingInvocation;
pub use handler::link::{LinkResumed, OnLinkInterrupted, OnLinkResumed};
pub use handler::method::{Method, Shape, Started};
pub use handler::output::{Fallible, FrameStream, Outcome, Output, Plain, StreamOutput};
pub use handler::parameter::{CallReader, FromArgument, FromCall, Parameter};
pub use handler::state::{FromRef, State};
pub use handler::upload::{Upload, UploadSink};
pub use handler::{Handler, StreamHandler};
pub use hub::Hub;
pub use hub::definition::{HubBuildError, HubDefinition, MayJoin, MethodEntry};
pub use hub::options::{HubOptions, Outage};
