//! TLS to Redis: whom to trust, and which certificate to show.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

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

    /// Reads certificates and keys, and checks that the client certificate and its key belong together.
    pub(crate) fn connector(&self) -> Result<TlsConnector, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable =
            |error: rustls::Error| format!("the client certificate and its key cannot be used: {error}");
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(self.roots()?);
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = read_certificates(certificate, "the client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| format!("the key of the client certificate cannot be read: {error}"))?;
                builder.with_client_auth_cert(chain, key).map_err(unusable)?
            }
        };
        // Each connection looks at the server's certificate anew.
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let Some(authority) = &self.authority else {
            return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        };
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(authority, "the certificate authority")? {
            roots
                .add(certificate)
                .map_err(|error| format!("the certificate authority cannot be used: {error}"))?;
        }
        Ok(roots)
    }
}

/// Reads certificates in PEM form, at least one.
fn read_certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| format!("{what} cannot be read: {error}"))?;
    if certificates.is_empty() {
        return Err(format!(
            "the file of {what} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ));
    }
    Ok(certificates)
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTls")
            .field("has_certificate_authority", &self.authority.is_some())
            .field("has_client_certificate", &self.client.is_some())
            .finish()
    }
}
