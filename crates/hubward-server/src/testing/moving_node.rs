//! Nodes that stateful connections move between, each with its place among the connections of its node.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hubward_auth::KeyRing;
use hubward_hub::Hub;
use hubward_transport::testing::{self, Resumption};
use hubward_transport::{Acceptor, Connection, ConnectionManager, Registration, TransportOptions};
use hubward_types::Principal;
use serde_json::json;
use tokio::time::Instant;

use super::client::{Next, TestClient};
use crate::acceptor::HubAcceptor;
use crate::connection::adopting::{self, Adopted, CannotAdopt};
use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::Mailbox;
use crate::connection::moving;
use crate::connection::taken::{CannotMove, TakenSession};
use crate::engine::Engine;
use crate::session_state::SessionState;

/// How many bytes the in-memory socket takes before a write blocks.
const SOCKET_BYTES: usize = 64 * 1024;

/// A node with one hub.
pub(crate) struct MovingNode {
    pub(crate) engine: Arc<Engine>,
    manager: Arc<ConnectionManager>,
    options: TransportOptions,
    acceptor: HubAcceptor,
}

impl MovingNode {
    pub(crate) fn new(hub: Hub) -> Self {
        Self::of(super::engine(hub))
    }

    pub(crate) fn of(engine: Arc<Engine>) -> Self {
        let options = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
        let context = &engine.context;
        let (shutdown, tasks) = (context.shutdown.clone(), context.tasks.clone());
        let manager = ConnectionManager::new(context.id.clone(), KeyRing::random(), shutdown, tasks);
        let acceptor = HubAcceptor::new(engine.clone(), &options);
        Self { engine, manager, options, acceptor }
    }

    pub(crate) fn manager(&self) -> &Arc<ConnectionManager> {
        &self.manager
    }

    /// Takes the place of a connection; `None` where it is taken, or its connection has ended here.
    pub(crate) fn register(&self, id: &str) -> Option<Registration> {
        self.manager.adopt(id.into(), SystemTime::now() + Duration::from_secs(15))
    }

    /// Opens a connection with stateful reconnect, and does the handshake. Returns where its client comes back.
    pub(crate) async fn connect(&self, id: &str, principal: Principal) -> (TestClient, Resumption) {
        let (mut client, resumption) = self.open(id, principal);
        client.send(&json!({ "protocol": "json", "version": 2 })).await;
        assert_eq!(client.next().await, Next::Message(json!({})));
        (client, resumption)
    }

    pub(crate) fn open(&self, id: &str, principal: Principal) -> (TestClient, Resumption) {
        let (io, server) = tokio::io::duplex(SOCKET_BYTES);
        let registration = self.register(id).unwrap();
        let resumption = Resumption::of(&registration).unwrap();
        let (hub, options) = (self.engine.name().clone(), Arc::new(self.options.clone()));
        let opened = testing::web_socket(server, id, hub, principal, self.manager.clone(), options);
        self.acceptor.accept(Connection { stateful: true, registration, ..opened });
        (TestClient::over(io), resumption)
    }

    /// Resumes a connection over another socket, as far as the transport is concerned.
    pub(crate) fn resume(&self, resumption: &Resumption) -> TestClient {
        let (io, server) = tokio::io::duplex(SOCKET_BYTES);
        resumption.offer(server, Arc::new(self.options.clone()));
        TestClient::over(io)
    }

    pub(crate) fn handle(&self, id: &str) -> Arc<ConnectionHandle> {
        self.engine.index.connection(&id.into()).unwrap()
    }

    /// Takes a session, and waits for its calls for so long.
    pub(crate) async fn take(&self, id: &str, wait: Duration) -> Result<TakenSession, CannotMove> {
        moving::take(&self.handle(id), Instant::now() + wait).await
    }

    /// Goes on with a session of another node, whose state comes as bytes. Returns where its client resumes it.
    pub(crate) async fn adopt(&self, state: &SessionState) -> Result<Resumption, CannotAdopt> {
        let SessionState { identity, content } = SessionState::decode(&state.encode().unwrap()).unwrap();
        let mailbox = Mailbox::new(self.engine.mailbox_limits());
        let handle = adopting::handle(&self.engine, &identity, mailbox);
        let adopted = Adopted::restore(&self.engine, handle.clone(), content)?;
        self.engine.index.add(&handle);
        for group in &identity.groups {
            let joined = crate::membership::changes::change(
                &self.engine,
                &handle,
                crate::connection::groups::GroupChange::Join(group.clone()),
            );
            joined.await.unwrap();
        }
        let registration = self.register(identity.token_id.as_str()).unwrap();
        let resumption = Resumption::of(&registration).unwrap();
        adopted.start(registration);
        Ok(resumption)
    }
}
