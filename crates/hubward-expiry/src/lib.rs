//! What ends at a time: memberships of users with a time to live, and whatever else has a deadline that moves.
//!
//! A [`DeadlineIndex`] is pure: deadlines by key, of which each may be moved or removed. [`Deadlines`] is shared, and
//! waits with one sleep for all of them.
//!
//! ```
//! use std::time::Duration;
//!
//! use hubward_expiry::Deadlines;
//! use tokio::time::Instant;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let deadlines = Deadlines::default();
//! let now = Instant::now();
//! let _ = deadlines.set("alice", now + Duration::from_secs(60));
//! let _ = deadlines.set("bob", now + Duration::from_secs(30));
//! let _ = deadlines.set("alice", now + Duration::from_secs(10)); // moved
//! assert_eq!(deadlines.due(100).await, Some(vec!["alice"]));
//! assert_eq!(deadlines.due(100).await, Some(vec!["bob"]));
//! assert_eq!(deadlines.due(100).await, None);
//! # }
//! ```

mod deadlines;
mod index;

pub use deadlines::Deadlines;
pub use index::DeadlineIndex;
