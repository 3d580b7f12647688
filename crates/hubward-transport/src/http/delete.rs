//! DELETE: a long-polling client closes its connection.

use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::admission::Admitted;
use super::forward::RequestContent;
use super::response;
use crate::refusal::Refusal;

pub(crate) async fn delete(mut admitted: Admitted<'_>, parts: &Parts) -> Result<Response, Refusal> {
    let (claims, id) = admitted.open_token(parts)?;
    if let Some(node) = admitted.owner(parts, &claims, &id, None).await? {
        return admitted.forward(node, &id, parts, RequestContent::Nothing).await;
    }
    let registry = admitted.endpoint.manager.registry();
    registry.terminable(&admitted.connection_request(&claims))?.terminate();
    Ok(response::empty(StatusCode::ACCEPTED))
}
