//! A token opens with the ring that sealed it and holds what was put in; nothing else opens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::connection_token::identity::Identity;
use crate::random::random_id;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn claims() -> ConnectionTokenClaims {
    ConnectionTokenClaims {
        connection_id: random_id().into(),
        hub: "clinical".into(),
        owner: "hubward-7c9f6d5b8-x2x4k.1".into(),
        identity: Identity::from_bytes([7; 16]),
        stateful: true,
        issued_at: at(1_800_000_000),
        expires_at: at(1_800_000_015),
    }
}

fn key(byte: u8) -> SealingKey {
    let mut bytes = [byte; 32];
    bytes[0] = !byte;
    SealingKey::from_bytes(bytes).unwrap()
}

pub(super) fn ring(bytes: &[u8]) -> KeyRing {
    KeyRing::new(bytes.iter().map(|byte| key(*byte)).collect()).unwrap()
}

#[test]
fn a_token_opens_to_what_was_sealed() {
    let (ring, claims) = (KeyRing::random(), claims());
    let token = ring.seal(&claims);
    assert_eq!(ring.open(token.expose()), Ok(claims.clone()));
    assert!(token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert!(token.expose().len() < 200, "{} characters", token.expose().len());
    assert_ne!(ring.seal(&claims), token);
}

#[test]
fn times_are_kept_in_whole_seconds() {
    let ring = KeyRing::random();
    let before = UNIX_EPOCH - Duration::from_secs(5);
    let odd = ConnectionTokenClaims {
        issued_at: before,
        expires_at: at(9) + Duration::from_millis(999),
        ..claims()
    };
    let opened = ring.open(ring.seal(&odd).expose()).unwrap();
    assert_eq!((opened.issued_at, opened.expires_at), (UNIX_EPOCH, at(9)));
}

#[test]
fn no_flipped_bit_of_a_token_opens() {
    let ring = KeyRing::random();
    let token = ring.seal(&claims());
    let string = token.expose().as_bytes();
    for position in 0..string.len() {
        for bit in 0..8 {
            let mut flipped = string.to_vec();
            flipped[position] ^= 1 << bit;
            if let Ok(flipped) = std::str::from_utf8(&flipped) {
                assert!(ring.open(flipped).is_err(), "bit {bit} of character {position}");
            }
        }
    }
    let bytes = URL_SAFE_NO_PAD.decode(string).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0 => ConnectionTokenError::UnknownVersion,
            1..=KEY_ID_BYTES => ConnectionTokenError::UnknownKey,
            _ => ConnectionTokenError::Forged,
        };
        assert_eq!(ring.open(&URL_SAFE_NO_PAD.encode(flipped)), Err(expected), "bit {bit}");
    }
}

#[test]
fn a_cut_lengthened_or_made_up_token_does_not_open() {
    let ring = KeyRing::random();
    let token = ring.seal(&claims());
    let string = token.expose();
    for length in 0..string.len() {
        assert!(ring.open(&string[..length]).is_err(), "{length} characters");
    }
    for more in ["A", "AA", "AAA", "AAAA", "=", "==", " ", "\n", "."] {
        assert!(ring.open(&format!("{string}{more}")).is_err(), "{more:?}");
    }
    for string in ["", "x", "nonsense!", "é", &"A".repeat(1024)] {
        assert!(
            matches!(
                ring.open(string),
                Err(ConnectionTokenError::Malformed | ConnectionTokenError::UnknownVersion)
            ),
            "{string:.9}"
        );
    }
    assert_eq!(ring.open(&"A".repeat(1025)), Err(ConnectionTokenError::TooLong));
}

#[test]
fn keys_rotate_without_a_token_lost() {
    let (old, both, turned, new) = (ring(&[1]), ring(&[1, 2]), ring(&[2, 1]), ring(&[2]));
    let opens = |by: &KeyRing, of: &KeyRing| by.open(of.seal(&claims()).expose()).map(|_| ());
    for (by, of) in [(&old, &both), (&both, &old), (&both, &turned), (&turned, &both), (&new, &turned)] {
        assert_eq!(opens(by, of), Ok(()));
    }
    for (by, of) in [(&old, &turned), (&new, &both), (&new, &old), (&KeyRing::random(), &old)] {
        assert_eq!(opens(by, of), Err(ConnectionTokenError::UnknownKey));
    }
}

#[test]
fn a_ring_has_1_to_16_keys_each_once() {
    let refused = |bytes: &[u8]| KeyRing::new(bytes.iter().map(|byte| key(*byte)).collect()).unwrap_err();
    assert_eq!(refused(&[]), AuthConfigError::NoKeys);
    assert_eq!(refused(&[1, 2, 1]), AuthConfigError::SealingKeyRepeated);
    let many: Vec<u8> = (0..17).collect();
    assert_eq!(refused(&many), AuthConfigError::TooManyKeys { count: 17, limit: 16 });
    assert_eq!(format!("{:?}", ring(&many[1..])), "KeyRing(16 keys, redacted)");
}

