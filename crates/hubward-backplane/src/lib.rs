//! How nodes form a cluster: the [`Backplane`] carries bytes by topic between them, the [`GroupStore`]
//! records who is in which group, and an [`Envelope`] is the message that nodes exchange. Here are the two
//! traits, their in-memory implementations, and the conformance suites that every implementation must pass.
//!
//! What to do with an envelope is not decided here: the server above the traits does that once, for every
//! implementation.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use hubward_backplane::{Backplane, InMemoryNetwork, Subscriber, Topic};
//!
//! struct Printer;
//!
//! impl Subscriber for Printer {
//!     fn deliver(&self, topic: &Topic, envelope: Bytes) {
//!         println!("{topic:?} {envelope:?}");
//!     }
//! }
//!
//! # async fn example() -> Result<(), hubward_backplane::BackplaneError> {
//! let network = InMemoryNetwork::new();
//! let (here, there) = (network.backplane("here".into()), network.backplane("there".into()));
//! here.start(Arc::new(Printer)).await?;
//! there.start(Arc::new(Printer)).await?;
//!
//! let ward = Topic::Group("clinical".into(), "ward:7".into());
//! there.subscribe(ward.clone()).await?;
//! assert_eq!(here.publish(&ward, Bytes::from_static(b"vitals")).await?, Some(1));
//! # Ok(())
//! # }
//! ```

mod backplane;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod envelope;
mod group_store;
mod memory;
mod topic;

pub use backplane::{Backplane, BackplaneError, Cause, Subscriber};
pub use envelope::{Body, ClientResultOutcome, Envelope, EnvelopeError, Frames, MAX_ENVELOPE_BYTES};
pub use futures_util::future::BoxFuture;
pub use group_store::{Cursor, GroupStore, MAX_PAGE_MEMBERS, Member, Page, StoreError, UserMembership};
pub use memory::{InMemoryBackplane, InMemoryGroupStore, InMemoryNetwork};
pub use topic::Topic;
