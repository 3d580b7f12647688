//! States are the same on another node, and no bytes make reading one panic.

use hubward_proto::{Frame, Session, SessionConfig, StatefulConfig, encode};
use hubward_transport::testing;
use proptest::prelude::*;

use super::*;

/// A session with this many messages that were not acknowledged.
fn session(protocol: Protocol, kept: usize) -> hubward_proto::SessionSnapshot {
    let config = SessionConfig { stateful: Some(StatefulConfig::default()), ..SessionConfig::default() };
    let now = tokio::time::Instant::now().into_std();
    let mut session = Session::server(config, now);
    session.handle_input(now, encode::handshake_request(protocol, 2).message()).unwrap();
    (0..kept).for_each(|_| session.record(&frame(protocol, "x")));
    session.snapshot().unwrap()
}

fn frame(protocol: Protocol, text: &str) -> Frame {
    encode::invocation(protocol, None, "m", &(text,)).unwrap()
}

fn state(protocol: Protocol) -> SessionState {
    let expires_at = UNIX_EPOCH + Duration::from_micros(1_900_000_000_000_001);
    SessionState {
        identity: SessionIdentity {
            hub: "clinical".into(),
            connection: "public".into(),
            token_id: "inside".into(),
            token_expires_at: expires_at,
            protocol,
            principal: Principal::builder()
                .user_id("alice")
                .role("nurse")
                .role("admin")
                .claim("iss", "https://issuer")
                .claim("ward", "7")
                .claim("ward", "8")
                .expires_at(expires_at)
                .build(),
            request: testing::request(),
            groups: vec!["ward:7".into(), "ward:8".into()],
        },
        content: SessionContent {
            session: session(protocol, 3),
            waiting: vec![frame(protocol, "a"), frame(protocol, "b")],
            items: vec![SavedItem { name: "ward".to_owned(), value: vec![0, 255] }],
        },
    }
}

#[test]
fn a_state_is_the_same_on_another_node() {
    for protocol in Protocol::ALL {
        let before = state(protocol);
        let after = SessionState::decode(&before.encode().unwrap()).unwrap();
        let (a, b) = (&before.identity, &after.identity);
        assert_eq!((&a.hub, &a.connection, &a.token_id), (&b.hub, &b.connection, &b.token_id));
        assert_eq!((a.token_expires_at, a.protocol), (b.token_expires_at, b.protocol));
        assert_eq!((a.request.packed(), &a.groups), (b.request.packed(), &b.groups));
        assert_eq!(a.principal.user_id(), b.principal.user_id());
        assert_eq!(a.principal.expires_at(), b.principal.expires_at());
        assert!(a.principal.roles().eq(b.principal.roles()));
        assert!(a.principal.all_claims().eq(b.principal.all_claims()));
        let (a, b) = (before.content, after.content);
        assert_eq!((a.session, a.waiting, a.items), (b.session, b.waiting, b.items));
    }
}

#[test]
fn who_was_anonymous_is_anonymous_on_another_node() {
    for principal in [Principal::anonymous(), Principal::builder().build()] {
        let is_authenticated = principal.is_authenticated();
        let identity = SessionIdentity { principal, ..state(Protocol::Json).identity };
        let decoded = SessionIdentity::decode(&identity.encode().unwrap()).unwrap();
        assert_eq!(decoded.principal.is_authenticated(), is_authenticated);
    }
}

#[test]
fn a_state_of_another_version_is_not_taken_for_a_damaged_one() {
    let mut bytes = state(Protocol::Json).encode().unwrap();
    if let Some(version) = bytes.first_mut() {
        *version = 2;
    }
    assert_eq!(SessionState::decode(&bytes).err(), Some(StateError::UnknownVersion(2)));
    assert_eq!(SessionState::decode(&[]).err(), Some(StateError::Malformed));
    assert_eq!(SessionState::decode(&[1, 0x92]).err(), Some(StateError::Malformed));
}

#[test]
fn what_is_too_large_is_not_written_and_not_read() {
    let mut large = state(Protocol::Json);
    large.content.waiting.push(frame(Protocol::Json, &"x".repeat(MAX_STATE_BYTES)));
    assert!(matches!(large.encode(), Err(StateError::TooLarge { .. })));
    assert!(matches!(SessionState::decode(&vec![1; MAX_STATE_BYTES + 1]), Err(StateError::TooLarge { .. })));
    let mut many = state(Protocol::Json).identity;
    many.groups = vec!["x".repeat(256).into(); MAX_IDENTITY_BYTES / 256];
    assert!(matches!(many.encode(), Err(StateError::TooLarge { .. })));
}

#[test]
fn nothing_of_a_state_can_be_printed_that_is_a_secret_or_personal() {
    let printed = format!("{:?}", state(Protocol::Json));
    for secret in ["public", "alice", "nurse", "issuer", "ward:7", "invocation"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn a_length_that_is_only_declared_is_not_believed() {
    // Lists of four billion groups, messages, items.
    let request = testing::request();
    let form = IdentityForm {
        hub: "h",
        connection: "c",
        token_id: "t",
        token_expires_at: 0,
        protocol: 0,
        principal: None,
        request: Bytes::new(request.packed()),
        remote: None,
        groups: Vec::new(),
    };
    let mut bytes = encode(&form, MAX_IDENTITY_BYTES).unwrap();
    assert!(SessionIdentity::decode(&bytes).is_ok());
    bytes.pop();
    bytes.extend_from_slice(&[0xDD, 255, 255, 255, 255]);
    assert_eq!(SessionIdentity::decode(&bytes).err(), Some(StateError::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_reading_a_state_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let versioned = [&[VERSION], bytes.as_slice()].concat();
        let _ = (SessionIdentity::decode(&versioned), SessionContent::decode(&versioned), SessionState::decode(&versioned));
    }

    #[test]
    fn no_change_of_a_state_makes_reading_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = state(Protocol::Json).encode().unwrap();
        let at = at.index(bytes.len());
        if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        let _ = SessionState::decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(SessionState::decode(&bytes).is_err());
    }
}
