//! The demo page: its files, which are part of the program, and the requests that it makes to its node.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::demo_node::DemoNode;
use super::sign_in;

/// Nothing runs but what this node serves, and it connects to this node only.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

pub(super) fn router(node: Arc<DemoNode>) -> Router {
    macro_rules! asset {
        ($name:literal, $content_type:literal) => {
            get(async || file($content_type, include_str!(concat!("../../assets/", $name))))
        };
    }
    Router::new()
        .route("/", asset!("index.html", "text/html; charset=utf-8"))
        .route("/demo.css", asset!("demo.css", "text/css; charset=utf-8"))
        .route("/demo.js", asset!("demo.js", "text/javascript; charset=utf-8"))
        .route("/icon.svg", asset!("icon.svg", "image/svg+xml"))
        .route("/vendor/signalr.min.js", asset!("vendor/signalr.min.js", "text/javascript; charset=utf-8"))
        .route(
            "/vendor/LICENSE-signalr.txt",
            asset!("vendor/LICENSE-signalr.txt", "text/plain; charset=utf-8"),
        )
        .route("/demo/info", get(info))
        .route("/demo/sign-in", post(sign_in::sign_in))
        .with_state(node)
}

fn file(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content)
}

async fn info(State(node): State<Arc<DemoNode>>) -> Json<Value> {
    Json(json!({ "node": node.info.name, "nodes": node.nodes }))
}
