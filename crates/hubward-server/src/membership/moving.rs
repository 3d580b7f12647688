//! What becomes of the groups of a connection that comes from another node. The store has recorded them there; here they are
//! delivered, before it comes as that node knew them, and then as the store says.

use std::collections::HashSet;
use std::sync::Arc;

use hubward_backplane::Topic;
use hubward_types::{GroupName, brief_causes};

use super::changes;
use super::delivered::{deliver_for, stop_for};
use crate::connection::groups::Reasons;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Ends delivery to a connection that did not come. Whoever waits for a change of its groups looks for it elsewhere.
pub(crate) fn undo(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    connection.set_elsewhere();
    for (group, _) in connection.groups.all() {
        stop_for(engine, connection, &group, Reasons::default());
    }
    if connection.set_user_subscribed(false)
        && let Some(user) = connection.principal.user_id()
    {
        engine.context.subscriptions.remove(&Topic::User(engine.name().clone(), user.clone()));
    }
    changes::release(engine, connection);
}

/// Delivers its own groups as the store has them, now that the connection has come; then changes of its groups begin.
pub(crate) async fn own_groups(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    recorded: &[GroupName],
) {
    let known: HashSet<_> = recorded.iter().collect();
    for (group, reasons) in connection.groups.all() {
        if reasons.own && !known.contains(&group) {
            // Such as by a ban.
            stop_for(engine, connection, &group, Reasons { own: false, ..reasons });
        }
    }
    let missing = |group: &&GroupName| !connection.groups.reasons(group).own;
    let missing: Vec<_> = recorded.iter().filter(missing).cloned().collect();
    let (known, new): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|group| !connection.groups.reasons(group).is_none());
    for group in known {
        let reasons = connection.groups.reasons(&group);
        connection.groups.set_reasons(&group, Reasons { own: true, ..reasons });
    }
    if !new.is_empty() {
        let topics = new.iter().map(|group| Topic::Group(engine.name().clone(), group.clone())).collect();
        for (group, subscribed) in new.iter().zip(engine.context.subscriptions.add(topics).await) {
            match subscribed {
                Ok(()) => deliver_for(engine, connection, group, Reasons { own: true, user: false }),
                Err(error) => {
                    tracing::warn!(hub = %engine.name(), error = %brief_causes(&error), "A group of a connection that came from another node is not delivered to it.");
                }
            }
        }
    }
}
