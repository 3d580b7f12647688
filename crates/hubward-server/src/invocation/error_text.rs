//! What clients are sent when a call fails: SignalR's texts where it has one, each in one place. How much of a method's
//! own error is appended is decided by `HubError::wire_text`.

/// Detailed errors, for arguments that do not fit: what .NET's binder reports.
pub(crate) const BINDING_FAILED: &str = "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.";

/// The start of the text for a stream that failed.
pub(crate) const STREAM_FAILED: &str = "An error occurred on the server while streaming results.";

/// A call was running for too long when its connection moved to another node.
pub(crate) const CALL_MOVED: &str =
    "The call had not completed when its connection moved to another node. It may have taken effect.";

/// An upload was open when its connection moved to another node; for the method that reads it.
pub(crate) const UPLOAD_MOVED: &str = "The stream ended because its connection moves to another node.";

/// The start of the text for a method that failed.
pub(crate) fn method_failed(method: &str) -> String {
    format!("An unexpected error occurred invoking '{method}' on the server.")
}

pub(crate) fn unknown_method(target: &str) -> String {
    format!("{} HubException: Method does not exist.", not_invoked(target))
}

pub(crate) fn wrong_argument_count(given: usize, expected: usize) -> String {
    format!("Invocation provides {given} argument(s) but target expects {expected}.")
}

/// The call does not fit its method; `detail` where detailed errors are on.
pub(crate) fn not_bound(target: &str, detail: Option<&str>) -> String {
    let base = not_invoked(target);
    detail.map_or_else(|| base.clone(), |detail| format!("{base} InvalidDataException: {detail}"))
}

pub(crate) fn unauthorized(method: &str) -> String {
    format!("Failed to invoke '{method}' because user is unauthorized")
}

pub(crate) fn not_streaming(method: &str) -> String {
    format!("The client attempted to invoke the non-streaming '{method}' method with a streaming invocation.")
}

pub(crate) fn streaming(method: &str) -> String {
    format!("The client attempted to invoke the streaming '{method}' method with a non-streaming invocation.")
}

pub(crate) fn wrong_stream_count(method: &str, sent: usize, expected: usize) -> String {
    hub_exception(method, &format!("Client sent {sent} stream(s), Hub method expects {expected}."))
}

pub(crate) fn stream_id_in_use(method: &str, id: &str) -> String {
    hub_exception(method, &format!("Stream ID '{id}' is already in use."))
}

pub(crate) fn too_many_streams(method: &str, limit: usize) -> String {
    hub_exception(method, &format!("A connection may have {limit} streams at once."))
}

pub(crate) fn too_many_calls(method: &str, limit: usize) -> String {
    hub_exception(method, &format!("A connection may have {limit} calls at once."))
}

pub(crate) fn invocation_id_in_use(id: &str) -> String {
    format!("Invocation ID '{id}' is already in use.")
}

fn not_invoked(target: &str) -> String {
    format!("Failed to invoke '{target}' due to an error on the server.")
}

fn hub_exception(method: &str, text: &str) -> String {
    format!("{} HubException: {text}", method_failed(method))
}
