//! What a node answers to calls of others that hand sessions over. What comes has been authenticated, and is opened and bounded here;
//! what is done then is in `taking.rs`.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use hubward_transport::{ConnectionManager, PeerCalls};
use hubward_types::NodeId;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::calls::{HandoverCall, HandoverPeers, Seals};
use super::room::Room;
use super::taking::Taking;
use super::wire::{self, Bounded, CancelReply, Prepare, Unanswered, WireError};
use crate::context::NodeContext;
use crate::engine::Engine;

/// How many calls are read at once; each may have many megabytes.
const CALLS_AT_ONCE: usize = 8;

/// What a node answers to calls of others that hand sessions over. Cheap to clone.
#[derive(Clone)]
pub struct HandoverService(Arc<Service>);

struct Service {
    taking: Arc<Taking>,
    seals: Seals,
    permits: Semaphore,
}

impl HandoverService {
    /// Lets the sessions of a node's hubs move to other nodes, and those of others here.
    pub fn new(
        context: &Arc<NodeContext>,
        hubs: &[Arc<Engine>],
        connections: &Arc<ConnectionManager>,
    ) -> Self {
        let seals = Seals::new(connections.keys().clone(), context.id().clone());
        if let Some(client) = context.peer_client() {
            let peers = HandoverPeers::new(seals.clone(), Arc::new(client.clone()));
            context.set_moving(connections.clone(), peers);
        }
        Self::of(Taking::new(context, hubs, Arc::new(Room::default())), seals)
    }

    pub(crate) fn of(taking: Arc<Taking>, seals: Seals) -> Self {
        Self(Arc::new(Service { taking, seals, permits: Semaphore::new(CALLS_AT_ONCE) }))
    }

    /// Answers a call of another node.
    pub(crate) async fn answer(&self, from: &NodeId, path: &str, body: Bytes) -> Result<Bytes, Unanswered> {
        let Service { taking, seals, permits } = &*self.0;
        let method = HandoverCall::ALL.into_iter().find(|method| method.path() == path);
        let method = method.ok_or(Unanswered::Unknown)?;
        // A body that waits is in memory all the same; so none does.
        let _permit = permits.try_acquire().map_err(|_| Unanswered::Busy)?;
        let opened = seals.open_call(method, body).ok_or(Unanswered::Malformed)?;
        let answer = match method {
            HandoverCall::Prepare => {
                let call: Prepare = decoded(&opened)?;
                if call.from().node != *from {
                    return Err(Unanswered::Malformed);
                }
                wire::encode(&taking.prepare(call).await?)
            }
            HandoverCall::Adopt => wire::encode(&taking.adopt(decoded(&opened)?).await?),
            HandoverCall::Cancel => {
                taking.cancel(&decoded(&opened)?);
                wire::encode(&CancelReply)
            }
        };
        Ok(seals.seal_answer(method, &answer))
    }
}

impl PeerCalls for HandoverService {
    fn call(&self, from: NodeId, path: &str, body: Bytes) -> BoxFuture<'static, Result<Bytes, StatusCode>> {
        let (service, path) = (self.clone(), path.to_owned());
        Box::pin(async move {
            service.answer(&from, &path, body).await.map_err(|unanswered| match unanswered {
                Unanswered::Unknown => StatusCode::NOT_FOUND,
                Unanswered::Malformed => StatusCode::BAD_REQUEST,
                Unanswered::UnknownVersion => StatusCode::UNPROCESSABLE_ENTITY,
                Unanswered::Busy => StatusCode::SERVICE_UNAVAILABLE,
                Unanswered::Unclear => StatusCode::INTERNAL_SERVER_ERROR,
            })
        })
    }
}

fn decoded<T: DeserializeOwned + Bounded>(bytes: &[u8]) -> Result<T, Unanswered> {
    wire::decode(bytes).map_err(|error| match error {
        WireError::UnknownVersion(_) => Unanswered::UnknownVersion,
        WireError::TooLarge(_) | WireError::Malformed => Unanswered::Malformed,
    })
}
