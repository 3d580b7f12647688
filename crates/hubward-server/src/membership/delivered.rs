//! The groups that are delivered to a connection, in its turn: the index and the subscriptions follow the reasons that
//! `connection/groups.rs` keeps.

use std::sync::Arc;

use hubward_backplane::Topic;
use hubward_hub::GroupError;
use hubward_types::{GroupName, brief_causes, brief_name};

use super::backplane_failed;
use super::rules::check_rule;
use crate::connection::groups::Reasons;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Delivers groups of the connection's user. What the hub refuses is logged and left out: the user is a member all the
/// same. Returns an error where one that is not refused could not be delivered.
pub(super) async fn user_joined(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    groups: &[GroupName],
) -> Result<(), GroupError> {
    let limit = engine.definition.options.groups_per_connection;
    let (mut topics, mut new) = (Vec::new(), Vec::new());
    for group in groups {
        let reasons = connection.groups.reasons(group);
        if reasons.user {
            continue;
        }
        let allowed = match check_rule(engine, connection, group) {
            Ok(()) if reasons.is_none() && connection.groups.len() + new.len() >= limit => {
                Err(GroupError::TooManyGroups { limit })
            }
            checked => checked,
        };
        match allowed {
            Err(error) => not_delivered(engine, connection, &error),
            Ok(()) if !reasons.is_none() => {
                connection.groups.set_reasons(group, Reasons { user: true, ..reasons });
            }
            Ok(()) => {
                topics.push(Topic::Group(engine.name().clone(), group.clone()));
                new.push(group.clone());
            }
        }
    }
    let mut delivered = Ok(());
    if new.is_empty() {
        return delivered;
    }
    for (group, subscribed) in new.iter().zip(engine.context.subscriptions.add(topics).await) {
        match subscribed.map_err(backplane_failed) {
            Ok(()) => deliver_for(engine, connection, group, Reasons { own: false, user: true }),
            // Whoever made the change logs it, and tries again.
            Err(error) => delivered = Err(error),
        }
    }
    delivered
}

fn not_delivered(engine: &Engine, connection: &ConnectionHandle, error: &GroupError) {
    let user = connection.principal.user_id().map(|user| brief_name(user.as_str()));
    tracing::warn!(hub = %engine.name(), user = user.as_deref(), error = %brief_causes(error), "A group of a user is not delivered to a connection.");
}

/// Delivers a group for these reasons.
pub(super) fn deliver_for(
    engine: &Engine,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
    reasons: Reasons,
) {
    connection.groups.set_reasons(group, reasons);
    engine.index.join(group, connection);
}

/// Delivers a group for these reasons only; for none, no more.
pub(super) fn stop_for(engine: &Engine, connection: &ConnectionHandle, group: &GroupName, reasons: Reasons) {
    let delivered = !connection.groups.reasons(group).is_none();
    connection.groups.set_reasons(group, reasons);
    if delivered && reasons.is_none() {
        engine.index.leave(group, connection);
        engine.context.subscriptions.remove(&Topic::Group(engine.name().clone(), group.clone()));
    }
}