#[test]
fn names_too_long_for_a_token_do_not_open_and_do_not_panic() {
    let ring = KeyRing::random();
    for length in [600, 700, 1000, 65_535, 65_536, 200_000] {
        let long = ConnectionTokenClaims { hub: "h".repeat(length).into(), ..claims() };
        let expected = if length == 600 { Ok(long.clone()) } else { Err(ConnectionTokenError::TooLong) };
        assert_eq!(ring.open(ring.seal(&long).expose()), expected, "{length}");
    }
}

#[test]
fn a_sealed_body_of_another_layout_is_malformed() {
    let ring = KeyRing::random();
    let good = claims().to_bytes();
    let mut longer = good.clone();
    longer.push(0);
    let shorter = good[..good.len() - 1].to_vec();
    let mut unknown_flag = good.clone();
    unknown_flag[0] |= 2;
    let mut not_utf8 = good.clone();
    *not_utf8.last_mut().unwrap() = 0xff;
    let mut end_of_time = good.clone();
    end_of_time[17..25].fill(0xff);
    for body in [longer, shorter, unknown_flag, not_utf8, end_of_time, Vec::new()] {
        assert_eq!(ring.open(ring.sealing.seal(&body).expose()), Err(ConnectionTokenError::Malformed));
    }
}

#[test]
fn a_token_of_the_first_release_still_opens() {
    // Nodes of two versions serve one cluster while it is upgraded: change the version with the layout.
    let ring = ring(&[1]);
    let token = concat!(
        "ARk8pzzZgljnadT5w2MNe9zC-qoxn2fSzYXH01yKNsYx5Ywk79fRzCRMYxvqRKwmKGkg4S_K",
        "Er8h-k9hVK3nlbyUsFgPS75SNouJBARhRS_RIhIMq3ENLKtXPqhL15GTVSmFZQNy0g",
    );
    let opened = ring.open(token).unwrap();
    assert_eq!(
        opened,
        ConnectionTokenClaims {
            connection_id: "AAAAAAAAAAAAAAAAAAAAAA".into(),
            owner: "n".into(),
            ..claims()
        }
    );
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_the_same(
        id in "\\PC{0,40}", hub in "\\PC{0,40}", owner in "\\PC{0,40}",
        identity: [u8; 16], stateful: bool, issued in 0..1_u64 << 40, expires in 0..1_u64 << 40,
    ) {
        let ring = KeyRing::random();
        let claims = ConnectionTokenClaims {
            connection_id: id.into(), hub: hub.into(), owner: owner.into(),
            identity: Identity::from_bytes(identity), stateful,
            issued_at: at(issued), expires_at: at(expires),
        };
        prop_assert_eq!(ring.open(ring.seal(&claims).expose()), Ok(claims));
    }

    #[test]
    fn whatever_is_presented_does_not_open(string in "[A-Za-z0-9_-]{0,1100}", other in "\\PC*") {
        let ring = KeyRing::random();
        prop_assert!(ring.open(&string).is_err());
        prop_assert!(ring.open(&other).is_err());
    }
}

#[test]
fn a_code_is_of_its_purpose_its_parts_and_its_keys_and_keys_rotate() {
    let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
    let parts: &[&[u8]] = &[b"POST", b"/hub"];
    let code = old.authenticate("request", parts);
    assert!(old.is_authentic("request", parts, &code));
    assert!(both.is_authentic("request", parts, &code));
    assert!(!new.is_authentic("request", parts, &code));
    assert!(new.is_authentic("request", parts, &both.authenticate("request", parts)));
    assert!(!old.is_authentic("reply", parts, &code));
    for others in [&[&b"POST/"[..], b"hub"][..], &[b"POST/hub"], &[b"POST", b"/hub", b""], &[]] {
        assert!(!old.is_authentic("request", others, &code), "{others:?}");
    }
    for forged in ["", "code", &code[1..], &format!("{code}A"), &"A".repeat(code.len()), &"é".repeat(24)] {
        assert!(!old.is_authentic("request", parts, forged), "{forged}");
    }
    let key = b"a key of the cluster has 32 byte";
    let ring = KeyRing::new(vec![SealingKey::from_bytes(*key).unwrap()]).unwrap();
    assert_eq!(
        ring.authenticate("request", parts),
        "AR-yvpfeYIVxweUewMTPIpxcXvVFmP8a68rA0TcNWBZfPue7",
        "nodes of two versions make the same code"
    );
}
