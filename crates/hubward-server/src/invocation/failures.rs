//! Failures of hub code: what the operator learns of them, and what the client is sent. Which of them an operator should
//! look into is decided here alone.

use hubward_hub::HubError;
use hubward_transport::Lines;
use hubward_types::{brief_chain, brief_name};
use tracing::Level;

use super::panics::{self, Panic};
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Which part of a hub failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HubPart<'a> {
    /// A method, or a filter around it.
    Method(&'a str),
    /// The stream that a method returned.
    Stream(&'a str),
    /// `on_connected`, or what a connection needs to be open.
    Connected,
    /// `on_disconnected`.
    Disconnected,
    /// `on_resumed`.
    Resumed,
    /// An item that moves to another node.
    Item,
    /// `on_link_interrupted`.
    LinkInterrupted,
    /// `on_link_resumed`.
    LinkResumed,
    /// A policy, the rule of who may join, or the items of an upload.
    Other,
}

impl<'a> HubPart<'a> {
    /// The log lines of its failures and of its panics.
    fn sentences(self) -> [&'static str; 2] {
        match self {
            Self::Method(_) => ["A hub method failed.", "A hub method panicked."],
            Self::Stream(_) => ["A stream failed.", "A stream panicked."],
            Self::Connected => ["on_connected failed.", "on_connected panicked."],
            Self::Disconnected => ["on_disconnected failed.", "on_disconnected panicked."],
            Self::Resumed => ["on_resumed failed.", "on_resumed panicked."],
            Self::Item => ["An item could not be moved.", "An item panicked while it was moved."],
            Self::LinkInterrupted => ["on_link_interrupted failed.", "on_link_interrupted panicked."],
            Self::LinkResumed => ["on_link_resumed failed.", "on_link_resumed panicked."],
            Self::Other => ["Hub code failed.", "Hub code panicked."],
        }
    }

    fn method(self) -> Option<&'a str> {
        match self {
            Self::Method(method) | Self::Stream(method) => Some(method),
            Self::Connected
            | Self::Disconnected
            | Self::Resumed
            | Self::Item
            | Self::LinkInterrupted
            | Self::LinkResumed
            | Self::Other => None,
        }
    }

    /// Decides the level. A panic is a mistake in the hub, and what a client is not sent only the log has. What was made
    /// for the client, or only says that a client has gone, is nothing to look into.
    fn level(self, error: &HubError) -> Level {
        match error.hidden_error() {
            // No client is sent what these made for it.
            None if matches!(
                self,
                Self::Disconnected | Self::Item | Self::LinkInterrupted | Self::LinkResumed
            ) =>
            {
                Level::WARN
            }
            None => Level::DEBUG,
            Some(hidden) if hidden.is::<Panic>() => Level::ERROR,
            Some(_) if error.is_disconnect() => Level::DEBUG,
            Some(_) => Level::WARN,
        }
    }
}

/// Logs a failure. A client may cause what is its method's mistake as fast as it can call: of such a flood there is only
/// the number, so that the log does not fill the disk.
pub(crate) fn report(engine: &Engine, connection: &ConnectionHandle, part: HubPart<'_>, error: &HubError) {
    log(engine, Some(connection), part, error);
}

/// Logs a failure that is no connection's.
pub(crate) fn report_of_hub(engine: &Engine, part: HubPart<'_>, error: &HubError) {
    log(engine, None, part, error);
}

fn log(engine: &Engine, connection: Option<&ConnectionHandle>, part: HubPart<'_>, error: &HubError) {
    let level = part.level(error);
    if level == Level::DEBUG && !tracing::enabled!(Level::DEBUG) {
        return;
    }
    if level != Level::DEBUG && !may_log(engine, part, level) {
        return;
    }
    let (hub, method) = (engine.name(), part.method());
    let connection_id = connection.map(|connection| tracing::field::display(connection.logged_id()));
    let user = connection.and_then(|connection| connection.principal.user_id());
    let user = user.map(|user| brief_name(user.as_str()));
    let (user, [failed, panicked]) = (user.as_deref(), part.sentences());
    if let Some(Panic { message }) = error.hidden_error().and_then(|hidden| hidden.downcast_ref()) {
        let panic = &*brief_chain(message);
        tracing::error!(%hub, method, connection_id, user, panic, "{panicked}");
        return;
    }
    let error = chain(error);
    let error = &*brief_chain(&error);
    if level == Level::DEBUG {
        tracing::debug!(%hub, method, connection_id, user, error, "{failed}");
    } else {
        tracing::warn!(%hub, method, connection_id, user, error, "{failed}");
    }
}

/// Whether one more failure may be logged. Each method has a limit of its own, and panics have another.
fn may_log(engine: &Engine, part: HubPart<'_>, level: Level) -> bool {
    let [failed, panicked] = part.sentences();
    let failure = if level == Level::ERROR { panicked } else { failed };
    let (hub, method) = (engine.name().clone(), part.method().map(Box::<str>::from));
    let kind = (failure, method.clone());
    engine.failures.allows(kind, Lines::Few, move |failures| {
        if level == Level::ERROR {
            tracing::error!(%hub, method, failure, failures, "More of the same.");
        } else {
            tracing::warn!(%hub, method, failure, failures, "More of the same.");
        }
    })
}

/// Drops what the hub made, such as an error: its own `Drop` may panic.
pub(crate) fn discard(engine: &Engine, connection: &ConnectionHandle, part: HubPart<'_>, value: impl Sized) {
    if let Err(panic) = panics::catch(|| drop(value)) {
        report(engine, connection, part, &panic);
    }
}

/// Returns the text that a client is sent. The error is the hub's own, so that its text may panic as well.
pub(crate) fn wire_text(engine: &Engine, base: &str, error: &HubError) -> String {
    let detailed = engine.definition.options.detailed_errors;
    panics::catch(|| error.wire_text(base, detailed)).unwrap_or_else(|_| base.to_owned())
}

/// The error with what caused it.
fn chain(error: &HubError) -> String {
    let written = panics::catch(|| {
        let mut text = error.to_string();
        let mut source = error.hidden_error().and_then(|hidden| hidden.source());
        while let Some(cause) = source.filter(|_| text.len() <= CHAIN_BYTES) {
            let written = cause.to_string();
            // Some errors have the text of their cause in their own.
            if !text.ends_with(&written) {
                text.push_str(": ");
                text.push_str(&written);
            }
            source = cause.source();
        }
        text
    });
    written.unwrap_or_else(|_| "its text panicked".to_owned())
}

/// An error may name itself as its cause; no more is written than a log line shows.
const CHAIN_BYTES: usize = 1024;

#[cfg(test)]
mod tests;
