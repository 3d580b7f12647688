//! Opens connections to single servers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, RedisError};
use tokio_rustls::TlsConnector;

use crate::address::Address;
use crate::connection::{RedisConnection, RedisPush, socket};
use crate::error::RedisFailure;

pub(crate) type AddressMap = Arc<dyn Fn(&Address) -> Address + Send + Sync>;

/// How requests may wait for the connection's own task: more than a batch of them, so that they leave together.
const WAITING_REQUESTS: usize = 1_024;

pub(crate) struct Connector {
    pub(crate) credentials: Credentials,
    pub(crate) sentinel_credentials: Credentials,
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) database: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) address_map: Option<AddressMap>,
}

/// Who asks.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    pub(crate) fn new(username: Option<String>, password: Option<String>) -> Self {
        Self { username, password }
    }

    pub(crate) fn set_username(&mut self, username: String) {
        self.username = Some(username);
    }

    pub(crate) fn set_password(&mut self, password: String) {
        self.password = Some(password);
    }

    #[cfg(test)]
    pub(crate) fn exposed(&self) -> String {
        format!("{:?} {:?}", self.username, self.password)
    }

    fn apply(&self, mut settings: RedisConnectionInfo) -> RedisConnectionInfo {
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        settings
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

impl Connector {
    /// Opens a connection to a server that has data. `take` is called with what comes unasked, such as its end.
    pub(crate) async fn connect(
        &self,
        address: &Address,
        take: impl Fn(RedisPush) + Send + Sync + 'static,
    ) -> Result<RedisConnection, RedisFailure> {
        self.open(address, self.settings(&self.credentials, self.database), None, take).await
    }

    /// Opens a connection to subscribe to messages over. One that has more bytes comes as an empty one.
    pub(crate) async fn connect_subscriber(
        &self,
        address: &Address,
        max_message_bytes: usize,
        take: impl Fn(RedisPush) + Send + Sync + 'static,
    ) -> Result<RedisConnection, RedisFailure> {
        let settings = self.settings(&self.credentials, self.database);
        self.open(address, settings, Some(max_message_bytes), take).await
    }

    /// Opens a connection to a Sentinel.
    pub(crate) async fn connect_sentinel(&self, address: &Address) -> Result<RedisConnection, RedisFailure> {
        self.open(address, self.settings(&self.sentinel_credentials, 0), None, |_| ()).await
    }

    async fn open(
        &self,
        address: &Address,
        settings: RedisConnectionInfo,
        max_message_bytes: Option<usize>,
        take: impl Fn(RedisPush) + Send + Sync + 'static,
    ) -> Result<RedisConnection, RedisFailure> {
        let mapped = self.address_map.as_ref().map(|map| map(address));
        let opening = async {
            let socket = socket::connect(mapped.as_ref().unwrap_or(address), self.tls.as_ref());
            let socket = socket.await.map_err(RedisError::from)?;
            RedisConnection::open(socket, &settings, self.config(), max_message_bytes, take).await
        };
        match tokio::time::timeout(self.connect_timeout, opening).await {
            Ok(opened) => opened,
            Err(_) => {
                Err(RedisFailure::late(format!("no connection was opened within {:?}", self.connect_timeout)))
            }
        }
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_response_timeout(Some(self.response_timeout))
            .set_pipeline_buffer_size(WAITING_REQUESTS)
    }

    fn settings(&self, credentials: &Credentials, database: u32) -> RedisConnectionInfo {
        credentials.apply(
            RedisConnectionInfo::default()
                .set_protocol(ProtocolVersion::RESP3)
                .set_db(i64::from(database))
                .set_lib_name("hubward", env!("CARGO_PKG_VERSION")),
        )
    }
}
