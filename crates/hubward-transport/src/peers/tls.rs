//! Mutual TLS between nodes: each shows a certificate of the same authority, for the same name.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::{Resumption, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// How nodes encrypt what they say to each other, and whom they trust: nodes whose certificate is of this authority and for
/// this name, which all nodes of a cluster share. The keys of the cluster are needed as well. Cheap to clone.
#[derive(Clone)]
pub struct PeerTls {
    name: ServerName<'static>,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl PeerTls {
    /// Reads certificates and keys (PEM): `authority` signs the certificates of all nodes, `certificate` is this node's, with
    /// its chain, and `key` its private key. Each node's certificate has to be for `name`, such as `nodes.hubward.internal`,
    /// and for use by servers and clients; nobody looks the name up.
    ///
    /// # Errors
    /// With what cannot be used.
    pub fn new(name: &str, authority: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            format!("no certificate can be for the name '{name}'; it should be like a host's")
        })?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(authority, "the certificate authority")? {
            roots
                .add(authority)
                .map_err(|error| format!("the certificate authority cannot be used: {error}"))?;
        }
        let (roots, chain) = (Arc::new(roots), certificates(certificate, "the node's certificate")?);
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| format!("the key of the node's certificate cannot be read: {error}"))?;
        let unusable =
            |error: rustls::Error| format!("the node's certificate and its key cannot be used: {error}");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| format!("the certificate authority cannot be used: {error}"))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unusable)?;
        // Each connection looks at the other's certificate anew.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(unusable)?;
        client.resumption = Resumption::disabled();
        let (connector, acceptor) =
            (TlsConnector::from(Arc::new(client)), TlsAcceptor::from(Arc::new(server)));
        Ok(Self { name, connector, acceptor })
    }

    /// Encrypts a connection to another node, whose certificate is for the name of all.
    pub(super) async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: T,
    ) -> io::Result<client::TlsStream<T>> {
        self.connector.connect(self.name.clone(), socket).await
    }

    /// Encrypts a connection of another node, whose certificate has to be for the name of all.
    pub(crate) async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: T,
    ) -> io::Result<server::TlsStream<T>> {
        let stream = self.acceptor.accept(socket).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let shown = shown.ok_or_else(|| io::Error::other("no certificate was shown"))?;
        let certificate = ParsedCertificate::try_from(shown).map_err(io::Error::other)?;
        verify_server_name(&certificate, &self.name).map_err(io::Error::other)?;
        Ok(stream)
    }
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads certificates in PEM form, at least one.
fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| format!("{what} cannot be read: {error}"))?;
    if certificates.is_empty() {
        return Err(format!(
            "the file of {what} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ));
    }
    Ok(certificates)
}
