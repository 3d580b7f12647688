//! The registry's trait.

use std::time::Duration;

use hubward_backplane::{
    BoxFuture, Epoch, LiveNode, MAX_SWEPT_AT_ONCE, NodeEvents, NodeInfo, NodeLoad, NodeRegistry, Owner,
    RegistryError, Sweep,
};
use hubward_types::NodeId;

use super::RedisStore;
use super::arguments::{add_owner, milliseconds};
use super::node_info::{pack, unpack};
use super::reply::{ScriptReply, ScriptStatus, registered, registry_error};
use super::scripts::{Script, Scripts};
use crate::error::RedisFailure;

type Call<'a, T> = BoxFuture<'a, Result<T, RegistryError>>;

impl RedisStore {
    async fn register(
        &self,
        script: impl Fn(&Scripts) -> &Script,
        arguments: impl FnOnce(&mut redis::Cmd),
    ) -> Result<ScriptReply, RegistryError> {
        registered(self.calls.change(script, arguments).await.map_err(registry_error)?)
    }
}

impl NodeRegistry for RedisStore {
    fn announce(&self, node: NodeInfo) -> Call<'_, Epoch> {
        Box::pin(async move {
            self.events.await_subscription().await;
            let info = pack(&node).map_err(registry_error)?;
            let server = self.calls.server().await.map_err(registry_error)?;
            let announced = self.calls.change(
                |scripts| &scripts.announce,
                |call| {
                    call.arg(node.id.as_str()).arg(info).arg(milliseconds(self.redis.lease));
                },
            );
            let reply = announced.await.map_err(registry_error)?;
            if reply.status == ScriptStatus::Duplicate {
                return Err(RegistryError::DuplicateId { node: node.id });
            }
            let epoch = registered(reply)?.expect_number().map(Epoch::new).map_err(registry_error)?;
            self.announced.note(Owner { node: node.id, epoch }, server);
            Ok(epoch)
        })
    }

    fn heartbeat(&self, owner: &Owner, load: NodeLoad) -> Call<'_, ()> {
        let owner = owner.clone();
        Box::pin(async move {
            let server = self.calls.server().await.map_err(registry_error)?;
            if self.announced.is_elsewhere(&owner, &server) {
                self.withdraw(&owner).await?;
                return Err(RegistryError::Fenced);
            }
            let beat = self.register(
                |scripts| &scripts.heartbeat,
                |call| {
                    add_owner(call, &owner);
                    let draining = if load.draining { "draining " } else { "" };
                    call.arg(milliseconds(self.redis.lease)).arg(load.connections).arg(draining);
                },
            );
            let beat = beat.await;
            if matches!(beat, Err(RegistryError::Fenced)) {
                self.announced.forget(&owner);
            }
            beat.map(|_| ())
        })
    }

    fn withdraw(&self, owner: &Owner) -> Call<'_, ()> {
        let owner = owner.clone();
        Box::pin(async move {
            self.register(|scripts| &scripts.withdraw, |call| add_owner(call, &owner)).await?;
            self.announced.forget(&owner);
            Ok(())
        })
    }

    fn list(&self) -> Call<'_, Vec<LiveNode>> {
        Box::pin(async move {
            let mut reply = self.register(|scripts| &scripts.list, |_| ()).await?;
            let mut nodes = Vec::with_capacity(reply.left() / 5);
            while reply.left() > 0 {
                nodes.push(live_node(&mut reply).map_err(registry_error)?);
            }
            Ok(nodes)
        })
    }

    fn watch(&self) -> NodeEvents {
        self.events.watch()
    }

    fn lease(&self) -> Duration {
        self.redis.lease
    }

    fn sweep(&self, by: &Owner, limit: usize) -> Call<'_, Sweep> {
        let by = by.clone();
        Box::pin(async move {
            let swept = self.register(
                |scripts| &scripts.sweep,
                |call| {
                    add_owner(call, &by);
                    call.arg(limit.clamp(1, MAX_SWEPT_AT_ONCE)).arg(milliseconds(self.redis.lease));
                },
            );
            let mut reply = swept.await?;
            let mut number = || reply.expect_number().map_err(registry_error);
            let removed = usize::try_from(number()?).unwrap_or(usize::MAX);
            Ok(Sweep { removed, finished: number()? == 1 })
        })
    }
}

fn live_node(reply: &mut ScriptReply) -> Result<LiveNode, RedisFailure> {
    let node = NodeId::from(reply.expect_text()?);
    let epoch = Epoch::new(reply.expect_number()?);
    let load = NodeLoad::new(reply.expect_number()?).draining(reply.expect_number()? == 1);
    Ok(LiveNode { info: unpack(node, &reply.expect_bytes()?)?, epoch, load })
}
