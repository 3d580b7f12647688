//! Who sends a request: the peer of the socket, whom a proxy names that is trusted, or whom another node names.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::request::Parts;

use crate::peers::Hop;
use crate::trusted_proxies::TrustedProxies;

/// Returns the client's address, where the server knows it.
pub(crate) fn client_address(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address)
}

/// Whether another node has passed the request on.
pub(crate) fn is_hop(parts: &Parts) -> bool {
    parts.extensions.get::<Hop>().is_some()
}

/// Replaces the address of a proxy by that of the client. The first node has done so for whatever it sends here.
pub(crate) fn see_through(proxies: &TrustedProxies, parts: &mut Parts) {
    if let Some(peer) = client_address(parts).filter(|_| !is_hop(parts)) {
        let client = proxies.client(peer, &parts.headers);
        parts.extensions.insert(ConnectInfo(client));
    }
}
