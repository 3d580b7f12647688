//! DELETE: a long-polling client closes its connection.

use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::admission::Admitted;
use super::response;
use crate::refusal::Refusal;

pub(crate) fn delete(mut admitted: Admitted<'_>, parts: &Parts) -> Result<Response, Refusal> {
    let claims = admitted.open_token(parts)?;
    let registry = admitted.endpoint.manager.registry();
    registry.terminable(&admitted.connection_request(&claims))?.terminate();
    Ok(response::empty(StatusCode::ACCEPTED))
}
