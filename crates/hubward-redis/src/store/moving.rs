//! The calls of the store's trait where a connection moves from one node to another.

use bytes::Bytes;
use hubward_backplane::{MAX_PARKED_BYTES, ParkedSession, StoreError, TakeOver, TakenOver, Unpark, Unparked};

use super::RedisStore;
use super::arguments::{add_owner, milliseconds};
use super::reply::store_error;
use crate::error::RedisFailure;

pub(super) async fn take_over(store: &RedisStore, taking: TakeOver) -> Result<TakenOver, StoreError> {
    let TakeOver { hub, connection, from, to } = &taking;
    let taken = store.change(
        |scripts| &scripts.take_over,
        |call| {
            call.arg(hub.as_str()).arg(connection.as_str());
            add_owner(call, from);
            add_owner(call, to);
        },
    );
    let mut reply = taken.await?;
    let mut read = || {
        let own = usize::try_from(reply.expect_number()?).unwrap_or(usize::MAX).min(reply.left());
        let own =
            (0..own).map(|_| reply.expect_text().map(Into::into)).collect::<Result<_, RedisFailure>>()?;
        let of_user = reply.left() / 2;
        Ok(TakenOver::new(own, reply.memberships(of_user)?))
    };
    read().map_err(store_error)
}

pub(super) async fn park(store: &RedisStore, session: ParkedSession) -> Result<(), StoreError> {
    let ParkedSession { hub, connection, owner, sealed, ttl } = &session;
    let (bytes, limit_bytes) = (sealed.len(), MAX_PARKED_BYTES);
    if bytes > limit_bytes {
        return Err(StoreError::TooLarge { bytes, limit_bytes });
    }
    let parked = store.change(
        |scripts| &scripts.park,
        |call| {
            call.arg(hub.as_str()).arg(connection.as_str());
            add_owner(call, owner);
            call.arg(&sealed[..]).arg(milliseconds(*ttl));
        },
    );
    parked.await.map(|_| ())
}

pub(super) async fn unpark(store: &RedisStore, taking: Unpark) -> Result<Option<Unparked>, StoreError> {
    let Unpark { hub, connection, user, owner, claim } = &taking;
    let taken = store.change(
        |scripts| &scripts.unpark,
        |call| {
            call.arg(hub.as_str()).arg(connection.as_str());
            call.arg(user.as_ref().map_or("", |user| user.as_str())).arg(u8::from(user.is_some()));
            add_owner(call, owner);
            call.arg(milliseconds(*claim));
        },
    );
    let mut reply = taken.await?;
    if reply.left() == 0 {
        return Ok(None);
    }
    let mut read = || {
        let sealed = Bytes::from(reply.expect_bytes()?);
        let of_user = reply.left() / 2;
        Ok(Unparked::new(sealed, reply.memberships(of_user)?))
    };
    read().map(Some).map_err(store_error)
}
