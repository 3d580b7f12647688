//! How nodes form a cluster: the [`Backplane`] carries bytes by topic between them, the [`GroupStore`] records who is
//! in which group and which node holds which connection, the [`NodeRegistry`] records which nodes live, and an
//! [`Envelope`] is the message that nodes exchange. Here are the three traits, their in-memory implementations, and the
//! conformance suites that every implementation must pass.
//!
//! # Time
//!
//! An implementation need not bound its calls in time: the server gives each call of the three traits five seconds, a
//! backplane thirty to start, and fewer where something is more urgent, such as a heartbeat or a step of a sweep. Then it drops the call's
//! future, and goes on as after an error: the call may have had its effect or not. So whatever a call does has to stay true
//! when it is dropped at any await, which the suites check. What a dropped `publish` or `unsubscribe` does is decided when it
//! is called.
//!
//! What to do with an envelope is not decided here: the server above the traits does that once, for every
//! implementation.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use hubward_backplane::{Backplane, InMemoryNetwork, ReceivedEnvelope, Subscriber, Topic};
//!
//! struct Printer;
//!
//! impl Subscriber for Printer {
//!     fn deliver(&self, batch: &[ReceivedEnvelope]) {
//!         println!("{batch:?}");
//!     }
//!
//!     fn interrupted(&self, _: &str) {}
//!
//!     fn resumed(&self) {}
//! }
//!
//! # async fn example() -> Result<(), hubward_backplane::BackplaneError> {
//! let network = InMemoryNetwork::new();
//! let (here, there) = (network.backplane("here".into()), network.backplane("there".into()));
//! here.start(Arc::new(Printer)).await?;
//! there.start(Arc::new(Printer)).await?;
//!
//! let ward = Topic::Group("clinical".into(), "ward:7".into());
//! for subscribed in there.subscribe(vec![ward.clone()]).await {
//!     subscribed?;
//! }
//! here.publish(vec![ward], Bytes::from_static(b"vitals")).await?;
//! # Ok(())
//! # }
//! ```

mod backplane;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod envelope;
mod group_store;
mod memory;
mod node_registry;
mod owner;
mod topic;

pub use backplane::{
    Backplane, BackplaneError, Cause, Order, PublishOutcome, ReceivedEnvelope, Subscriber, UnsentEnvelope,
};
pub use envelope::{
    Body, ClientResultOutcome, Envelope, EnvelopeError, Frames, MAX_ENVELOPE_BYTES, RequestFailure,
};
pub use futures_util::future::BoxFuture;
pub use group_store::{
    ConnectionsPage, Cursor, GroupStore, HeldConnection, MAX_PAGE_MEMBERS, MAX_PARKED_BYTES,
    MAX_RESTORED_AT_ONCE, MAX_USERS_AT_ONCE, Member, OpenConnection, OpenedConnection, Page, ParkedSession,
    Restored, StoreError, TakeOver, TakenOver, Unpark, Unparked, UserChange, UserMembership, UsersPage,
};
pub use memory::{InMemoryBackplane, InMemoryNetwork, InMemoryStore};
pub use node_registry::{
    LiveNode, MAX_SWEPT_AT_ONCE, NodeEvent, NodeEvents, NodeInfo, NodeLoad, NodeRegistry, RegistryError,
    Sweep,
};
pub use owner::{Epoch, Owner};
pub use topic::Topic;
