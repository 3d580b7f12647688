//! Requests to another node that are confirmed: changes of membership and aborts. All of them may be repeated without
//! harm, and are, where the link was interrupted meanwhile.

use std::time::Duration;

use hubward_backplane::{Body, RequestFailure, Topic};
use hubward_hub::SendError;
use hubward_types::{NodeId, TraceContext};
use tokio::time::{Instant, timeout_at};

use super::pending::{PendingReply, Settled};
use crate::context::NodeContext;

/// The number of a request whose confirmation nobody waits for.
pub(crate) const UNCONFIRMED: u64 = u64::MAX;

/// How long after a request it is sent again at the earliest. Whoever can publish can say as often as it likes that a node's link
/// was interrupted.
const APART: Duration = Duration::from_millis(100);

/// Why a request was not confirmed.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// It could not be published.
    Backplane(SendError),
    /// The other node could not do it.
    Failed(RequestFailure),
    /// The confirmation did not come in time.
    NoConfirmation,
}

/// Sends a request to another node until it is confirmed. A node that has left or died has nothing to do any more.
pub(crate) async fn request(
    context: &NodeContext,
    node: &NodeId,
    timeout: Duration,
    trace: Option<&TraceContext>,
    body: impl Fn(u64) -> Body,
) -> Result<(), RequestError> {
    let Some(backplane) = &context.backplane else { return Ok(()) };
    let deadline = Instant::now().checked_add(timeout);
    let mut sent_at = None;
    loop {
        let mut confirmation = context.pending.confirmations.expect(node);
        let exchange = async {
            // While it waits to be sent again it learns that the node is gone, too.
            if let Some(settled) = settled_before(sent_at.map(|at| at + APART), &mut confirmation).await {
                return Ok(settled);
            }
            sent_at = Some(Instant::now());
            let topic = Topic::Node(node.clone());
            let published = context.publish(backplane, vec![topic], trace, body(confirmation.id));
            published.await.map_err(RequestError::Backplane)?;
            Ok(confirmation.wait().await)
        };
        let settled = match deadline {
            Some(deadline) => timeout_at(deadline, exchange).await,
            None => Ok(exchange.await),
        };
        match settled {
            Ok(Ok(Settled::Reply(None) | Settled::Gone)) => return Ok(()),
            Ok(Ok(Settled::Reply(Some(reason)))) => return Err(RequestError::Failed(reason)),
            Ok(Ok(Settled::Interrupted)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(RequestError::NoConfirmation),
        }
    }
}

/// Waits until this time for a reply to what is not sent yet, which is how it ends that the node is waited for.
async fn settled_before<T>(time: Option<Instant>, reply: &mut PendingReply<'_, T>) -> Option<Settled<T>> {
    let time = time.filter(|time| *time > Instant::now())?;
    timeout_at(time, reply.wait()).await.ok()
}
