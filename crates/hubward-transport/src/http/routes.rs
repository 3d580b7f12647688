//! The way of a request: origin, user, policies, then by method to what it asks for. The order of checks is
//! SignalR's; every request of a connection passes all of them again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use hubward_auth::ConnectionTokenClaims;
use hubward_types::ConnectionId;

use super::{get, negotiate, post};
use crate::connections::ownership;
use crate::connections::registry::Named;
use crate::http::caller::Caller;
use crate::refusal::Refusal;
use crate::request_info::query_value;
use crate::{Endpoint, Transport};

/// A request whose user is known and allowed.
pub(crate) struct Admitted<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) caller: Caller,
    pub(crate) log: &'a mut ConnectionLog,
}

/// What the one line about a request says. Tokens are not among it.
#[derive(Default)]
pub(crate) struct ConnectionLog {
    pub(crate) transport: Option<Transport>,
    pub(crate) connection_id: Option<ConnectionId>,
    user: Option<hubward_types::UserId>,
}

/// Serves `P/negotiate`.
pub(crate) async fn serve_negotiate(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    serve(endpoint, request, async |admitted, parts, _| {
        if parts.method != Method::POST {
            return Err(Refusal::MethodNotAllowed);
        }
        let Endpoint { manager, hub, options, .. } = &**admitted.endpoint;
        if manager.draining().is_cancelled() {
            return Err(Refusal::Draining);
        }
        let Caller { principal, now, .. } = &admitted.caller;
        Ok(negotiate::negotiate(manager, hub, options, principal, parts.uri.query(), *now))
    })
    .await
}

/// Serves `P`.
pub(crate) async fn serve_connection(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    serve(endpoint, request, async |mut admitted, parts, body| match parts.method {
        Method::GET => get::get(admitted, parts).await,
        Method::POST => {
            let sealed = admitted.sealed(&parts)?;
            let (inbox, waits) = admitted.endpoint.manager.registry().inbox(&admitted.named(&sealed))?;
            drop(parts);
            let waits_until = waits.then_some(sealed.expires_at);
            post::put(&inbox, body, &admitted.endpoint.options, waits_until).await
        }
        Method::DELETE => {
            let sealed = admitted.sealed(&parts)?;
            admitted.endpoint.manager.registry().terminable(&admitted.named(&sealed))?.terminate();
            Ok(post::text(StatusCode::ACCEPTED))
        }
        _ => Err(Refusal::MethodNotAllowed),
    })
    .await
}

async fn serve(
    endpoint: Arc<Endpoint>,
    request: Request,
    route: impl AsyncFnOnce(Admitted<'_>, Parts, Body) -> Result<Response, Refusal>,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(answer) = preflight(&endpoint, &parts) {
        return answer;
    }
    let mut cross_origin = HeaderMap::new();
    endpoint.cors.apply(&parts.headers, &mut cross_origin);
    let caller = Caller::of(&endpoint, &parts);
    let mut log = ConnectionLog { user: caller.principal.user_id().cloned(), ..ConnectionLog::default() };
    let answer = match caller.check(&endpoint) {
        Ok(()) => route(Admitted { endpoint: &endpoint, caller, log: &mut log }, parts, body).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = answer.unwrap_or_else(|refusal| {
        log.refused(&endpoint, refusal);
        refusal.into_response()
    });
    if log.transport == Some(Transport::LongPolling) {
        get::never_cache(&mut response);
    }
    response.headers_mut().extend(cross_origin);
    response
}

/// Answers a browser that asks before it sends. It is asked without a token, so this comes before everything. One
/// from an origin that is not allowed is answered without the headers that would allow it.
fn preflight(endpoint: &Endpoint, parts: &Parts) -> Option<Response> {
    let asks = parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Some(headers) = endpoint.cors.preflight(&parts.method, &parts.headers) {
            response.headers_mut().extend(headers);
        }
        response
    })
}

impl Admitted<'_> {
    /// Opens the token that the request names its connection by.
    pub(crate) fn sealed(&mut self, parts: &Parts) -> Result<ConnectionTokenClaims, Refusal> {
        let token = connection_token(parts).ok_or(Refusal::IdRequired)?;
        let sealed = ownership::open(&self.endpoint.manager, &self.endpoint.hub, &token)?;
        self.log.connection_id = Some(sealed.connection_id.clone());
        Ok(sealed)
    }

    pub(crate) fn named<'a>(&'a self, sealed: &'a ConnectionTokenClaims) -> Named<'a> {
        Named {
            manager: &self.endpoint.manager,
            sealed,
            same_user: self.caller.is_same_user(sealed),
            now: self.caller.now,
        }
    }
}

/// Returns the connection token of a request. An empty one is none.
pub(crate) fn connection_token(parts: &Parts) -> Option<std::borrow::Cow<'_, str>> {
    query_value(parts.uri.query(), "id").filter(|token| !token.is_empty())
}

impl ConnectionLog {
    pub(crate) fn accepted(&self, endpoint: &Endpoint) {
        tracing::info!(
            user = self.user.as_ref().map(|user| user.as_str()),
            hub = endpoint.hub.as_str(),
            transport = self.transport.map(Transport::name),
            connection_id = self.connection_id.as_ref().map(|id| id.as_str()),
            "A connection was accepted."
        );
    }

    /// What a misbehaving client may cause at will is not worth more than a debug line; who was turned away is.
    fn refused(&self, endpoint: &Endpoint, refusal: Refusal) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    user = self.user.as_ref().map(|user| user.as_str()),
                    hub = endpoint.hub.as_str(),
                    transport = self.transport.map(Transport::name),
                    connection_id = self.connection_id.as_ref().map(|id| id.as_str()),
                    reason = refusal.reason(),
                    "A connection was refused."
                )
            };
        }
        match refusal {
            Refusal::Unauthenticated { .. } => line!(warn),
            Refusal::Forbidden
            | Refusal::OriginNotAllowed
            | Refusal::UserChanged
            | Refusal::TooManyWaiting
            | Refusal::Draining => line!(info),
            _ => line!(debug),
        }
    }
}
