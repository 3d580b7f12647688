//! What can be wrong: with a configuration (the operator's fault), with a bearer token or a connection token
//! (the client's fault), or with what a development token is asked to say. No variant carries a part of a
//! token or of a key, so all of them may be logged.

use crate::Algorithm;

/// Why a configuration of keys, tokens or origins cannot be used. The operator has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthConfigError {
    /// No key is configured, so no token could ever hold.
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
    /// A text is not the public key of the kind that it was given for.
    #[error("the text is not a PEM-encoded {kind} public key")]
    NotAPublicKey {
        /// The kind that was expected, with its curves.
        kind: &'static str,
    },
    /// The name of a signature algorithm is not known.
    #[error("the signature algorithm is not known")]
    UnknownAlgorithm,
    /// An algorithm is allowed that none of the keys can do.
    #[error("{algorithm} is allowed, but no configured key can be used with it")]
    AlgorithmWithoutKey {
        /// The algorithm that is allowed.
        algorithm: Algorithm,
    },
    /// No issuer is named, and it is not said that any will do.
    #[error("no issuer is configured and any issuer is not allowed")]
    NoIssuer,
    /// No audience is named, and it is not said that any will do.
    #[error("no audience is configured and any audience is not allowed")]
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
    SealingKeyFormat,
    /// A sealing key is one byte over and over: a placeholder, not a random key.
    #[error("a sealing key must be random, this one repeats a single byte")]
    SealingKeyNotRandom,
    /// Two sealing keys cannot be told apart: most likely one was given twice.
    #[error("two sealing keys are the same")]
    SealingKeyRepeated,
    /// An allowed origin is not exactly `scheme://host` or `scheme://host:port`.
    #[error(
        "an allowed origin must be scheme://host or scheme://host:port, without path or wildcard: {origin:?}"
    )]
    Origin {
        /// The origin as it was configured.
        origin: String,
    },
}

/// Why a bearer token is refused.
///
/// The texts tell apart what an operator must, and nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BearerTokenError {
    /// The token is longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES), or a part of it than is allowed.
    #[error("the token is too long")]
    TooLong,
    /// The token is no signed JSON Web Token, or its claims are not what their names ask for.
    #[error("the token is malformed")]
    Malformed,
    /// The token has more claims than are accepted.
    #[error("the token has too many claims")]
    TooManyClaims,
    /// The token names an algorithm that is unknown, not allowed, or not that of its key. `none` is one such.
    #[error("the token's signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// The token demands an extension (`crit`) that is not understood here.
    #[error("the token demands an extension that is not supported")]
    UnsupportedExtension,
    /// The token names a key that is not configured.
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// The signature is not that of a configured key.
    #[error("the token's signature does not hold")]
    BadSignature,
    /// The token is not from a configured issuer.
    #[error("the token's issuer is not accepted")]
    WrongIssuer,
    /// The token is not for a configured audience.
    #[error("the token's audience is not accepted")]
    WrongAudience,
    /// The token does not say when it lapses.
    #[error("the token has no expiry")]
    NoExpiry,
    /// The token has lapsed.
    #[error("the token has expired")]
    Expired,
    /// The token is for later.
    #[error("the token is not valid yet")]
    NotYetValid,
}

impl BearerTokenError {
    /// Returns a short constant name for metrics and log fields.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::TooManyClaims => "too_many_claims",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::UnsupportedExtension => "unsupported_extension",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
        }
    }
}

/// Why a connection token does not open. To a client all of these are the same: no such connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionTokenError {
    /// The text is longer than any token that is sealed here.
    #[error("the connection token is too long")]
    TooLong,
    /// The text is not base64url, or too short, or holds what this version does not write.
    #[error("the connection token is malformed")]
    Malformed,
    /// The token was sealed by a version that is not known here.
    #[error("the connection token has an unknown version")]
    UnknownVersion,
    /// The token was sealed with a key that is not in the ring.
    #[error("the connection token was sealed with an unknown key")]
    UnknownKey,
    /// The token was altered or made up.
    #[error("the connection token does not open")]
    Forged,
}

/// Why a development token is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DevelopmentTokenError {
    /// A claim was asked for that the issuer writes itself.
    #[error("the claim {name:?} is set by the issuer and cannot be given")]
    ReservedClaim {
        /// The claim's name.
        name: String,
    },
    /// The token would be refused, being longer than any token may be or having too many claims.
    #[error("the token would be too long")]
    TooLong,
    /// The lifetime ends beyond the year 9999.
    #[error("the lifetime is too long")]
    LifetimeTooLong,
    /// The signature could not be made.
    #[error("the token could not be signed")]
    SigningFailed,
}
