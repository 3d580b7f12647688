//! The items of a connection as they move to another node: those of the types that its hub persists. Others stay behind, and so
//! does one whose own code fails: a session is not lost for it.

use hubward_hub::{HubConnection, HubError};
use hubward_transport::Lines;
use hubward_types::brief_name;

use super::handle::ConnectionHandle;
use crate::engine::Engine;
use crate::invocation::failures::{self, HubPart};
use crate::invocation::panics;
use crate::session_state::SavedItem;

/// Serializes the items of a connection.
pub(super) fn save(engine: &Engine, connection: &ConnectionHandle) -> Vec<SavedItem> {
    let mut saved = Vec::new();
    for item in &engine.definition.item_types {
        match panics::catch(|| item.save(connection.items()).transpose()).and_then(|saved| saved) {
            Ok(Some(value)) => saved.push(SavedItem { name: item.name().to_owned(), value }),
            Ok(None) => {}
            Err(error) => report(engine, connection, error),
        }
    }
    saved
}

/// Puts items in that came from another node. One that this version of the hub does not know is left out.
pub(super) fn restore(engine: &Engine, connection: &ConnectionHandle, items: &[SavedItem]) {
    for SavedItem { name, value } in items {
        let Some(item) = engine.definition.item_types.iter().find(|item| item.name() == name) else {
            report_unknown(engine, name);
            continue;
        };
        if let Err(error) = panics::catch(|| item.restore(connection.items(), value)).and_then(|done| done) {
            report(engine, connection, error);
        }
    }
}

fn report(engine: &Engine, connection: &ConnectionHandle, error: HubError) {
    failures::report(engine, connection, HubPart::Item, &error);
    failures::discard(engine, connection, HubPart::Item, error);
}

fn report_unknown(engine: &Engine, name: &str) {
    let hub = engine.name().clone();
    let summarize = move |items| tracing::warn!(%hub, items, "More items of other nodes are unknown here.");
    if engine.failures.allows(("An item of another node is unknown.", None), Lines::Few, summarize) {
        let (hub, item) = (engine.name(), brief_name(name));
        tracing::warn!(%hub, item = &*item, "An item came from another node that this hub does not persist; it is left out.");
    }
}

#[cfg(test)]
mod tests;
