//! Which tokens are accepted, one rule at a time. The configuration is that of the conformance server.

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use hubward_types::AccessToken;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bearer_token::authenticator::Authenticator;
use crate::bearer_token::testing::{encoded, hmac, public_pem, token};
use crate::error::AuthConfigError;

const SECRET: &str = "conformance-signing-key-of-32-bytes-or-more";
const NOW_SECONDS: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_SECONDS)
}

fn config() -> JwtConfig {
    JwtConfig {
        issuers: vec!["https://issuer.example".into()],
        audiences: vec!["hubs".into()],
        ..JwtConfig::new([JwtKey::hmac(SECRET).unwrap()])
    }
}

/// The claims of a good token, with some changed and, where the new value is null, left out.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://issuer.example", "aud": "hubs", "sub": "alice",
        "iat": NOW_SECONDS, "nbf": NOW_SECONDS - 5, "exp": NOW_SECONDS + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn hs256(header: &Value, claims: &Value) -> AccessToken {
    token(header, claims, |message| hmac(HMAC_SHA256, SECRET, message))
}

fn authenticate(config: JwtConfig, token: &AccessToken) -> Result<Principal, BearerTokenError> {
    Authenticator::jwt(config).unwrap().authenticate(Some(token), now())
}

fn check_claims(config: &JwtConfig, changes: Value, expected: Option<BearerTokenError>) {
    let token = hs256(&json!({ "alg": "HS256", "typ": "JWT" }), &claims(changes.clone()));
    assert_eq!(authenticate(config.clone(), &token).err(), expected, "{changes}");
}

fn check_header(config: &JwtConfig, header: Value, expected: Option<BearerTokenError>) {
    assert_eq!(authenticate(config.clone(), &hs256(&header, &claims(json!({})))).err(), expected, "{header}");
}

fn check_token(token: &str, expected: BearerTokenError) {
    assert_eq!(authenticate(config(), &AccessToken::new(token)).err(), Some(expected), "{token:.80}");
}

#[test]
fn a_good_token_names_its_bearer() {
    let says =
        claims(json!({ "role": "nurse", "roles": ["doctor", "lead"], "department": "ICU", "level": 3 }));
    let alice = authenticate(config(), &hs256(&json!({ "alg": "HS256" }), &says)).unwrap();
    assert_eq!(alice.user_id().unwrap().as_str(), "alice");
    assert_eq!(alice.roles().collect::<Vec<_>>(), ["nurse", "doctor", "lead"]);
    assert_eq!(alice.claim("department"), Some("ICU"));
    assert_eq!(alice.claim("level"), Some("3"));
    assert_eq!(alice.expires_at(), Some(now() + Duration::from_secs(600)));
}

#[test]
fn the_claims_for_user_and_roles_are_configurable() {
    let config = JwtConfig { user_claim: "email".into(), role_claims: vec!["groups".into()], ..config() };
    let says = claims(json!({ "email": "a@x", "groups": ["g"], "role": "nurse" }));
    let alice = authenticate(config.clone(), &hs256(&json!({ "alg": "HS256" }), &says)).unwrap();
    assert_eq!(alice.user_id().unwrap().as_str(), "a@x");
    assert_eq!(alice.roles().collect::<Vec<_>>(), ["g"]);

    let nameless =
        authenticate(config, &hs256(&json!({ "alg": "HS256" }), &claims(json!({ "email": "" })))).unwrap();
    assert!(nameless.is_authenticated());
    assert_eq!(nameless.user_id(), None);
}

#[test]
fn without_a_token_everyone_is_anonymous_and_without_a_configuration_too() {
    let good = hs256(&json!({ "alg": "HS256" }), &claims(json!({})));
    let jwt = Authenticator::jwt(config()).unwrap();
    assert!(!jwt.authenticate(None, now()).unwrap().is_authenticated());
    assert!(jwt.authenticate(Some(&good), now()).unwrap().is_authenticated());
    assert!(!Authenticator::none().authenticate(Some(&good), now()).unwrap().is_authenticated());
    assert!(
        !Authenticator::none().authenticate(Some(&AccessToken::new("x")), now()).unwrap().is_authenticated()
    );
}

