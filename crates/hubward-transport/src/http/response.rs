//! The responses to requests that are not refused, with the headers that ASP.NET Core gives them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::pipe::long_polling::PollBody;
use crate::pipe::sse::EventStreamBody;

/// Makes a response without a body, whose type is that of plain text.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = of_type("text/plain", Body::empty());
    *response.status_mut() = status;
    response
}

/// Makes the response to a poll.
pub(crate) fn octets(body: PollBody) -> Response {
    of_type("application/octet-stream", Body::new(body))
}

/// Makes the response to the poll that opens a connection.
pub(crate) fn no_octets() -> Response {
    of_type("application/octet-stream", Body::empty())
}

/// Makes the response to a negotiate request.
pub(crate) fn json(bytes: Vec<u8>) -> Response {
    of_type("application/json", Body::from(bytes))
}

/// Makes the response that is an event stream.
pub(crate) fn event_stream(body: EventStreamBody) -> Response {
    let mut response = of_type("text/event-stream", Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Makes the response to a preflight. For an origin that is not allowed it has none of the headers that would allow it.
pub(crate) fn preflight(allowing: Option<HeaderMap>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().extend(allowing.into_iter().flatten());
    response
}

/// Keeps caches from storing the response to a poll.
pub(crate) fn never_cache(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
}

fn of_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
