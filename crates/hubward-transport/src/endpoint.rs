//! A mounted path: its settings, and the router that serves it.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use hubward_auth::{Authenticator, Cors, Policy};
use hubward_types::HubName;

use crate::http::routes;
use crate::{Acceptor, ConnectionManager, TransportOptions};

/// A path on which connections are opened. Without settings it is open to everyone, with all transports.
pub struct Endpoint {
    path: String,
    pub(crate) hub: HubName,
    pub(crate) acceptor: Arc<dyn Acceptor>,
    pub(crate) manager: Arc<ConnectionManager>,
    pub(crate) options: Arc<TransportOptions>,
    pub(crate) authenticator: Authenticator,
    pub(crate) policies: Vec<Policy>,
    pub(crate) cors: Cors,
}

impl Endpoint {
    /// Makes an endpoint at a path such as `/hubs/clinical`; a slash at its end is dropped. Each accepted
    /// connection goes to `acceptor`.
    pub fn new(
        path: impl Into<String>,
        hub: impl Into<HubName>,
        acceptor: Arc<dyn Acceptor>,
        manager: Arc<ConnectionManager>,
    ) -> Self {
        Self {
            path: path.into(),
            hub: hub.into(),
            acceptor,
            manager,
            options: Arc::default(),
            authenticator: Authenticator::none(),
            policies: Vec::new(),
            cors: Cors::none(),
        }
    }

    /// Sets bounds and switches.
    pub fn options(mut self, options: TransportOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Sets how bearer tokens are checked. By default everyone is anonymous.
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// Sets the policies that every request has to pass, all of them.
    pub fn policies(mut self, policies: Vec<Policy>) -> Self {
        self.policies = policies;
        self
    }

    /// Sets which origins browsers may come from. By default only the endpoint's own.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Makes the router that serves the path and the path's `/negotiate`, each with or without a slash at its end, to
    /// be merged into another.
    ///
    /// Serve it with `into_make_service_with_connect_info::<SocketAddr>()` for hubs to know remote addresses.
    ///
    /// # Panics
    /// As [`Router::route`] does, where the path is not one, such as one without a slash in front.
    pub fn router(self) -> Router {
        let path = self.path.trim_end_matches('/');
        let mut router = Router::new()
            .route(&format!("{path}/"), any(routes::serve_connection))
            .route(&format!("{path}/negotiate"), any(routes::serve_negotiate))
            .route(&format!("{path}/negotiate/"), any(routes::serve_negotiate));
        if !path.is_empty() {
            router = router.route(path, any(routes::serve_connection));
        }
        router.with_state(Arc::new(self))
    }
}
