//! The keys that bearer tokens are checked with. A key is checked when it is made, so that a weak or wrong
//! one fails the start of a node and not the first request. It knows which algorithms it can be used with, so
//! that a public key is never used as an HMAC secret.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RsaParameters,
    VerificationAlgorithm,
};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{DecodingKey, errors};

use super::algorithm::Algorithm;
use crate::error::AuthConfigError;

/// The shortest secret for each HMAC, in bytes: the length of its hash (RFC 7518, section 3.2).
const HMAC_MINIMUM_BYTES: [(Algorithm, usize); 3] =
    [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];

/// The lengths that the verifier accepts, in bits. RFC 7518 forbids shorter keys; longer ones cost too much
/// time.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// A key that bearer tokens are checked with: an HMAC secret or a public key.
///
/// ```
/// use hubward_auth::JwtKey;
///
/// let key = JwtKey::hmac("a secret that has at least 32 bytes")?.with_id("2026-01");
/// assert_eq!(format!("{key:?}"), r#"JwtKey { id: Some("2026-01"), algorithms: [HS256] }"#);
/// # Ok::<(), hubward_auth::AuthConfigError>(())
/// ```
#[derive(Clone)]
pub struct JwtKey {
    id: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl JwtKey {
    /// Takes a shared secret. It can be used with HS256 from 32 bytes on, with HS384 from 48 and with HS512
    /// from 64.
    ///
    /// # Errors
    /// Refuses a secret shorter than 32 bytes.
    pub fn hmac(secret: impl AsRef<[u8]>) -> Result<Self, AuthConfigError> {
        let secret = secret.as_ref();
        let usable = HMAC_MINIMUM_BYTES.iter().filter(|(_, minimum)| secret.len() >= *minimum);
        let algorithms: Vec<_> = usable.map(|(algorithm, _)| *algorithm).collect();
        if algorithms.is_empty() {
            return Err(AuthConfigError::SecretTooShort { bytes: secret.len(), minimum: 32 });
        }
        Ok(Self { id: None, algorithms, key: DecodingKey::from_secret(secret) })
    }

    /// Reads an RSA public key in PEM, for RS256–512 and PS256–512.
    ///
    /// # Errors
    /// Refuses what is not an RSA public key, and a key of under 2048 or over 8192 bits.
    pub fn rsa_pem(pem: impl AsRef<[u8]>) -> Result<Self, AuthConfigError> {
        let (key, der) = public_key(DecodingKey::from_rsa_pem(pem.as_ref()), "RSA")?;
        let bits = RsaParameters::public_modulus_len(&der)
            .map_err(|_| AuthConfigError::NotAPublicKey { kind: "RSA" })?;
        if !RSA_BITS.contains(&bits) {
            return Err(AuthConfigError::RsaKeySize { bits });
        }
        use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
        Ok(Self { id: None, algorithms: vec![RS256, RS384, RS512, PS256, PS384, PS512], key })
    }

    /// Reads a public key of the curve P-256 (for ES256) or P-384 (for ES384) in PEM.
    ///
    /// # Errors
    /// Refuses what is not such a key.
    pub fn ec_pem(pem: impl AsRef<[u8]>) -> Result<Self, AuthConfigError> {
        const KIND: &str = "P-256 or P-384";
        let (key, point) = public_key(DecodingKey::from_ec_pem(pem.as_ref()), KIND)?;
        // PEM does not say which curve the verifier is to use: find the one that the point lies on.
        let algorithm = if lies_on(&ECDSA_P256_SHA256_FIXED, &point) {
            Algorithm::ES256
        } else if lies_on(&ECDSA_P384_SHA384_FIXED, &point) {
            Algorithm::ES384
        } else {
            return Err(AuthConfigError::NotAPublicKey { kind: KIND });
        };
        Ok(Self { id: None, algorithms: vec![algorithm], key })
    }

    /// Reads an Ed25519 public key in PEM, for EdDSA.
    ///
    /// # Errors
    /// Refuses what is not such a key.
    pub fn ed_pem(pem: impl AsRef<[u8]>) -> Result<Self, AuthConfigError> {
        const KIND: &str = "Ed25519";
        let (key, point) = public_key(DecodingKey::from_ed_pem(pem.as_ref()), KIND)?;
        if !lies_on(&ED25519, &point) {
            return Err(AuthConfigError::NotAPublicKey { kind: KIND });
        }
        Ok(Self { id: None, algorithms: vec![Algorithm::EdDSA], key })
    }

    /// Gives the key an id. A token whose header names a key (`kid`) is checked with the keys of that id;
    /// where no key has that id, with those that have none.
    pub fn with_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Returns the id by which tokens name the key (`kid`).
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the algorithms that the key can be used with.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Returns whether a signature over a message is valid. The provider is named here because jsonwebtoken's
    /// own lookup panics where another crate brings a second provider into the program.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        self.algorithms.contains(&algorithm)
            && (DEFAULT_PROVIDER.verifier_factory)(&algorithm.verifier(), &self.key)
                .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

impl fmt::Debug for JwtKey {
    /// Shows the id and the algorithms, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("id", &self.id).field("algorithms", &self.algorithms).finish()
    }
}

fn public_key(
    read: errors::Result<DecodingKey>,
    kind: &'static str,
) -> Result<(DecodingKey, Vec<u8>), AuthConfigError> {
    // The library's own error could quote the key, so it is dropped.
    let key = read.map_err(|_| AuthConfigError::NotAPublicKey { kind })?;
    let bytes = key.try_get_as_bytes().map_err(|_| AuthConfigError::NotAPublicKey { kind })?.to_vec();
    Ok((key, bytes))
}

fn lies_on(algorithm: &'static dyn VerificationAlgorithm, point: &[u8]) -> bool {
    ParsedPublicKey::new(algorithm, point).is_ok()
}

#[cfg(test)]
mod tests;