#[test]
fn issuer_and_audience_are_checked() {
    let c = config();
    check_claims(&c, json!({ "iss": "https://evil.example" }), Some(BearerTokenError::WrongIssuer));
    check_claims(&c, json!({ "iss": "https://issuer.example/" }), Some(BearerTokenError::WrongIssuer));
    check_claims(&c, json!({ "iss": ["https://issuer.example"] }), Some(BearerTokenError::WrongIssuer));
    check_claims(&c, json!({ "iss": null }), Some(BearerTokenError::WrongIssuer));
    check_claims(&c, json!({ "aud": "shop" }), Some(BearerTokenError::WrongAudience));
    check_claims(&c, json!({ "aud": ["shop", 7] }), Some(BearerTokenError::WrongAudience));
    check_claims(&c, json!({ "aud": [] }), Some(BearerTokenError::WrongAudience));
    check_claims(&c, json!({ "aud": { "hubs": true } }), Some(BearerTokenError::WrongAudience));
    check_claims(&c, json!({ "aud": null }), Some(BearerTokenError::WrongAudience));
    check_claims(&c, json!({ "aud": ["shop", "hubs"] }), None);

    let open = JwtConfig {
        issuers: Vec::new(),
        audiences: Vec::new(),
        allow_any_issuer: true,
        allow_any_audience: true,
        ..config()
    };
    check_claims(&open, json!({ "iss": "anyone", "aud": null }), None);
}

#[test]
fn a_token_is_valid_from_nbf_to_exp() {
    let c = config();
    check_claims(&c, json!({ "exp": NOW_SECONDS + 1 }), None);
    check_claims(&c, json!({ "exp": NOW_SECONDS }), Some(BearerTokenError::Expired));
    check_claims(&c, json!({ "exp": NOW_SECONDS - 30 }), Some(BearerTokenError::Expired));
    check_claims(&c, json!({ "exp": 0 }), Some(BearerTokenError::Expired));
    check_claims(&c, json!({ "exp": -1 }), Some(BearerTokenError::Expired));
    check_claims(&c, json!({ "exp": null }), Some(BearerTokenError::NoExpiry));
    check_claims(&c, json!({ "exp": "1900000000" }), Some(BearerTokenError::Malformed));
    check_claims(&c, json!({ "exp": NOW_SECONDS * 1000 }), Some(BearerTokenError::Malformed));
    check_claims(&c, json!({ "nbf": NOW_SECONDS }), None);
    check_claims(&c, json!({ "nbf": NOW_SECONDS + 1 }), Some(BearerTokenError::NotYetValid));
    check_claims(&c, json!({ "nbf": "soon" }), Some(BearerTokenError::Malformed));
    check_claims(&c, json!({ "nbf": null, "iat": null }), None);
}

#[test]
fn leeway_widens_both_ends_and_moves_the_expiry() {
    let c = JwtConfig { leeway: Duration::from_secs(30), ..config() };
    check_claims(&c, json!({ "exp": NOW_SECONDS - 29 }), None);
    check_claims(&c, json!({ "exp": NOW_SECONDS - 30 }), Some(BearerTokenError::Expired));
    check_claims(&c, json!({ "nbf": NOW_SECONDS + 30 }), None);
    check_claims(&c, json!({ "nbf": NOW_SECONDS + 31 }), Some(BearerTokenError::NotYetValid));
    let alice = authenticate(c, &hs256(&json!({ "alg": "HS256" }), &claims(json!({})))).unwrap();
    assert_eq!(alice.expires_at(), Some(now() + Duration::from_secs(630)));
}

