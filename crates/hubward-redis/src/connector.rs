//! Opens connections to single servers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates,
};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::address::Address;
use crate::error::{RedisConfigError, RedisFailure};
use crate::tls::RedisTls;

pub(crate) type AddressMap = Arc<dyn Fn(&Address) -> Address + Send + Sync>;

/// How requests may wait for the connection's own task: more than a batch of them, so that they leave together.
const WAITING_REQUESTS: usize = 1_024;

pub(crate) struct Connector {
    pub(crate) credentials: Credentials,
    pub(crate) sentinel_credentials: Credentials,
    pub(crate) tls: Option<TlsCertificates>,
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
    /// Reads certificates and keys, so that a mistake in them shows before anything connects.
    pub(crate) fn read_tls(tls: &RedisTls) -> Result<TlsCertificates, RedisConfigError> {
        let certificates = tls.certificates();
        let lists =
            certificates.root_cert.iter().chain(certificates.client_tls.iter().map(|tls| &tls.client_cert));
        // The library takes a file without any for an empty list, which no server could satisfy.
        if lists.into_iter().any(|pem| CertificateDer::pem_slice_iter(pem).next().is_none()) {
            let reason = "a file has no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned();
            return Err(RedisConfigError::Tls { reason });
        }
        tls.check_client().map_err(|reason| RedisConfigError::Tls { reason })?;
        let addr = ConnectionAddr::TcpTls { host: String::new(), port: 0, insecure: false, tls_params: None };
        let refused = |reason: String| RedisConfigError::Tls { reason };
        let info = addr.into_connection_info().map_err(|error| refused(error.to_string()))?;
        Client::build_with_tls(info, certificates.clone()).map_err(|error| refused(error.to_string()))?;
        Ok(certificates)
    }

    /// Opens a connection to a server that has data. `pushes` takes the messages of its subscriptions, and notice of its
    /// end.
    pub(crate) async fn connect(
        &self,
        address: &Address,
        pushes: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        let config = self.config().set_push_sender(pushes);
        self.open(self.info(address, &self.credentials, self.database)?, &config).await
    }

    /// Opens a connection to a Sentinel.
    pub(crate) async fn connect_sentinel(
        &self,
        address: &Address,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        self.open(self.info(address, &self.sentinel_credentials, 0)?, &self.config()).await
    }

    /// How to connect to a server that has data, for a pool.
    pub(crate) fn for_pool(
        &self,
        address: &Address,
    ) -> Result<(ConnectionInfo, AsyncConnectionConfig), RedisFailure> {
        Ok((self.info(address, &self.credentials, self.database)?, self.config()))
    }

    async fn open(
        &self,
        info: ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        let client = Client::open(info)?;
        let opening = client.get_multiplexed_async_connection_with_config(config);
        // The library's own limit leaves out parts of opening one.
        match tokio::time::timeout(self.connect_timeout, opening).await {
            Ok(opened) => Ok(opened?),
            Err(_) => {
                Err(RedisFailure::late(format!("no connection was opened within {:?}", self.connect_timeout)))
            }
        }
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
            .set_pipeline_buffer_size(WAITING_REQUESTS)
    }

    fn info(
        &self,
        address: &Address,
        credentials: &Credentials,
        database: u32,
    ) -> Result<ConnectionInfo, RedisFailure> {
        let mapped = self.address_map.as_ref().map(|map| map(address));
        let Address { host, port } = mapped.as_ref().unwrap_or(address);
        let (host, port) = (host.to_string(), *port);
        let settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(i64::from(database))
            .set_lib_name("hubward", env!("CARGO_PKG_VERSION"));
        let addr = match &self.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        let info = addr.into_connection_info()?.set_redis_settings(credentials.apply(settings));
        match &self.tls {
            None => Ok(info),
            Some(tls) => Ok(Client::build_with_tls(info, tls.clone())?.get_connection_info().clone()),
        }
    }
}
