//! The groups that are delivered to a connection, in its turn: the index and the subscriptions follow the reasons that
//! `connection/groups.rs` keeps.

use std::collections::HashMap;
use std::sync::Arc;

use hubward_backplane::Topic;
use hubward_hub::GroupError;
use hubward_transport::Lines;
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
    let (mut topics, mut new, mut refused) = (Vec::new(), Vec::new(), Refused::default());
    let before = connection.groups.len();
    let reasons_of = reasons_before(connection, groups);
    for group in groups {
        let reasons = reasons_of(group);
        if reasons.user {
            continue;
        }
        let allowed = match check_rule(engine, connection, group) {
            Ok(()) if reasons.is_none() && before + new.len() >= limit => {
                Err(GroupError::TooManyGroups { limit })
            }
            checked => checked,
        };
        match allowed {
            Err(error) => refused.note(error),
            Ok(()) if !reasons.is_none() => {
                connection.groups.set_reasons(group, Reasons { user: true, ..reasons });
            }
            Ok(()) => {
                topics.push(Topic::Group(engine.name().clone(), group.clone()));
                new.push(group.clone());
            }
        }
    }
    refused.log(engine, connection);
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

/// Finds why groups are delivered already. A user may be in very many: each is found at once then. It is the change's turn, so
/// that nothing else changes meanwhile.
fn reasons_before(connection: &ConnectionHandle, groups: &[GroupName]) -> impl Fn(&GroupName) -> Reasons {
    let all: Option<HashMap<GroupName, Reasons>> =
        (groups.len() > 1).then(|| connection.groups.all().into_iter().collect());
    move |group| match &all {
        Some(all) => all.get(group).copied().unwrap_or_default(),
        None => connection.groups.reasons(group),
    }
}

/// Groups of a user that the hub refuses for a connection: how many, and why the first one.
#[derive(Default)]
struct Refused {
    groups: usize,
    first: Option<GroupError>,
}

impl Refused {
    fn note(&mut self, error: GroupError) {
        self.groups += 1;
        self.first.get_or_insert(error);
    }

    /// Logs one line for all of them. A client may be able to cause as many as it likes, such as by connecting again.
    fn log(self, engine: &Engine, connection: &ConnectionHandle) {
        let Some(error) = self.first else { return };
        let hub = engine.name().clone();
        let summarize = move |number| {
            tracing::warn!(%hub, number, "More connections are not delivered all groups of their users.");
        };
        if !engine.failures.allows(("Groups of a user are not delivered.", None), Lines::Few, summarize) {
            return;
        }
        let user = connection.principal.user_id().map(|user| brief_name(user.as_str()));
        tracing::warn!(hub = %engine.name(), user = user.as_deref(), groups = self.groups, error = %brief_causes(&error), "Groups of a user are not delivered to a connection.");
    }
}

/// Delivers a group for these reasons.
pub(crate) fn deliver_for(
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
