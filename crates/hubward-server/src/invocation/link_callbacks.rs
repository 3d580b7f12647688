//! A hub's `on_link_interrupted` and `on_link_resumed`: one after the other, each bounded in time, in a task of the node.

use std::sync::Arc;
use std::time::Duration;

use hubward_hub::{BoxFuture, HubError, LinkResumed};

use super::failures::{self, HubPart};
use super::link_notices::LinkNotice;
use super::panics;
use crate::engine::Engine;

/// How long a callback may take, as `Hub::on_link_interrupted` and `Hub::on_link_resumed` say: longer than any call of a store that
/// it makes, and short beside a shutdown's timeout.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(30);

/// Notifies a hub that the link to the other nodes is interrupted.
pub(crate) fn interrupted(engine: &Arc<Engine>) {
    if has_any(engine) && engine.link_notices.interrupted() {
        engine.context.tasks.spawn(notify(engine.clone()));
    }
}

/// Notifies a hub that the link is whole again.
pub(crate) fn resumed(engine: &Arc<Engine>) {
    if has_any(engine) && engine.link_notices.resumed() {
        engine.context.tasks.spawn(notify(engine.clone()));
    }
}

fn has_any(engine: &Engine) -> bool {
    engine.definition.on_link_interrupted.is_some() || engine.definition.on_link_resumed.is_some()
}

async fn notify(engine: Arc<Engine>) {
    while let Some(notice) = engine.link_notices.take() {
        let (part, callback) = match notice {
            LinkNotice::Interrupted => (HubPart::LinkInterrupted, start_interrupted(&engine)),
            LinkNotice::Resumed { gap } => {
                (HubPart::LinkResumed, start_resumed(&engine, LinkResumed::new(gap)))
            }
        };
        if let Err(error) = run(callback).await {
            failures::report_of_hub(&engine, part, &error);
            if let Err(panic) = panics::catch(|| drop(error)) {
                failures::report_of_hub(&engine, part, &panic);
            }
        }
    }
}

type Callback = Result<Option<BoxFuture<'static, Result<(), HubError>>>, HubError>;

fn start_interrupted(engine: &Arc<Engine>) -> Callback {
    let Some(callback) = &engine.definition.on_link_interrupted else { return Ok(None) };
    panics::catch(|| Some(callback(engine.handle())))
}

fn start_resumed(engine: &Arc<Engine>, resumed: LinkResumed) -> Callback {
    let Some(callback) = &engine.definition.on_link_resumed else { return Ok(None) };
    panics::catch(|| Some(callback(engine.handle(), resumed)))
}

async fn run(callback: Callback) -> Result<(), HubError> {
    let Some(callback) = callback? else { return Ok(()) };
    let mut callback = Box::pin(panics::catch_panic(callback));
    match tokio::time::timeout(CALLBACK_TIMEOUT, &mut callback).await {
        Ok(done) => done,
        Err(_) => {
            panics::catch(|| drop(callback))?;
            Err(HubError::hidden(format!(
                "it took more than {} s and was stopped",
                CALLBACK_TIMEOUT.as_secs()
            )))
        }
    }
}

#[cfg(test)]
mod tests;
