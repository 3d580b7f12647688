//! Tests of what is noted about a connection: pending client results, and its end.

use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::testing::{handle, take_mail};

/// What has come of a client result.
fn outcome(mut result: oneshot::Receiver<Reply>) -> String {
    match result.try_recv() {
        Err(TryRecvError::Empty) => "nothing yet".to_owned(),
        Err(TryRecvError::Closed) => "disconnected".to_owned(),
        Ok(Reply::Void) => "void".to_owned(),
        Ok(Reply::Error(error)) => format!("error {error}"),
        Ok(Reply::Value(protocol, bytes)) => {
            format!("{} {}", protocol.name(), String::from_utf8(bytes).unwrap())
        }
    }
}

#[test]
fn a_client_result_reaches_the_one_that_waits_for_its_invocation() {
    let handle = handle("c1");
    let first = handle.expect_result("1".to_owned(), 100).unwrap();
    let second = handle.expect_result("2".to_owned(), 100).unwrap();
    let third = handle.expect_result("3".to_owned(), 100).unwrap();
    assert!(handle.resolve_result("2", || Reply::Value(Protocol::Json, b"7".to_vec())));
    assert!(handle.resolve_result("1", || Reply::Void));
    assert!(handle.resolve_result("3", || Reply::Error("no idea".to_owned())));
    assert_eq!(outcome(first), "void");
    assert_eq!(outcome(second), "json 7");
    assert_eq!(outcome(third), "error no idea");
    assert!(handle.pending_results.lock().is_none());
}

#[test]
fn a_client_result_that_nobody_waits_for_is_not_even_copied() {
    let handle = handle("c1");
    let unwanted = || -> Reply { panic!("nobody wants it") };
    assert!(!handle.resolve_result("1", unwanted));
    let _other = handle.expect_result("other".to_owned(), 100);
    assert!(!handle.resolve_result("1", unwanted));
}

#[test]
fn a_result_comes_once() {
    let handle = handle("c1");
    let _result = handle.expect_result("1".to_owned(), 100).unwrap();
    assert!(handle.resolve_result("1", || Reply::Void));
    assert!(!handle.resolve_result("1", || Reply::Void));
}

#[test]
fn a_forgotten_result_finds_nobody() {
    let handle = handle("c1");
    let _result = handle.expect_result("1".to_owned(), 100).unwrap();
    handle.forget_result("1");
    handle.forget_result("never expected");
    assert!(!handle.resolve_result("1", || Reply::Void));
}

#[test]
fn a_client_that_goes_notifies_all_that_wait_for_it() {
    let handle = handle("c1");
    let token = handle.connection_closed();
    let result = handle.expect_result("1".to_owned(), 100).unwrap();
    assert!(!token.is_cancelled());
    handle.set_client_gone();
    assert!(token.is_cancelled());
    assert_eq!(outcome(result), "disconnected");
    assert!(!handle.is_closed());
}

#[test]
fn no_result_is_waited_for_and_the_token_is_cancelled_once_the_client_has_gone() {
    let handle = handle("c1");
    handle.set_client_gone();
    assert!(handle.expect_result("1".to_owned(), 100).is_err());
    assert!(handle.connection_closed().is_cancelled());
}

#[test]
fn a_closed_connection_takes_no_mail_and_its_client_has_gone() {
    let handle = handle("c1");
    let token = handle.connection_closed();
    handle.set_closed();
    assert!(handle.is_closed() && token.is_cancelled());
    handle.mailbox.push(hubward_proto::encode::completion_void(Protocol::Json, "1"));
    assert_eq!(take_mail(&handle).0.len(), 0);
}

#[test]
fn mail_after_an_abort_is_not_taken_but_after_another_close_it_is() {
    for (reason, taken) in [(CloseReason::Aborted, 1), (CloseReason::Shutdown, 2)] {
        let label = reason.row().label;
        let handle = handle("c1");
        let frame = hubward_proto::encode::completion_void(Protocol::Json, "1");
        handle.mailbox.push(frame.clone());
        handle.close(reason);
        handle.mailbox.push(frame);
        let (frames, controls) = take_mail(&handle);
        assert_eq!(frames.len(), taken, "{label}");
        assert!(matches!(&controls[..], [ControlMessage::Close(reason)] if reason.row().label == label));
    }
}

#[test]
fn a_client_result_is_accepted_from_when_the_clients_messages_are_read() {
    let handle = handle("c1");
    assert!(!handle.accepts_client_results());
    handle.start_reading();
    assert!(handle.accepts_client_results());
}
