//! Who sends a request: the peer of the socket, or whom another node names.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::request::Parts;

/// Returns the client's address, where the server knows it.
pub(crate) fn client_address(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address)
}
