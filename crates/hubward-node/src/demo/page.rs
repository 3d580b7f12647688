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

/// Nothing runs but what this node serves. Requests go to this node only; WebSockets may go anywhere, because not every
/// browser takes `'self'` to include the WebSockets of the page's own host.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A file of the page: its path, its content type, and its content.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($path:literal)*) => {
        [$((concat!("/", $path), content_type($path), include_str!(concat!("../../assets/", $path)))),*]
    };
}

const FILES: &[File] = &files! {
    "index.html"
    "icon.svg"
    "script/chat.js"
    "script/count.js"
    "script/demo.js"
    "script/dom.js"
    "script/hub_connection.js"
    "script/memberships.js"
    "script/nodes.js"
    "script/session.js"
    "script/sign_in.js"
    "script/status.js"
    "script/vitals.js"
    "script/ward.js"
    "script/ward_log.js"
    "style/adaptation.css"
    "style/base.css"
    "style/forms.css"
    "style/frame.css"
    "style/guide.css"
    "style/lists.css"
    "style/state.css"
    "style/vitals.css"
    "vendor/LICENSE-signalr.txt"
    "vendor/signalr.min.js"
};

const fn content_type(path: &str) -> &'static str {
    match path.as_bytes() {
        [.., b'.', b'h', b't', b'm', b'l'] => "text/html; charset=utf-8",
        [.., b'.', b'c', b's', b's'] => "text/css; charset=utf-8",
        [.., b'.', b'j', b's'] => "text/javascript; charset=utf-8",
        [.., b'.', b's', b'v', b'g'] => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

pub(super) fn router(node: Arc<DemoNode>) -> Router {
    let mut router =
        Router::new().route("/demo/info", get(info)).route("/demo/sign-in", post(sign_in::sign_in));
    for &(path, content_type, content) in FILES {
        let path = if path == "/index.html" { "/" } else { path };
        router = router.route(path, get(async move || file(content_type, content)));
    }
    router.with_state(node)
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