#[test]
fn a_token_without_expiry_is_accepted_only_where_that_is_configured() {
    let c = JwtConfig { require_expiry: false, ..config() };
    check_claims(&c, json!({ "exp": NOW_SECONDS }), Some(BearerTokenError::Expired));
    let alice = authenticate(c, &hs256(&json!({ "alg": "HS256" }), &claims(json!({ "exp": null })))).unwrap();
    assert_eq!(alice.expires_at(), None);
}

#[test]
fn only_allowed_algorithms_are_accepted() {
    let c = config();
    for name in ["none", "None", "NONE", "", "hs256", "HS512", "RS256", "EdDSA", "RSA-OAEP"] {
        check_header(&c, json!({ "alg": name }), Some(BearerTokenError::AlgorithmNotAllowed));
    }
    let body = claims(json!({}));
    let unsigned = token(&json!({ "alg": "none", "typ": "JWT" }), &body, |_| Vec::new());
    assert_eq!(authenticate(config(), &unsigned).err(), Some(BearerTokenError::AlgorithmNotAllowed));

    let key = JwtKey::hmac([7; 64]).unwrap();
    let long = JwtConfig { keys: vec![key], algorithms: vec![Algorithm::HS512], ..config() };
    let secret = "\x07".repeat(64);
    let kinds = [
        ("HS256", HMAC_SHA256, Some(BearerTokenError::AlgorithmNotAllowed)),
        ("HS384", HMAC_SHA384, Some(BearerTokenError::AlgorithmNotAllowed)),
        ("HS512", HMAC_SHA512, None),
    ];
    for (name, kind, expected) in kinds {
        let token = token(&json!({ "alg": name }), &body, |message| hmac(kind, &secret, message));
        assert_eq!(authenticate(long.clone(), &token).err(), expected, "{name}");
    }
}

#[test]
fn a_public_key_is_not_used_as_an_hmac_secret() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let public_key = public_pem(pair.public_key());
    let keys = vec![JwtKey::ed_pem(&public_key).unwrap(), JwtKey::hmac(SECRET).unwrap()];
    let both = JwtConfig { keys, ..config() };
    let body = claims(json!({}));

    let forged = token(&json!({ "alg": "HS256" }), &body, |message| hmac(HMAC_SHA256, &public_key, message));
    assert_eq!(authenticate(both.clone(), &forged).err(), Some(BearerTokenError::BadSignature));
    let good = token(&json!({ "alg": "EdDSA" }), &body, |message| pair.sign(message).as_ref().to_vec());
    assert_eq!(authenticate(both, &good).err(), None);
}

#[test]
fn a_token_is_checked_with_the_key_it_names() {
    let other = || JwtKey::hmac("another-key-another-key-another-key-00").unwrap();
    let ours = || JwtKey::hmac(SECRET).unwrap();
    let rsa_only = || JwtKey::ed_pem(public_pem(Ed25519KeyPair::generate().unwrap().public_key())).unwrap();
    let named = json!({ "alg": "HS256", "kid": "a" });
    let unnamed = json!({ "alg": "HS256" });
    let check = |keys: Vec<JwtKey>, header: &Value, expected| {
        let algorithms = vec![Algorithm::HS256];
        check_header(&JwtConfig { keys, algorithms, ..config() }, header.clone(), expected);
    };
    check(vec![other().with_id("b"), ours().with_id("a")], &named, None);
    check(vec![other().with_id("a"), ours().with_id("b")], &named, Some(BearerTokenError::BadSignature));
    check(vec![other().with_id("a"), ours().with_id("a")], &named, None);
    check(vec![ours().with_id("b")], &named, Some(BearerTokenError::UnknownKey));
    check(vec![other().with_id("b"), ours()], &named, None);
    check(vec![other().with_id("a"), ours()], &named, Some(BearerTokenError::BadSignature));
    check(vec![rsa_only().with_id("a"), ours()], &named, Some(BearerTokenError::AlgorithmNotAllowed));
    check(vec![other().with_id("a"), ours().with_id("b")], &unnamed, None);
    check(vec![other()], &unnamed, Some(BearerTokenError::BadSignature));
}

