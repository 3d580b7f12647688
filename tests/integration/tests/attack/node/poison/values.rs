//! Values and errors of a hub author that panic wherever the node may touch them.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use hubward::FromRef;
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde::{Serialize, Serializer};

/// Can be neither read nor written.
pub(super) struct Poison;

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("deserializing panics")
    }
}

impl Serialize for Poison {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("serializing panics")
    }
}

/// Can be read and written, and not be dropped.
pub(super) struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        panic!("dropping panics")
    }
}

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::SeqCst);
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// How many [`Dropped`] were read.
static READ: AtomicU64 = AtomicU64::new(0);

pub(super) fn read() -> u64 {
    READ.load(Ordering::SeqCst)
}

impl Serialize for Dropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

/// The hub's state.
#[derive(Clone)]
pub(super) struct App;

pub(super) struct Part;

impl FromRef<App> for Part {
    fn from_ref(_: &App) -> Self {
        panic!("taking a part of the state panics")
    }
}

impl FromRef<App> for Dropped {
    fn from_ref(_: &App) -> Self {
        Self
    }
}

/// A part of the state that is cloned for a call, and panics at that.
pub(super) struct Cloned;

impl FromRef<App> for Cloned {
    fn from_ref(_: &App) -> Self {
        Self.clone()
    }
}

impl Clone for Cloned {
    fn clone(&self) -> Self {
        panic!("cloning panics")
    }
}

/// An error that has no text.
#[derive(Debug)]
pub(super) struct Textless;

impl fmt::Display for Textless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("the text of an error panics")
    }
}

impl Error for Textless {}

/// An error that cannot be dropped.
pub(super) struct Sticky;

impl Drop for Sticky {
    fn drop(&mut self) {
        panic!("dropping an error panics")
    }
}

impl fmt::Debug for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sticky")
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error that cannot be dropped")
    }
}

impl Error for Sticky {}

/// A stream of one item that goes on without another one, and cannot be dropped.
#[derive(Default)]
pub(super) struct DroppedStream {
    taken: bool,
}

impl Stream for DroppedStream {
    type Item = u8;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
        if std::mem::replace(&mut self.taken, true) { Poll::Pending } else { Poll::Ready(Some(1)) }
    }
}

impl Drop for DroppedStream {
    fn drop(&mut self) {
        panic!("dropping a stream panics")
    }
}
