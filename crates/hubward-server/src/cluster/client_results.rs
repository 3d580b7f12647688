//! Questions to clients: sent with an id, answered by a completion, on this node or another.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use hubward_backplane::{AnswerOutcome, Body, Frames, Topic};
use hubward_hub::{Answer, AskError, BoxFuture, EncodeCall, SendError};
use hubward_proto::{EncodeError, Frame, Protocol};
use hubward_types::{ConnectionId, NodeId};
use parking_lot::Mutex;

use crate::connection::handle::{Link, Reply};
use crate::delivery::encoded::ReceivedFrames;
use crate::hub::{Engine, backplane_failed};

/// Asks a connection of any node.
pub(crate) fn ask(
    engine: &Arc<Engine>,
    connection: &ConnectionId,
    call: &dyn EncodeCall,
) -> BoxFuture<Result<Answer, AskError>> {
    let id = engine.next_ask_id();
    let failed = |source: EncodeError| {
        let method = call.method().to_owned();
        let ready: BoxFuture<_> =
            Box::pin(async { Err(AskError::Send(SendError::Encode { method, source })) });
        ready
    };
    let name = connection.to_string();
    if let Some(link) = engine.index.connection(connection) {
        let frame = match call.encode(link.protocol, Some(&id)) {
            Ok(frame) => frame,
            Err(error) => return failed(error),
        };
        return Box::pin(async move {
            match ask_here(&link, id, frame).await {
                None => Err(AskError::Disconnected(name)),
                Some(Reply::Value(protocol, bytes)) => Ok(Answer::new(protocol, bytes)),
                Some(Reply::Void) => Ok(Answer::without_result()),
                Some(Reply::Error(error)) => Err(AskError::Failed(error)),
            }
        });
    }
    if engine.others().is_none() {
        return Box::pin(async { Err(AskError::NotFound(name)) });
    }
    let encoded: Result<Vec<Frame>, _> =
        Protocol::ALL.iter().map(|protocol| call.encode(*protocol, Some(&id))).collect();
    let frames = match encoded.as_deref() {
        Ok([json, messagepack]) => Frames {
            json: Some(json.websocket().clone()),
            messagepack: Some(messagepack.websocket().clone()),
        },
        Ok(_) => Frames { json: None, messagepack: None },
        Err(_) => {
            return encoded
                .err()
                .map_or_else(|| Box::pin(async { Err(AskError::NotFound(name)) }) as _, failed);
        }
    };
    Box::pin(ask_elsewhere(engine.clone(), connection.clone(), id, frames))
}

/// Forgets a question when nobody waits for it any more.
struct Pending<'a> {
    link: &'a Link,
    id: String,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.link.forget_answer(&self.id);
    }
}

/// None where the connection ended first.
async fn ask_here(link: &Link, id: String, frame: Frame) -> Option<Reply> {
    let answer = link.expect_answer(id.clone())?;
    let _pending = Pending { link, id };
    link.mailbox.push(frame);
    answer.await.ok()
}

async fn ask_elsewhere(
    engine: Arc<Engine>,
    connection: ConnectionId,
    invocation_id: String,
    frames: Frames,
) -> Result<Answer, AskError> {
    let name = connection.to_string();
    let Some(backplane) = engine.others() else { return Err(AskError::NotFound(name)) };
    let topic = Topic::Connection(engine.name().clone(), connection);
    let (id, answer) = engine.node.waiting.for_answer();
    let mut asked = AskedElsewhere { engine: &engine, topic, id, over: false };
    let body = Body::Ask { id, reply_to: engine.node.id.clone(), frames, invocation_id };
    let reached = backplane.publish(&asked.topic, engine.envelope(body)).await.map_err(backplane_failed)?;
    if reached == Some(0) {
        asked.over = true;
        return Err(AskError::NotFound(name));
    }
    let outcome = answer.await;
    asked.over = true;
    match outcome {
        Ok(AnswerOutcome::Result { protocol, bytes }) => {
            let protocol = Protocol::ALL.into_iter().find(|known| known.index() == usize::from(protocol));
            protocol.map(|protocol| Answer::new(protocol, bytes.to_vec())).ok_or(AskError::Disconnected(name))
        }
        Ok(AnswerOutcome::Void) => Ok(Answer::without_result()),
        Ok(AnswerOutcome::Error(error)) => Err(AskError::Failed(error)),
        Ok(AnswerOutcome::NotFound) => Err(AskError::NotFound(name)),
        Ok(_) | Err(_) => Err(AskError::Disconnected(name)),
    }
}

/// Tells the other node when the asker has stopped waiting.
struct AskedElsewhere<'a> {
    engine: &'a Engine,
    topic: Topic,
    id: u64,
    over: bool,
}

impl Drop for AskedElsewhere<'_> {
    fn drop(&mut self) {
        self.engine.node.waiting.forget(self.id);
        if let Some(backplane) = self.engine.others().filter(|_| !self.over) {
            let envelope = self.engine.envelope(Body::CancelAsk { id: self.id });
            drop(backplane.publish(&self.topic, envelope));
        }
    }
}

/// Asks a connection of this node for another node, and sends its answer there.
pub(crate) async fn answer_for(
    engine: Arc<Engine>,
    link: Option<Arc<Link>>,
    id: u64,
    reply_to: NodeId,
    frames: Frames,
    invocation_id: String,
) {
    let outcome = match link {
        None => AnswerOutcome::NotFound,
        Some(link) => match ReceivedFrames::new(frames).get(link.protocol) {
            None => AnswerOutcome::NotFound,
            Some(frame) => match ask_here(&link, invocation_id, frame.clone()).await {
                None => AnswerOutcome::Disconnected,
                Some(Reply::Void) => AnswerOutcome::Void,
                Some(Reply::Error(error)) => AnswerOutcome::Error(error),
                Some(Reply::Value(protocol, bytes)) => {
                    AnswerOutcome::Result { protocol: protocol.index() as u8, bytes: bytes.into() }
                }
            },
        },
    };
    if let Some(backplane) = &engine.node.backplane {
        let envelope = engine.envelope(Body::Answer { id, outcome });
        if let Err(error) = backplane.publish(&Topic::Node(reply_to), envelope).await {
            tracing::warn!(%error, "A client's answer could not be passed to the node that asked.");
        }
    }
}

/// Questions that connections of this node were asked for other nodes, so that the asker can take one back.
#[derive(Default)]
pub(crate) struct Asked(Mutex<HashMap<Question, (Weak<Link>, String)>>);

/// The asking node and its number for the question.
type Question = (NodeId, u64);

impl Asked {
    pub(crate) fn register(&self, sender: &NodeId, id: u64, invocation_id: String, link: Option<&Arc<Link>>) {
        let link = link.map(Arc::downgrade).unwrap_or_default();
        self.0.lock().insert((sender.clone(), id), (link, invocation_id));
    }

    pub(crate) fn forget(&self, asked: &Question) {
        self.0.lock().remove(asked);
    }

    /// Stops waiting for the client's answer.
    pub(crate) fn cancel(&self, asked: &Question) {
        let Some((link, invocation_id)) = self.0.lock().remove(asked) else { return };
        if let Some(link) = link.upgrade() {
            link.forget_answer(&invocation_id);
        }
    }
}
