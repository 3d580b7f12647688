//! What a hub says about groups: how long their names may be, and who may join.

use hubward_hub::GroupError;
use hubward_types::GroupName;

use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;
use crate::invocation::failures::{self, HubPart};
use crate::invocation::panics;

pub(crate) fn check_name(engine: &Engine, group: &GroupName) -> Result<(), GroupError> {
    let (length, limit) = (group.as_str().len(), engine.definition.options.group_name_bytes);
    if length > limit { Err(GroupError::NameTooLong { length, limit }) } else { Ok(()) }
}

/// Checks the hub's own rule, if it has one. A rule that panics allows nothing.
pub(crate) fn check_rule(
    engine: &Engine,
    connection: &ConnectionHandle,
    group: &GroupName,
) -> Result<(), GroupError> {
    let Some(rule) = &engine.definition.may_join else { return Ok(()) };
    let allowed = panics::catch(|| rule(&connection.principal, group)).unwrap_or_else(|panic| {
        failures::report(engine, connection, HubPart::Other, &panic);
        false
    });
    if allowed { Ok(()) } else { Err(GroupError::NotAllowed { group: group.to_string() }) }
}
