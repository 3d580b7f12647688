//! POST: bytes for a connection whose transport cannot receive them itself. The POSTs of one connection take turns. A
//! short body arrives whole or not at all; of a long one no more is read than there is room for.

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
use super::forward::RequestContent;
use super::response;
use crate::connections::registry::PostTarget;
use crate::pipe::inbox::Inbox;
use crate::pipe::received::TransportEnd;
use crate::refusal::Refusal;

/// How many bytes may wait for a connection's first GET, in one body and in all: nobody reads them yet, so the limits
/// of an open connection would be too high.
const EARLY_BYTES: usize = 64 << 10;

/// A body of up to so many bytes arrives whole or not at all; of a longer one so many are read at a time. Twice what a
/// message may have by default.
const PIECE_BYTES: usize = 64 << 10;

pub(crate) async fn post(mut admitted: Admitted<'_>, parts: Parts, body: Body) -> Result<Response, Refusal> {
    let (claims, id) = admitted.open_token(&parts)?;
    if let Some(node) = admitted.owner(&parts, &claims, &id, None).await? {
        return admitted.forward(node, &id, &parts, RequestContent::Body(body)).await;
    }
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

/// Copies a body into the inbox, once it is this POST's turn. Before each piece it waits until less than `unread_bytes`
/// are unread, so that what is not read yet stays with the client.
async fn put(inbox: &Inbox, body: Body, body_bytes: usize, unread_bytes: usize) -> Result<(), Refusal> {
    if http_body::Body::size_hint(&body).lower() > body_bytes as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let place = inbox.place().ok_or(Refusal::TooManyPosts)?;
    let _turn = place.turn().await;
    if http_body::Body::is_end_stream(&body) {
        return Ok(());
    }
    let mut body = Limited::new(body, body_bytes);
    let mut copied = Copied { inbox, in_part: false };
    loop {
        poll_fn(|cx| inbox.poll_room(cx, unread_bytes)).await.map_err(|_| Refusal::ConnectionEnded)?;
        let ended = pin!(poll_fn(|cx| inbox.poll_ended(cx)));
        let (piece, is_last) = match select(ended, pin!(read_piece(&mut body))).await {
            Either::Left(_) => return Err(Refusal::ConnectionEnded),
            Either::Right((piece, _)) => piece?,
        };
        if !piece.is_empty() {
            inbox.put(piece).map_err(|_| Refusal::ConnectionEnded)?;
        }
        copied.in_part = !is_last;
        if is_last {
            return Ok(());
        }
    }
}

/// Reads [`PIECE_BYTES`] of a body, or all that is left of it where that is less: true with the last piece.
async fn read_piece(body: &mut Limited<Body>) -> Result<(Vec<u8>, bool), Refusal> {
    let mut piece = Vec::new();
    while piece.len() <= PIECE_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => piece.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..])),
            Some(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::BodyTooLarge),
            Some(Err(_)) => return Err(Refusal::BodyAborted),
            None => return Ok((piece, true)),
        }
    }
    // It may lie there for long.
    piece.shrink_to_fit();
    Ok((piece, false))
}

/// A body on its way into the inbox. Where it breaks off after a piece of it, the connection ends: whatever another POST
/// brings would be read as the rest of it.
struct Copied<'a> {
    inbox: &'a Inbox,
    in_part: bool,
}

impl Drop for Copied<'_> {
    fn drop(&mut self) {
        if self.in_part {
            self.inbox.end(TransportEnd::Lost);
        }
    }
}

#[cfg(test)]
mod tests;
