//! Whether a call that failed may have had its effect.

use std::io::{Error, ErrorKind};

use hubward_transport::testing::{body_broken, broken_off};

use super::*;

fn lost() -> Error {
    ErrorKind::ConnectionReset.into()
}

#[test]
fn a_call_that_failed_before_anything_was_sent_had_no_effect() {
    for error in [
        PeerError::Gone,
        PeerError::NoListener,
        PeerError::Refused(lost()),
        PeerError::Unreachable(lost()),
        PeerError::TooMany,
        PeerError::Busy,
        PeerError::Stopping,
    ] {
        let called = CallError::from(error);
        assert!(matches!(called, CallError::NotSent(_)), "{called:?}");
    }
}

#[tokio::test]
async fn a_call_of_which_something_was_sent_may_have_had_its_effect() {
    for error in [
        body_broken().await,
        broken_off().await,
        PeerError::NotAuthentic,
        PeerError::TooSlow,
        PeerError::TooLarge,
        PeerError::Status(StatusCode::INTERNAL_SERVER_ERROR),
        PeerError::Status(StatusCode::BAD_GATEWAY),
        PeerError::Status(StatusCode::GATEWAY_TIMEOUT),
    ] {
        let called = CallError::from(error);
        assert!(matches!(called, CallError::NoAnswer(_)), "{called:?}");
    }
}

#[test]
fn a_call_that_the_service_refused_had_no_effect() {
    for status in [400, 404, 413, 422, 503] {
        let called = CallError::from(PeerError::Status(StatusCode::from_u16(status).unwrap()));
        assert!(matches!(called, CallError::Refused(_)), "{called:?}");
    }
}
