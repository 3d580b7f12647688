//! The signature algorithms that a bearer token may name. `none` is not among them, so that it cannot be
//! allowed by mistake; nor is ES512, which the verifier does not have.

use std::fmt;
use std::str::FromStr;

use crate::error::AuthConfigError;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A signature algorithm of JSON Web Tokens (RFC 7518, section 3.1; RFC 8037).
        ///
        /// ```
        /// use hubward_auth::Algorithm;
        ///
        /// assert_eq!("ES256".parse(), Ok(Algorithm::ES256));
        /// assert!("none".parse::<Algorithm>().is_err());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Algorithm {
            $($(#[$doc])* $name,)*
        }

        impl Algorithm {
            /// All algorithms.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the name as tokens write it, such as `HS256`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            pub(crate) const fn verifier(self) -> jsonwebtoken::Algorithm {
                match self {
                    $(Self::$name => jsonwebtoken::Algorithm::$name,)*
                }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl FromStr for Algorithm {
    type Err = AuthConfigError;

    /// Reads the exact name: case matters (RFC 7515, section 4.1.1).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|algorithm| algorithm.as_str() == name);
        found.copied().ok_or(AuthConfigError::UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_read_back_from_its_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
        }
    }

    #[test]
    fn no_other_name_is_an_algorithm() {
        for name in ["none", "None", "", "hs256", "HS256 ", "ES512", "ES256K", "RSA-OAEP"] {
            assert_eq!(name.parse::<Algorithm>(), Err(AuthConfigError::UnknownAlgorithm), "{name}");
        }
    }
}