#[test]
fn a_header_cannot_bring_a_key_or_require_an_extension() {
    let c = config();
    check_header(
        &c,
        json!({ "alg": "HS256", "crit": ["b64"], "b64": false }),
        Some(BearerTokenError::UnsupportedExtension),
    );
    check_header(&c, json!({ "alg": "HS256", "crit": [] }), Some(BearerTokenError::UnsupportedExtension));
    check_header(&c, json!({ "typ": "JWT" }), Some(BearerTokenError::Malformed));
    check_header(&c, json!({ "alg": "HS256", "kid": 7 }), Some(BearerTokenError::Malformed));
    let k = encoded("an attacker's key, of 32 bytes or more");
    let header = json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": k }, "jku": "https://evil.example" });
    let forged = token(&header, &claims(json!({})), |message| {
        hmac(HMAC_SHA256, "an attacker's key, of 32 bytes or more", message)
    });
    assert_eq!(authenticate(config(), &forged).err(), Some(BearerTokenError::BadSignature));
}

#[test]
fn what_is_not_a_token_is_malformed_or_too_long() {
    let good = hs256(&json!({ "alg": "HS256" }), &claims(json!({})));
    let good = good.expose();
    let (message, signature) = good.rsplit_once('.').unwrap();
    for token in ["", ".", "..", "...", "nonsense", "a.b", "a.b.c", "é.é.é"] {
        check_token(token, BearerTokenError::Malformed);
    }
    for token in [message.to_owned(), format!("{good}="), format!(" {good}"), format!("{good}.")] {
        check_token(&token, BearerTokenError::Malformed);
    }
    check_token(&format!("{message}."), BearerTokenError::BadSignature);
    check_token(&format!("{good}.{signature}"), BearerTokenError::Malformed);
    check_token(&format!("{message}.{}", encoded("x".repeat(32))), BearerTokenError::BadSignature);
    check_token(&"a".repeat(MAX_TOKEN_BYTES + 1), BearerTokenError::TooLong);
    check_token(&"a".repeat(MAX_TOKEN_BYTES), BearerTokenError::Malformed);
    check_token(
        &format!("{}.e30.", encoded(format!("{{\"alg\":{}", "[".repeat(9000)))),
        BearerTokenError::Malformed,
    );
}

