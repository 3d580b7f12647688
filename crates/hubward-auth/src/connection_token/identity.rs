//! Who negotiated a connection, as a value that fits into a connection token. Two identities are equal where
//! two principals are one person with two tokens; an identity does not reveal who that is.

use std::fmt;

use aws_lc_rs::digest::Context;
use hubward_types::Principal;

use super::sha256::{first_bytes, sha256};

/// The claims that name a person, best first, each with its other names. A value identifies a person only
/// together with its issuer.
const NAMING_CLAIMS: [&[&str]; 3] = [
    &["sub"],
    &["nameid", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"],
    &["upn", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"],
];

/// The claims that differ between two tokens of one bearer.
const PER_TOKEN_CLAIMS: [&str; 4] = ["iat", "nbf", "exp", "jti"];

/// A fingerprint of who a principal is, equal for every token of the same bearer.
///
/// It is made of the issuer and the first claim present of `sub`, `nameid` and `upn`; without these claims,
/// of the issuer and the user id; without a user id, of all claims but the times and the token's id. All
/// anonymous principals have the same identity.
///
/// ```
/// use hubward_auth::Identity;
/// use hubward_types::Principal;
///
/// let before = Principal::builder().claim("sub", "alice").claim("exp", "100").build();
/// let refreshed = Principal::builder().claim("sub", "alice").claim("exp", "200").build();
/// assert_eq!(Identity::of(&before), Identity::of(&refreshed));
/// assert_ne!(Identity::of(&before), Identity::of(&Principal::anonymous()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// Takes the fingerprint of a principal.
    pub fn of(principal: &Principal) -> Self {
        if !principal.is_authenticated() {
            return Fingerprint::of("anonymous").finish();
        }
        let issuer = principal.claim("iss").unwrap_or_default();
        let naming = NAMING_CLAIMS.iter().find_map(|names| {
            let value =
                names.iter().find_map(|name| principal.claim(name).filter(|value| !value.is_empty()))?;
            Some((*names.first()?, value))
        });
        let naming = naming.or_else(|| Some(("user", principal.user_id()?.as_str())));
        match naming {
            Some((name, value)) => {
                Fingerprint::of("named").string(name).string(value).string(issuer).finish()
            }
            None => Self::of_all_claims(principal),
        }
    }

    /// Returns the bytes, to be stored or compared elsewhere.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    fn of_all_claims(principal: &Principal) -> Self {
        let mut all: Vec<(&str, &str)> =
            principal.all_claims().filter(|(name, _)| !PER_TOKEN_CLAIMS.contains(name)).collect();
        all.sort_unstable();
        let mut roles: Vec<&str> = principal.roles().collect();
        roles.sort_unstable();

        let mut fingerprint = Fingerprint::of("claims");
        for (name, value) in all {
            fingerprint = fingerprint.string("claim").string(name).string(value);
        }
        for role in roles {
            fingerprint = fingerprint.string("role").string(role);
        }
        fingerprint.finish()
    }
}

impl fmt::Debug for Identity {
    /// Shows nothing: whoever guesses a name could confirm it by its fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(redacted)")
    }
}

/// SHA-256 over strings, each with its length before it, so that no two lists of strings give the same bytes.
struct Fingerprint(Context);

impl Fingerprint {
    fn of(kind: &str) -> Self {
        Self(sha256()).string(kind)
    }

    fn string(mut self, string: &str) -> Self {
        self.0.update(&(string.len() as u64).to_be_bytes());
        self.0.update(string.as_bytes());
        self
    }

    fn finish(self) -> Identity {
        Identity(first_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(claims: &[(&str, &str)]) -> Principal {
        claims.iter().fold(Principal::builder(), |p, (name, value)| p.claim(*name, *value)).build()
    }

    fn same(one: &[(&str, &str)], other: &[(&str, &str)]) {
        assert!(Identity::of(&who(one)) == Identity::of(&who(other)), "{one:?} {other:?}");
    }

    fn differ(one: &[(&str, &str)], other: &[(&str, &str)]) {
        assert!(Identity::of(&who(one)) != Identity::of(&who(other)), "{one:?} {other:?}");
    }

    const NAMEID: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier";

    #[test]
    fn a_named_bearer_is_the_same_whatever_else_the_token_says() {
        same(&[("sub", "a"), ("role", "x")], &[("exp", "9"), ("sub", "a")]);
        same(&[("nameid", "a"), ("x", "1")], &[(NAMEID, "a")]);
        same(&[("upn", "a@x"), ("iss", "i")], &[("iss", "i"), ("upn", "a@x"), ("jti", "7")]);
        same(&[("sub", "a"), ("nameid", "b")], &[("nameid", "c"), ("sub", "a")]);
        same(&[("sub", ""), ("nameid", "b")], &[("nameid", "b")]);
    }

    #[test]
    fn another_name_claim_or_issuer_is_another_bearer() {
        differ(&[("sub", "a")], &[("sub", "b")]);
        differ(&[("sub", "a")], &[("sub", "A")]);
        differ(&[("sub", "a")], &[("nameid", "a")]);
        differ(&[("nameid", "a")], &[("upn", "a")]);
        differ(&[("sub", "a"), ("iss", "i")], &[("sub", "a"), ("iss", "j")]);
        differ(&[("sub", "a"), ("iss", "i")], &[("sub", "a")]);
        differ(&[("sub", "ab"), ("iss", "c")], &[("sub", "a"), ("iss", "bc")]);
    }

    #[test]
    fn a_bearer_without_a_name_is_the_same_by_all_other_claims() {
        same(&[("a", "1"), ("b", "2"), ("exp", "1")], &[("b", "2"), ("a", "1"), ("jti", "z"), ("iat", "3")]);
        differ(&[("a", "1")], &[("a", "2")]);
        differ(&[("a", "1")], &[("a", "1"), ("a", "1")]);
        differ(&[("ab", "1")], &[("a", "b1")]);
    }

    #[test]
    fn users_and_roles_without_claims_are_distinguished() {
        let [alice, bob] =
            ["alice", "bob"].map(|user| Identity::of(&Principal::builder().user_id(user).build()));
        assert_ne!(alice, bob);
        let [nurse, doctor] =
            ["nurse", "doctor"].map(|role| Identity::of(&Principal::builder().role(role).build()));
        assert_ne!(nurse, doctor);
    }

    #[test]
    fn all_anonymous_principals_are_the_same() {
        let nobody = Identity::of(&Principal::anonymous());
        assert_eq!(nobody, Identity::of(&Principal::anonymous()));
        assert_ne!(nobody, Identity::of(&Principal::builder().build()));
    }

    #[test]
    fn the_fingerprint_stays_what_it_was() {
        // Nodes of two versions serve one cluster while it is upgraded: a change here refuses their
        // connections.
        let alice = who(&[("sub", "alice"), ("iss", "https://issuer.example")]);
        let hex: String = Identity::of(&alice).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "6993d83ee437b02596dda70af21e4c89");
        assert_eq!(format!("{:?}", Identity::of(&alice)), "Identity(redacted)");
    }
}
