//! What joins nodes: the [`Backplane`] carries bytes by topic between them, the [`GroupStore`] keeps the one
//! true record of who is in which group, and an [`Envelope`] is what travels. Here are the two seams, the
//! forms of both that live in one process, and the suites that every form must pass.
//!
//! What a group, a user or an answer means is not known here: the engine above the seams decides that once,
//! for every form.
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
