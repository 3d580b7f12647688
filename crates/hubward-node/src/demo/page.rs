//! The page: files that are part of the program, and what it asks the node.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Demo, sign_in};

/// Only what this node serves runs, and it talks to this node only.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

pub(super) fn router(demo: Arc<Demo>) -> Router {
    macro_rules! asset {
        ($name:literal, $kind:literal) => {
            get(async || file($kind, include_str!(concat!("../../assets/", $name))))
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
        .with_state(demo)
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

async fn info(State(demo): State<Arc<Demo>>) -> Json<Value> {
    Json(json!({ "node": demo.node.name, "nodes": demo.nodes }))
}
