//! Whether the node lives and whether it is ready, over HTTP: what load balancers and orchestrators ask.

use std::sync::{Arc, Weak};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::routing::get;
use hubward_server::Node;

/// A response is of now.
const NOT_CACHED: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// The routes hold no node: whoever has dropped it is not ready.
pub(crate) fn routes(node: &Arc<Node>) -> Router {
    let node = Arc::downgrade(node);
    Router::new()
        .route("/health/ready", get(async move || ready(&node)))
        .route("/health/live", get(async || (NOT_CACHED, "live\n")))
}

fn ready(node: &Weak<Node>) -> (StatusCode, [(HeaderName, &'static str); 1], &'static str) {
    if node.upgrade().is_some_and(|node| node.is_ready()) {
        (StatusCode::OK, NOT_CACHED, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, NOT_CACHED, "not ready\n")
    }
}
