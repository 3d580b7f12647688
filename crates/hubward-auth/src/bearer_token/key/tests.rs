//! Which keys are accepted, and that a key of each kind verifies what was signed with it and nothing else.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding,
};

use super::*;
use crate::bearer_token::testing::{pem, public_pem};
use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};

const MESSAGE: &[u8] = b"header.payload";

/// Checks that a key verifies the signature with this algorithm and with no other.
fn verifies_only(key: &JwtKey, algorithm: Algorithm, signature: Vec<u8>) {
    for other in Algorithm::ALL {
        let is_valid = key.verifies(*other, MESSAGE, &signature);
        assert_eq!(is_valid, *other == algorithm, "a signature of {algorithm} taken as {other}");
    }
    assert!(!key.verifies(algorithm, b"header.payloae", &signature));
    let mut flipped = signature.clone();
    flipped[0] ^= 1;
    assert!(!key.verifies(algorithm, MESSAGE, &flipped));
    assert!(!key.verifies(algorithm, MESSAGE, &Vec::new()));
    assert!(!key.verifies(algorithm, MESSAGE, &signature[..signature.len() - 1].to_vec()));
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(algorithm).unwrap()
}

#[test]
fn a_secret_is_used_with_the_algorithms_it_is_long_enough_for() {
    let usable = |length: usize| JwtKey::hmac(vec![7; length]).map(|key| key.algorithms().to_vec());
    for length in [0, 1, 31] {
        assert_eq!(usable(length), Err(AuthConfigError::SecretTooShort { bytes: length, minimum: 32 }));
    }
    assert_eq!(usable(32), Ok(vec![HS256]));
    assert_eq!(usable(47), Ok(vec![HS256]));
    assert_eq!(usable(48), Ok(vec![HS256, HS384]));
    assert_eq!(usable(64), Ok(vec![HS256, HS384, HS512]));
}

#[test]
fn hmac_signatures_verify() {
    let secret = [9; 64];
    let key = JwtKey::hmac(secret).unwrap();
    let kinds = [(HS256, hmac::HMAC_SHA256), (HS384, hmac::HMAC_SHA384), (HS512, hmac::HMAC_SHA512)];
    for (algorithm, kind) in kinds {
        let signature = hmac::sign(&hmac::Key::new(kind, &secret), MESSAGE);
        verifies_only(&key, algorithm, signature.as_ref().to_vec());
    }
}

#[test]
fn rsa_signatures_verify_with_either_form_of_the_public_key() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let kinds: [(Algorithm, &'static dyn RsaEncoding); 6] = [
        (RS256, &RSA_PKCS1_SHA256),
        (RS384, &RSA_PKCS1_SHA384),
        (RS512, &RSA_PKCS1_SHA512),
        (PS256, &RSA_PSS_SHA256),
        (PS384, &RSA_PSS_SHA384),
        (PS512, &RSA_PSS_SHA512),
    ];
    for key_pem in [public_pem(pair.public_key()), pem("RSA PUBLIC KEY", pair.public_key())] {
        let key = JwtKey::rsa_pem(key_pem).unwrap();
        assert_eq!(key.algorithms(), [RS256, RS384, RS512, PS256, PS384, PS512]);
        for (algorithm, encoding) in kinds {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
            verifies_only(&key, algorithm, signature);
        }
    }
}

#[test]
fn ecdsa_signatures_verify_on_the_curve_of_the_key() {
    for (algorithm, kind) in
        [(ES256, &ECDSA_P256_SHA256_FIXED_SIGNING), (ES384, &ECDSA_P384_SHA384_FIXED_SIGNING)]
    {
        let pair = ec(kind);
        let key = JwtKey::ec_pem(public_pem(pair.public_key())).unwrap();
        assert_eq!(key.algorithms(), [algorithm]);
        let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
        verifies_only(&key, algorithm, signature.as_ref().to_vec());
    }
}

#[test]
fn ed25519_signatures_verify() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let key = JwtKey::ed_pem(public_pem(pair.public_key())).unwrap();
    assert_eq!(key.algorithms(), [EdDSA]);
    verifies_only(&key, EdDSA, pair.sign(MESSAGE).as_ref().to_vec());
}

#[test]
fn only_rsa_keys_of_2048_to_8192_bits_are_accepted() {
    for (bits, refused) in [(1024, true), (2040, true), (2048, false), (8192, false), (8200, true)] {
        let error = JwtKey::rsa_pem(pem("RSA PUBLIC KEY", rsa_public_der(bits))).err();
        assert_eq!(error, refused.then_some(AuthConfigError::RsaKeySize { bits }), "{bits} bits");
    }
}

#[test]
fn what_is_not_a_public_key_of_the_kind_is_refused() {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let p256 = ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let rsa_private: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let ec_private = p256.to_pkcs8v1().unwrap();
    let whole: PublicKeyX509Der<'_> = p256.public_key().as_der().unwrap();
    let others = [
        String::new(),
        "a secret that has at least 32 bytes".to_owned(),
        pem("PUBLIC KEY", b""),
        pem("PUBLIC KEY", b"\x30\x03\x02\x01\x07"),
        pem("PUBLIC KEY", &whole.as_ref()[..whole.as_ref().len() - 1]),
        pem("GARBAGE", whole.as_ref()),
        pem("PRIVATE KEY", rsa_private.as_ref()),
        pem("PRIVATE KEY", ec_private.as_ref()),
        // Curves that RFC 7518 gives other names, and the one that the verifier lacks.
        public_pem(ec(&ECDSA_P256K1_SHA256_FIXED_SIGNING).public_key()),
        public_pem(ec(&ECDSA_P521_SHA512_FIXED_SIGNING).public_key()),
    ];
    let (rsa, ec, ed) =
        (public_pem(rsa.public_key()), public_pem(p256.public_key()), public_pem(ed.public_key()));
    let refused = |made: Result<JwtKey, AuthConfigError>, key_pem: &str| {
        assert!(matches!(made, Err(AuthConfigError::NotAPublicKey { .. })), "{made:?} of {key_pem}");
    };
    for key_pem in others.iter().chain([&ec, &ed]) {
        refused(JwtKey::rsa_pem(key_pem), key_pem);
    }
    for key_pem in others.iter().chain([&rsa, &ed]) {
        refused(JwtKey::ec_pem(key_pem), key_pem);
    }
    for key_pem in others.iter().chain([&rsa, &ec]) {
        refused(JwtKey::ed_pem(key_pem), key_pem);
    }
}

#[test]
fn a_key_is_never_printed() {
    let key = JwtKey::hmac("a secret that has at least 32 bytes").unwrap();
    assert_eq!(format!("{key:?}"), "JwtKey { id: None, algorithms: [HS256] }");
    assert_eq!(key.with_id("k1").id(), Some("k1"));
}

/// The DER of an RSA public key (RFC 8017, A.1.1) of an odd modulus of this length that nobody can sign for.
fn rsa_public_der(bits: u32) -> Vec<u8> {
    let mut modulus = vec![0xa5; bits as usize / 8];
    modulus.insert(0, 0);
    let mut content = der(0x02, &modulus);
    content.extend(der(0x02, &[1, 0, 1]));
    der(0x30, &content)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut whole = vec![tag];
    match content.len() {
        0..128 => whole.push(length[1]),
        128..256 => whole.extend([0x81, length[1]]),
        _ => whole.extend([0x82, length[0], length[1]]),
    }
    whole.extend_from_slice(content);
    whole
}
