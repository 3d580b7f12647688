//! What every request passes before it is served: CORS, the user, the policies. The order of checks is SignalR's, and
//! every request of a connection passes all of them again.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use hubward_auth::ConnectionTokenClaims;
use hubward_types::{ConnectionId, NodeId};

use super::caller::Caller;
use super::client_address::{is_hop, see_through};
use super::connection_log::ConnectionLog;
use super::public_id::public_id;
use super::response;
use crate::connections::owners::OwnerUnknown;
use crate::connections::ownership::{self, Others, Sought, Whereabouts};
use crate::connections::registry::ConnectionRequest;
use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::request_info::query_value;
use crate::transport::Transport;

/// A request whose user is known and allowed.
pub(crate) struct Admitted<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) caller: Caller,
    pub(crate) log: &'a mut ConnectionLog,
}

/// Admits a request and serves it with `serve`, or refuses it. Either way the response has its CORS headers.
pub(crate) async fn admit(
    endpoint: &Arc<Endpoint>,
    request: Request,
    serve: impl AsyncFnOnce(Admitted<'_>, Parts, Body) -> Result<Response, Refusal>,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if is_preflight(&parts) {
        return response::preflight(endpoint.cors.preflight(&parts.method, &parts.headers));
    }
    let mut cross_origin = HeaderMap::new();
    endpoint.cors.apply(&parts.headers, &mut cross_origin);
    see_through(&endpoint.trusted_proxies, &mut parts);
    let caller = Caller::of(endpoint, &parts);
    let mut log = ConnectionLog::new(&caller);
    let served = match caller.check(endpoint) {
        Ok(()) => serve(Admitted { endpoint, caller, log: &mut log }, parts, body).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = served.unwrap_or_else(|refusal| {
        log.refused(endpoint, refusal);
        refusal.into_response()
    });
    if log.transport == Some(Transport::LongPolling) {
        response::never_cache(&mut response);
    }
    response.headers_mut().extend(cross_origin);
    response
}

/// Whether the request is a browser's CORS preflight. It is sent without a token, so this comes before all checks.
fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Admitted<'_> {
    /// Opens the connection token of the request. Returns what it says, and the connection's public name.
    pub(crate) fn open_token(
        &mut self,
        parts: &Parts,
    ) -> Result<(ConnectionTokenClaims, ConnectionId), Refusal> {
        let token = connection_token(parts).ok_or(Refusal::IdRequired)?;
        let Endpoint { manager, hub, .. } = &**self.endpoint;
        let claims = ownership::open(manager.keys(), manager.node_id(), hub, &token)?;
        self.log.connection_id = Some(claims.connection_id.clone());
        let id = public_id(&claims, &token);
        Ok((claims, id))
    }

    /// Finds out where the connection of a request is, before anything is taken from the request. `None` is here.
    pub(crate) async fn owner(
        &self,
        parts: &Parts,
        claims: &ConnectionTokenClaims,
        id: &ConnectionId,
        transport: Option<Transport>,
    ) -> Result<Option<NodeId>, Refusal> {
        let Endpoint { manager, cluster, .. } = &**self.endpoint;
        let sought = Sought {
            node_id: manager.node_id(),
            claims,
            id,
            transport,
            is_hop: is_hop(parts),
            is_draining: manager.refusing().is_cancelled(),
            now: self.caller.now,
        };
        let others =
            cluster.as_ref().map(|cluster| Others { owners: &*cluster.owners, peers: &cluster.peers });
        let located = sought.locate(manager.registry(), others).await;
        if let Some(others) = others
            && sought.may_be_parked(manager.registry(), others, &located).await
            && self.caller.is_same_user(claims)
            && others.owners.unpark(id, self.caller.principal.user_id(), claims.expires_at).await
        {
            return Ok(None);
        }
        match located {
            Ok(Whereabouts::Here) => Ok(None),
            Ok(Whereabouts::At(node)) => Ok(Some(node)),
            Ok(Whereabouts::Moved) => Err(Refusal::Misdirected),
            Ok(Whereabouts::Leaving) => Err(Refusal::Draining),
            Ok(Whereabouts::Unknown) => Err(Refusal::UnknownId),
            Err(OwnerUnknown) => Err(Refusal::OwnerUnknown),
        }
    }

    /// Returns the request as the registry knows it.
    pub(crate) fn connection_request<'a>(
        &'a self,
        claims: &'a ConnectionTokenClaims,
    ) -> ConnectionRequest<'a> {
        ConnectionRequest {
            claims,
            same_user: self.caller.is_same_user(claims),
            // Only a GET begins a connection.
            fits: true,
            draining: self.endpoint.manager.refusing().is_cancelled(),
            now: self.caller.now,
        }
    }
}

/// Returns the connection token of a request; an empty one counts as absent.
pub(crate) fn connection_token(parts: &Parts) -> Option<Cow<'_, str>> {
    query_value(parts.uri.query(), "id").filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
