//! An invocation on its way to a method.

use std::borrow::Cow;

use hubward_proto::{Protocol, RawArguments};

use crate::context::HubContext;

/// An invocation as the client sent it. For engines.
pub struct IncomingInvocation<'a> {
    /// The call's context.
    pub context: HubContext,
    /// The caller's protocol, in which the completion is encoded.
    pub protocol: Protocol,
    /// The id that the completion carries; absent where the caller wants none.
    pub invocation_id: Option<&'a str>,
    /// The arguments, not yet decoded.
    pub arguments: RawArguments<'a>,
    /// The ids of the streams that the caller uploads.
    pub stream_ids: &'a [Cow<'a, str>],
    /// Items that each upload may hold before its sender has to wait.
    pub upload_capacity: usize,
}
