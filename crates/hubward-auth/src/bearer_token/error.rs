//! Why a bearer token is refused, for the operator's log, and why a development token is not made, for whoever
//! requested it. Neither carries a part of a token.

macro_rules! bearer_token_errors {
    ($($(#[$doc:meta])* $name:ident, $label:literal, $message:literal;)*) => {
        /// Why a bearer token is refused.
        ///
        /// It is for the operator: write its [`label`](Self::label) or its message to the log. A client
        /// learns only that it is not authenticated, since the reason would help somebody who forges tokens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum BearerTokenError {
            $($(#[$doc])* #[error($message)] $name,)*
        }

        impl BearerTokenError {
            /// All reasons, so that a counter for each label can exist before the first refusal.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns a fixed name of the reason, for log fields and metric labels. It stays the same from
            /// release to release.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

bearer_token_errors! {
    /// The token is longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES), or its user id is longer than
    /// 1 KiB.
    TooLong, "too_long", "the token is too long";
    /// The string is not a signed JSON Web Token, or a claim does not have the type that its name requires.
    Malformed, "malformed", "the token is malformed";
    /// The token has more claims than are accepted.
    TooManyClaims, "too_many_claims", "the token has too many claims";
    /// The token names an algorithm that is unknown, not allowed, or not that of its key; `none`, for
    /// example.
    AlgorithmNotAllowed, "algorithm_not_allowed", "the token's signature algorithm is not allowed";
    /// The token requires an extension (`crit`) that is not supported.
    UnsupportedExtension, "unsupported_extension", "the token requires an extension that is not supported";
    /// The token names a key that is not configured.
    UnknownKey, "unknown_key", "the token names a key that is not known";
    /// The signature was not made with a configured key.
    BadSignature, "bad_signature", "the token's signature is not valid";
    /// The token is not from a configured issuer.
    WrongIssuer, "wrong_issuer", "the token's issuer is not accepted";
    /// The token is not for a configured audience.
    WrongAudience, "wrong_audience", "the token's audience is not accepted";
    /// The token does not say when it expires.
    NoExpiry, "no_expiry", "the token has no expiry";
    /// The token has expired.
    Expired, "expired", "the token has expired";
    /// The token is not valid before a time to come (`nbf`).
    NotYetValid, "not_yet_valid", "the token is not valid yet";
}

/// Why a development token is not made. It is for the caller, who can change the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DevelopmentTokenError {
    /// A claim was given that the issuer writes itself.
    #[error("the claim {name:?} is set by the issuer and cannot be given")]
    ReservedClaim {
        /// The claim's name.
        name: String,
    },
    /// The token would be refused, being longer than a token may be or having too many claims.
    #[error("the token would be too long")]
    TooLong,
    /// The lifetime ends beyond the year 9999.
    #[error("the lifetime is too long")]
    LifetimeTooLong,
    /// The signature could not be made.
    #[error("the token could not be signed")]
    SigningFailed,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_its_own_fixed_label() {
        let labels: Vec<_> = BearerTokenError::ALL.iter().map(|error| error.label()).collect();
        assert_eq!(
            labels,
            [
                "too_long",
                "malformed",
                "too_many_claims",
                "algorithm_not_allowed",
                "unsupported_extension",
                "unknown_key",
                "bad_signature",
                "wrong_issuer",
                "wrong_audience",
                "no_expiry",
                "expired",
                "not_yet_valid",
            ]
        );
        assert_eq!(labels.iter().collect::<HashSet<_>>().len(), labels.len());
    }

    #[test]
    fn a_reason_has_no_room_for_a_part_of_a_token() {
        assert_eq!(size_of::<BearerTokenError>(), 1);
    }
}
