//! POST: bytes for a connection whose transport cannot receive them itself. The POSTs of one connection take turns,
//! and the body of each arrives whole or not at all.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::response::Response;
use futures_util::future::{Either, select};
use http::StatusCode;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::admission::Admitted;
use super::response;
use crate::connections::registry::PostTarget;
use crate::pipe::inbox::Inbox;
use crate::refusal::Refusal;

/// How many bytes may wait for a connection's first GET, in one body and in all: nobody reads them yet, so the limits
/// of an open connection would be too high.
const EARLY_BYTES: usize = 64 << 10;

pub(crate) async fn post(mut admitted: Admitted<'_>, parts: Parts, body: Body) -> Result<Response, Refusal> {
    let claims = admitted.open_token(&parts)?;
    let registry = admitted.endpoint.manager.registry();
    let PostTarget { inbox, get_due } = registry.post_target(&admitted.connection_request(&claims))?;
    // A body may take long: only what it needs is kept for it.
    drop(parts);
    let options = &admitted.endpoint.options;
    let (body_bytes, unread_bytes) = (options.post_body_bytes, options.application_buffer_bytes);
    match get_due {
        None => put(&inbox, body, body_bytes, unread_bytes).await?,
        Some(due) => {
            let left = due.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
            let put = put(&inbox, body, body_bytes.min(EARLY_BYTES), EARLY_BYTES);
            tokio::time::timeout(left, put).await.unwrap_or(Err(Refusal::UnknownId))?;
        }
    }
    Ok(response::empty(StatusCode::OK))
}

/// Reads a body and puts it into the inbox, once it is this POST's turn and less than `unread_bytes` are unread.
async fn put(inbox: &Inbox, body: Body, body_bytes: usize, unread_bytes: usize) -> Result<(), Refusal> {
    let _turn = inbox.turn.lock().await;
    let ended = pin!(poll_fn(|cx| inbox.poll_ended(cx)));
    let mut bytes = match select(ended, pin!(read(body, body_bytes))).await {
        Either::Left(_) => return Err(Refusal::ConnectionEnded),
        Either::Right((bytes, _)) => bytes?,
    };
    if bytes.is_empty() {
        return Ok(());
    }
    poll_fn(|cx| inbox.poll_put(cx, &mut bytes, unread_bytes)).await.map_err(|_| Refusal::ConnectionEnded)
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    if http_body::Body::size_hint(&body).lower() > limit as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Err(_) => Err(Refusal::BodyAborted),
    }
}

#[cfg(test)]
mod tests;
