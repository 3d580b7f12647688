//! Which requests a mounted path serves.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::Method;

use super::admission::admit;
use super::delete::delete;
use super::get::get;
use super::negotiate::negotiate;
use super::post::post;
use crate::endpoint::Endpoint;
use crate::refusal::Refusal;

impl Endpoint {
    /// Makes the router that serves the path and the path's `/negotiate`, each with or without a slash at its end, to
    /// be merged into another.
    ///
    /// Serve it with [`serve`](crate::serve()): hubs know remote addresses then, and each connection is bounded.
    ///
    /// # Panics
    /// As [`Router::route`] does, where the path is not valid, such as one without a slash in front.
    pub fn router(self) -> Router {
        let path = self.path.trim_end_matches('/');
        let mut router = Router::new()
            .route(&format!("{path}/"), any(serve_connection))
            .route(&format!("{path}/negotiate"), any(serve_negotiate))
            .route(&format!("{path}/negotiate/"), any(serve_negotiate));
        if !path.is_empty() {
            router = router.route(path, any(serve_connection));
        }
        router.with_state(Arc::new(self))
    }
}

async fn serve_negotiate(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    admit(&endpoint, request, async |admitted, parts, _| match parts.method {
        Method::POST => negotiate(&admitted, &parts),
        _ => Err(Refusal::MethodNotAllowed),
    })
    .await
}

async fn serve_connection(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    admit(&endpoint, request, async |admitted, parts, body| match parts.method {
        Method::GET => get(admitted, parts).await,
        Method::POST => post(admitted, parts, body).await,
        Method::DELETE => delete(admitted, &parts).await,
        _ => Err(Refusal::MethodNotAllowed),
    })
    .await
}
