//! What the store has of a connection: when it opens, and when it is recorded later or put back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, stream};
use hubward_backplane::{HeldConnection, OpenConnection, OpenedConnection, StoreError};
use hubward_types::{ConnectionId, UserId};

use super::delivered::stop_for;
use super::unrecorded::{Unrecorded, UnrecordedConnection};
use crate::connection::close_reason::CloseReason;
use crate::connection::groups::Reasons;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// How much longer than its token is valid here a connection's id is claimed: the clocks of other nodes may be late.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Connections whose ids are claimed at the same time.
const CLAIMS_AT_ONCE: usize = 16;

/// Whether connections of a user, or of none, are recorded when they open: all of them where nodes share the store. On a
/// node alone it is enough that the store knows the connections of users.
pub(crate) fn is_recorded(engine: &Engine, user: Option<&UserId>) -> bool {
    engine.context.registry.is_some() || user.is_some()
}

/// Records a connection that opens, where it [is recorded](is_recorded); returns what the store has about its user.
pub(crate) async fn open(
    engine: &Engine,
    connection: &ConnectionId,
    user: Option<&UserId>,
    token_expires_at: Option<SystemTime>,
) -> Result<OpenedConnection, StoreError> {
    let context = &engine.context;
    if !is_recorded(engine, user) {
        return Ok(OpenedConnection::default());
    }
    // A node alone knows itself which ids were used.
    let claim = if context.registry.is_some() { claim(token_expires_at) } else { Duration::ZERO };
    let opening = OpenConnection {
        hub: engine.name().clone(),
        connection: connection.clone(),
        user: user.cloned(),
        owner: context.owner(),
        claim,
    };
    context.store.open_connection(opening).await
}

/// Returns a connection as it is put back.
fn held(engine: &Engine, connection: &ConnectionHandle) -> HeldConnection {
    let own = connection.groups.all().into_iter().filter(|(_, reasons)| reasons.own);
    HeldConnection {
        hub: engine.name().clone(),
        connection: connection.id.clone(),
        user: connection.principal.user_id().cloned(),
        groups: own.map(|(group, _)| group).collect(),
        claim: claim(connection.token_expires_at()),
    }
}

/// For how long a connection's id has to be claimed, so that its token opens no other. Without a token nobody else can
/// have the id.
pub(crate) fn claim(token_expires_at: Option<SystemTime>) -> Duration {
    let until = token_expires_at.and_then(|at| at.checked_add(CLOCK_SKEW));
    until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default()).unwrap_or_default()
}

/// Records connections, closes those that another node has meanwhile, and stops delivering what a ban has ended. Nothing
/// changes the groups of these connections meanwhile.
pub(crate) async fn put_on_record(
    engine: &Arc<Engine>,
    connections: &[UnrecordedConnection],
) -> Result<(), StoreError> {
    if engine.context.registry.is_none() {
        return Ok(());
    }
    let (opened, restored): (Vec<_>, Vec<_>) =
        connections.iter().cloned().partition(|(_, why)| *why == Unrecorded::Opened);
    let mut restored: Vec<_> = restored.into_iter().map(|(connection, _)| connection).collect();
    let claims = opened.into_iter().map(|(connection, _)| record_anew(engine.clone(), connection));
    let claims: Vec<_> = stream::iter(claims).buffer_unordered(CLAIMS_AT_ONCE).collect().await;
    for claimed in claims {
        match claimed? {
            // What it has joined meanwhile is put on record, too.
            (connection, Claimed::Now) if connection.groups.len() > 0 => restored.push(connection),
            (_, Claimed::Now) => {}
            (connection, Claimed::Before) => restored.push(connection),
            (connection, Claimed::ByAnother) => lost(engine, &connection),
        }
    }
    if restored.is_empty() {
        return Ok(());
    }
    let records = restored.iter().map(|connection| held(engine, connection)).collect();
    let outcome = engine.context.store.restore(&engine.context.owner(), records).await?;
    let find = |id: &ConnectionId| restored.iter().find(|connection| connection.id == *id);
    for connection in outcome.lost.iter().filter_map(|(_, id)| find(id)) {
        lost(engine, connection);
    }
    for (_, id, group) in &outcome.banned {
        if let Some(connection) = find(id) {
            let reasons = connection.groups.reasons(group);
            stop_for(engine, connection, group, Reasons { own: false, ..reasons });
        }
    }
    Ok(())
}

async fn record_anew(
    engine: Arc<Engine>,
    connection: Arc<ConnectionHandle>,
) -> Result<(Arc<ConnectionHandle>, Claimed), StoreError> {
    let (id, user) = (&connection.id, connection.principal.user_id());
    let claimed = match open(&engine, id, user, connection.token_expires_at()).await {
        Ok(_) => Claimed::Now,
        // By an attempt of an earlier life of this node.
        Err(StoreError::Claimed { by }) if by == engine.context.id => Claimed::Before,
        Err(StoreError::Claimed { .. }) => Claimed::ByAnother,
        Err(error) => return Err(error),
    };
    Ok((connection, claimed))
}

/// Who has claimed a connection's id.
enum Claimed {
    Now,
    Before,
    ByAnother,
}

fn lost(engine: &Engine, connection: &ConnectionHandle) {
    // Whoever moves it decides which of the two nodes has it.
    if connection.is_settling() {
        return;
    }
    tracing::warn!(hub = %engine.name(), "A connection was opened on another node meanwhile; it is closed here.");
    connection.close(CloseReason::Aborted);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_claimed_for_as_long_as_its_token_may_be_used_on_any_node() {
        let (now, minute) = (SystemTime::now(), Duration::from_secs(60));
        let lasting = claim(Some(now + minute));
        assert!(lasting > minute && lasting <= minute + CLOCK_SKEW, "{lasting:?}");
        assert!(claim(Some(now)) > Duration::ZERO, "another node's clock may be late");
        assert_eq!(claim(Some(now - minute)), Duration::ZERO);
        assert_eq!(claim(None), Duration::ZERO);
    }
}
