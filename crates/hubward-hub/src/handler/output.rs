//! What handlers return: a value, a result, or a stream of them.

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use hubward_proto::{Frame, Protocol};
use serde::Serialize;

use crate::error::HubError;

/// What a hub method may return: a serializable value, or a `Result` of one.
///
/// The error of a `Result` is a [`HubError`] or a `std::error::Error`. One that is serializable as well leaves open which
/// of the two is meant, which the compiler reports as "type annotations needed": map it with
/// `map_err(HubError::from)`. A `Result` with any other error, such as `String`, would be sent as a value: a hub with such
/// a method is refused when it is built.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a hub method",
    label = "neither `serde::Serialize` nor a `Result` of it",
    note = "return a type that derives `serde::Serialize`, or `Result<T, HubError>` of one; a stream is added with `Hub::stream`"
)]
pub trait Output<Marker>: Send + 'static {
    /// The value that is sent.
    type Value: Serialize;

    /// Returns the value that is sent.
    ///
    /// # Errors
    /// [`HubError`] where the method failed.
    fn into_result(self) -> Result<Self::Value, HubError>;

    /// Returns whether this is a `Result` that would be sent as a value, its error included, because its error is not
    /// one that a hub method may fail with.
    #[doc(hidden)]
    fn is_result_sent_as_value() -> bool {
        false
    }
}

/// Marks outputs that cannot fail.
pub struct Plain;

/// Marks outputs that are a `Result`.
pub struct Fallible;

impl<T: Serialize + Send + 'static> Output<Plain> for T {
    type Value = T;

    fn into_result(self) -> Result<T, HubError> {
        Ok(self)
    }

    fn is_result_sent_as_value() -> bool {
        is_result::<T>()
    }
}

impl<T, E> Output<Fallible> for Result<T, E>
where
    T: Serialize + Send + 'static,
    E: Into<HubError> + Send + 'static,
{
    type Value = T;

    fn into_result(self) -> Result<T, HubError> {
        self.map_err(Into::into)
    }

    /// A `Result` in a `Result`, as a timeout or a blocking task returns it.
    fn is_result_sent_as_value() -> bool {
        is_result::<T>()
    }
}

/// Returns whether a type is a `Result`, also in an `Option`, a `Box`, an `Arc` or behind a reference. A `Result` with an
/// error such as `String` is serializable, and types cannot exclude it, so that its name decides; tests notice should
/// the compiler name these types otherwise. A collection of results is a value like any other.
fn is_result<T>() -> bool {
    const WRAPPERS: [&str; 4] = ["core::option::Option<", "alloc::boxed::Box<", "alloc::sync::Arc<", "&"];
    let mut name = std::any::type_name::<T>();
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name.starts_with("core::result::Result<")
}

/// The encoded items of a stream.
pub type FrameStream = BoxStream<'static, Result<Frame, HubError>>;

/// The outcome of a call that did not fail. For engines and filters.
#[non_exhaustive]
pub enum Outcome {
    /// The encoded completion; absent where the caller wants none.
    Done(Option<Frame>),
    /// A stream of encoded items.
    Stream(FrameStream),
}

/// What a streaming method may return: a stream of values or results, or a `Result` of such a stream.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a streaming hub method",
    label = "not a stream of serializable items",
    note = "return `impl Stream<Item = T>` or `impl Stream<Item = Result<T, HubError>>`; a single value is added with `Hub::method`"
)]
pub trait StreamOutput<Marker>: Send + 'static {
    /// Encodes the items as those of the invocation `id`.
    ///
    /// # Errors
    /// [`HubError`] where the method failed before the first item.
    fn into_frames(self, protocol: Protocol, id: String) -> Result<FrameStream, HubError>;

    /// As [`Output::is_result_sent_as_value`], of the items.
    #[doc(hidden)]
    fn is_result_sent_as_value() -> bool;
}

impl<St, I, M> StreamOutput<(Plain, I, M)> for St
where
    St: Stream<Item = I> + Send + 'static,
    I: Output<M>,
    M: 'static,
{
    fn into_frames(self, protocol: Protocol, id: String) -> Result<FrameStream, HubError> {
        Ok(Box::pin(self.map(move |item| {
            let value = item.into_result()?;
            Ok(hubward_proto::encode::stream_item(protocol, &id, &value)?)
        })))
    }

    fn is_result_sent_as_value() -> bool {
        I::is_result_sent_as_value()
    }
}

impl<St, E, I, M> StreamOutput<(Fallible, I, M)> for Result<St, E>
where
    St: Stream<Item = I> + Send + 'static,
    E: Into<HubError> + Send + 'static,
    I: Output<M>,
    M: 'static,
{
    fn into_frames(self, protocol: Protocol, id: String) -> Result<FrameStream, HubError> {
        self.map_err(Into::into)?.into_frames(protocol, id)
    }

    fn is_result_sent_as_value() -> bool {
        I::is_result_sent_as_value()
    }
}
