//! What can be wrong with a configuration of keys, tokens or origins. What can be wrong with a token is beside
//! the code that reads it: `bearer_token/error.rs` and `connection_token/error.rs`.

use std::fmt;

/// Why a configuration cannot be used. It is for the operator, at the start of a node.
///
/// No variant carries a part of a key, so all of them may be logged. The `Debug` form is the message, too, because that is
/// what a `main` prints which returns the error.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthConfigError {
    /// No key is configured, so that no token could ever be accepted.
    #[error("no key is configured to check tokens with")]
    NoKeys,
    /// There are more keys than a token may be tried with.
    #[error("{count} keys are configured, at most {limit} are allowed")]
    TooManyKeys {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A secret for HMAC is shorter than the hash it is used with (RFC 7518, section 3.2).
    #[error("the HMAC secret has {bytes} bytes, at least {minimum} are needed")]
    SecretTooShort {
        /// How long the secret is, in bytes.
        bytes: usize,
        /// How long it must be, in bytes.
        minimum: usize,
    },
    /// An RSA key is too small or too large to be used (RFC 7518, section 3.3).
    #[error("the RSA key has {bits} bits, it must have between 2048 and 8192")]
    RsaKeySize {
        /// The length of the modulus, in bits.
        bits: u32,
    },
    /// A string is not a public key of the kind that it was given for.
    #[error("the string is not a PEM-encoded {kind} public key")]
    NotAPublicKey {
        /// The kind that was expected, with its curves.
        kind: &'static str,
    },
    /// The name of a signature algorithm is not known.
    #[error("the signature algorithm is not known")]
    UnknownAlgorithm,
    /// An algorithm is allowed that none of the keys can be used with.
    #[error("{algorithm} is allowed, but no configured key can be used with it")]
    AlgorithmWithoutKey {
        /// The name of the algorithm that is allowed.
        algorithm: &'static str,
    },
    /// No issuer is named, and any issuer is not allowed either.
    #[error(
        "no issuer is configured: name those that tokens may come from in JwtConfig::issuers, or set allow_any_issuer"
    )]
    NoIssuer,
    /// No audience is named, and any audience is not allowed either.
    #[error(
        "no audience is configured: name those that tokens may be for in JwtConfig::audiences, or set allow_any_audience"
    )]
    NoAudience,
    /// The leeway would make the lifetime of tokens meaningless.
    #[error("the leeway for token lifetimes is {seconds} s, at most {limit} s are allowed")]
    LeewayTooLong {
        /// How long it is, in seconds.
        seconds: u64,
        /// How long it may be, in seconds.
        limit: u64,
    },
    /// A sealing key is not 32 bytes in hex or base64.
    #[error("a sealing key must be 32 bytes, written in hex or base64")]
    InvalidSealingKey,
    /// A sealing key is one byte over and over: a placeholder, not a random key.
    #[error("a sealing key must be random, this one repeats a single byte")]
    SealingKeyNotRandom,
    /// A sealing key is given twice.
    #[error("two sealing keys are the same")]
    SealingKeyRepeated,
    /// An allowed origin is not exactly `scheme://host` or `scheme://host:port`.
    #[error(
        "an allowed origin must be scheme://host or scheme://host:port, without path or wildcard: {origin:?}"
    )]
    InvalidOrigin {
        /// The origin as it was configured.
        origin: String,
    },
}

impl fmt::Debug for AuthConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
