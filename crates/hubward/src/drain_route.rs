//! The request that begins a drain. It authenticates nobody: what it is mounted on does.

use std::sync::{Arc, Weak};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::post;
use hubward_server::{DrainOptions, Node};

type Response = (StatusCode, [(HeaderName, &'static str); 1], String);

/// The route holds no node, since what serves it may be the node's own.
pub(crate) fn route(node: &Arc<Node>, options: DrainOptions) -> Router {
    let node = Arc::downgrade(node);
    Router::new().route("/drain", post(async move || begin(&node, options)))
}

/// Begins the drain, unless it has begun. Nobody has to wait for it: it goes on without the request.
fn begin(node: &Weak<Node>, options: DrainOptions) -> Response {
    const JSON: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json")];
    let Some(node) = node.upgrade() else {
        return (StatusCode::GONE, JSON, r#"{"phase":"gone"}"#.to_owned());
    };
    node.begin_drain(options);
    let report = node.drain_report();
    let (phase, connections) = (report.phase, node.connection_count());
    let (closed, cut) = (report.closed, report.cut);
    let body = format!(r#"{{"phase":"{phase}","connections":{connections},"closed":{closed},"cut":{cut}}}"#);
    (StatusCode::ACCEPTED, JSON, body)
}
