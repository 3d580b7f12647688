//! Strings that give access. They can be compared and passed on, but not printed or serialized, so that none can reach
//! a log, a trace, a metric or an error by accident.

use std::fmt;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps a secret.
            pub fn new(secret: impl Into<Box<str>>) -> Self {
                Self(secret.into())
            }

            /// Returns the secret itself. Only for checking it, and for sending it.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

secret! {
    /// A bearer token as a client sent it: a JWT that is not checked yet.
    AccessToken
}

secret! {
    /// The token that a client presents as `?id=` to reach its connection.
    ConnectionToken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let token = AccessToken::new("eyJhbGciOi");
        assert_eq!(format!("{token:?}"), "AccessToken(redacted)");
        assert_eq!(token.expose(), "eyJhbGciOi");
    }
}
