//! POST and DELETE: bytes for a connection that cannot send them itself, and its end. The POSTs of one connection
//! are taken one after another, each whole or not at all.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::response::Response;
use futures_util::future::{Either, select};
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use crate::TransportOptions;
use crate::pipe::inbox::Inbox;
use crate::refusal::Refusal;

/// What may wait for a connection's first GET: nobody reads it yet.
const EARLY_BODY_BYTES: usize = 64 << 10;

/// Takes a body into the inbox. `waits_until` is set where the connection has had no GET yet.
pub(crate) async fn put(
    inbox: &Inbox,
    body: Body,
    options: &TransportOptions,
    waits_until: Option<SystemTime>,
) -> Result<Response, Refusal> {
    let limit = if waits_until.is_some() {
        options.post_body_bytes.min(EARLY_BODY_BYTES)
    } else {
        options.post_body_bytes
    };
    let put = async {
        let _turn = inbox.turn.lock().await;
        let ended = pin!(poll_fn(|cx| inbox.poll_ended(cx)));
        let mut bytes = match select(ended, pin!(read(body, limit))).await {
            Either::Left(_) => return Err(Refusal::Gone),
            Either::Right((bytes, _)) => bytes?,
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let room = if waits_until.is_some() { EARLY_BODY_BYTES } else { options.application_buffer_bytes };
        poll_fn(|cx| inbox.poll_put(cx, &mut bytes, room)).await.map_err(|_| Refusal::Gone)
    };
    match waits_until {
        None => put.await?,
        Some(until) => {
            let left = until.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
            tokio::time::timeout(left, put).await.unwrap_or(Err(Refusal::UnknownId))?;
        }
    }
    Ok(text(StatusCode::OK))
}

/// Answers with a status and an empty text.
pub(crate) fn text(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    if http_body::Body::size_hint(&body).lower() > limit as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Err(_) => Err(Refusal::BodyAborted),
    }
}
