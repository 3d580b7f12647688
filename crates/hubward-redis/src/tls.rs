//! TLS to Redis: whom to trust, and which certificate to show.

use std::fmt;
use std::sync::Arc;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// How connections to Redis are encrypted. Without a certificate authority of its own, the public ones are trusted.
/// Certificates and keys are PEM.
#[derive(Clone, Default)]
pub struct RedisTls {
    authority: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl RedisTls {
    /// Trusts the public certificate authorities, and shows no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts only the certificates that this authority (PEM, one or more) has signed.
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authority = Some(pem.into());
        self
    }

    /// Shows a client certificate (PEM, with its chain), whose private key this is (PEM).
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.client = Some((certificate.into(), key.into()));
        self
    }

    /// Checks that the client certificate and its key belong together, which the library of Redis does only when it connects.
    pub(crate) fn check_client(&self) -> Result<(), String> {
        let Some((certificate, key)) = &self.client else { return Ok(()) };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| format!("the client certificate cannot be read: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| format!("the key of the client certificate cannot be read: {error}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(RootCertStore::empty()))
            .and_then(|builder| builder.with_client_auth_cert(chain, key))
            .map(|_| ())
            .map_err(|error| format!("the client certificate and its key cannot be used: {error}"))
    }

    pub(crate) fn certificates(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: self.client.as_ref().map(|(certificate, key)| ClientTlsConfig {
                client_cert: certificate.clone(),
                client_key: key.clone(),
            }),
            root_cert: self.authority.clone(),
        }
    }
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTls")
            .field("has_certificate_authority", &self.authority.is_some())
            .field("has_client_certificate", &self.client.is_some())
            .finish()
    }
}