#[test]
fn a_signed_token_has_bounds_as_well() {
    let many: Value = (0..300).map(|i| (format!("c{i}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    check_claims(&config(), many, Some(BearerTokenError::TooManyClaims));
    check_claims(&config(), json!({ "role": vec!["r"; 300] }), Some(BearerTokenError::TooManyClaims));
    check_claims(&config(), json!({ "sub": "x".repeat(MAX_USER_ID_BYTES) }), None);
    check_claims(
        &config(),
        json!({ "sub": "x".repeat(MAX_USER_ID_BYTES + 1) }),
        Some(BearerTokenError::TooLong),
    );
    check_claims(&config(), json!({ "x": "x".repeat(MAX_TOKEN_BYTES) }), Some(BearerTokenError::TooLong));

    let message = format!("{}.{}", encoded(r#"{"alg":"HS256"}"#), encoded(r#"{"exp":1,"exp":9999999999}"#));
    let signature = encoded(hmac(HMAC_SHA256, SECRET, message.as_bytes()));
    check_token(&format!("{message}.{signature}"), BearerTokenError::Malformed);
}

#[test]
fn a_configuration_that_accepts_nothing_or_everything_is_refused() {
    let key = || JwtKey::hmac(SECRET).unwrap();
    let refused = |config: JwtConfig| Authenticator::jwt(config).err().unwrap();
    assert_eq!(refused(JwtConfig::default()), AuthConfigError::NoKeys);
    assert_eq!(refused(JwtConfig::new([key()])), AuthConfigError::NoIssuer);
    assert_eq!(refused(JwtConfig { issuers: Vec::new(), ..config() }), AuthConfigError::NoIssuer);
    assert_eq!(refused(JwtConfig { audiences: Vec::new(), ..config() }), AuthConfigError::NoAudience);
    let without_key = JwtConfig { algorithms: vec![Algorithm::HS256, Algorithm::RS256], ..config() };
    assert_eq!(refused(without_key), AuthConfigError::AlgorithmWithoutKey { algorithm: "RS256" });
    let long = JwtConfig { leeway: Duration::from_secs(601), ..config() };
    assert_eq!(refused(long), AuthConfigError::LeewayTooLong { seconds: 601, limit: 600 });
    let many = JwtConfig { keys: vec![key(); 65], ..config() };
    assert_eq!(refused(many), AuthConfigError::TooManyKeys { count: 65, limit: 64 });
    assert!(Authenticator::jwt(JwtConfig { keys: vec![key(); 64], ..config() }).is_ok());
}

#[test]
fn no_part_of_a_token_or_key_is_printed() {
    let authenticator = Authenticator::jwt(config()).unwrap();
    assert_eq!(format!("{authenticator:?}"), "Authenticator(jwt)");
    assert!(!format!("{:?}", config()).contains("conformance"));

    let secret = json!("do-not-print-me");
    let header = json!({ "alg": "HS256" });
    let other = hs256(&header, &claims(json!({ "sub": secret })));
    let (message, _) = other.expose().rsplit_once('.').unwrap();
    let tokens = [
        AccessToken::new("do-not-print-me.do-not-print-me.do-not-print-me"),
        AccessToken::new("do-not-print-me".repeat(MAX_TOKEN_BYTES)),
        AccessToken::new(format!("{message}.{}", encoded("do-not-print-me"))),
        hs256(&json!({ "alg": secret }), &claims(json!({}))),
        hs256(&json!({ "alg": "HS256", "kid": 7, "x": secret }), &claims(json!({}))),
        hs256(&json!({ "alg": "HS256", "crit": secret }), &claims(json!({}))),
        hs256(&header, &claims(json!({ "iss": secret }))),
        hs256(&header, &claims(json!({ "aud": secret }))),
        hs256(&header, &claims(json!({ "exp": secret }))),
        hs256(&header, &claims(json!({ "sub": "do-not-print-me".repeat(100) }))),
        hs256(&header, &claims(json!({ "role": vec![&secret; 300] }))),
    ];
    for token in tokens {
        let error = authenticator.authenticate(Some(&token), now()).unwrap_err();
        let printed = format!("{error} {error:?} {} {token:?}", error.label());
        for part in ["do-not", token.expose(), message] {
            assert!(!printed.contains(part), "{printed}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_is_refused_and_nothing_panics(
        token in "\\PC*", header in "\\PC*", claims in "\\PC*",
    ) {
        let authenticator = Authenticator::jwt(config()).unwrap();
        let authenticate = |token: String| authenticator.authenticate(Some(&AccessToken::new(token)), now());
        prop_assert!(authenticate(token).is_err());
        let unsigned = authenticate(format!("{}.{}.{}", encoded(&header), encoded(&claims), encoded("x")));
        prop_assert!(unsigned.is_err());
        let message = format!("{}.{}", encoded(r#"{"alg":"HS256"}"#), encoded(&claims));
        let signature = encoded(hmac(HMAC_SHA256, SECRET, message.as_bytes()));
        let signed = authenticate(format!("{message}.{signature}"));
        prop_assert!(signed.is_err());
    }

    #[test]
    fn no_flipped_bit_of_a_token_is_accepted(position in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let good = hs256(&json!({ "alg": "HS256" }), &claims(json!({})));
        let mut bytes = good.expose().as_bytes().to_vec();
        *position.get_mut(&mut bytes) ^= 1_u8 << bit;
        let flipped = AccessToken::new(String::from_utf8(bytes).unwrap());
        prop_assert!(authenticate(config(), &flipped).is_err());
    }
}
