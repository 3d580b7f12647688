//! The table of close reasons as clients and operators see it.

use std::collections::HashSet;

use hubward_proto::{Protocol, encode};

use super::*;

const BASE: &str = "Connection closed with an error.";

/// A reason, and all that is known of it.
struct Row {
    reason: CloseReason,
    label: &'static str,
    /// The Close message without detailed errors; none where none is sent.
    close: Option<&'static str>,
    /// The Close message's error with detailed errors, where it says more.
    detailed: Option<&'static str>,
    level: Level,
}

const CLEAN_CLOSE: Option<&str> = Some(r#"{"type":7}"#);
const CLEAN_RECONNECT: Option<&str> = Some(r#"{"type":7,"allowReconnect":true}"#);
const ERROR_RECONNECT: Option<&str> =
    Some(r#"{"type":7,"error":"Connection closed with an error.","allowReconnect":true}"#);

fn row(reason: CloseReason, label: &'static str, close: Option<&'static str>, level: Level) -> Row {
    Row { reason, label, close, detailed: None, level }
}

fn rows() -> Vec<Row> {
    let protocol_error = ProtocolError::MissingProperty { property: "target" };
    let rejected = Some(r#"{"type":7,"error":"The ward is full."}"#);
    let resume_failed = Some(r#"{"type":7,"error":"The ward is full.","allowReconnect":true}"#);
    vec![
        row(CloseReason::Client(None), "client", CLEAN_CLOSE, Level::INFO),
        row(CloseReason::TransportClosed, "transport_closed", None, Level::INFO),
        row(CloseReason::Terminated, "terminated", CLEAN_RECONNECT, Level::INFO),
        row(CloseReason::TransportLost, "transport_lost", None, Level::INFO),
        row(CloseReason::Aborted, "aborted", CLEAN_CLOSE, Level::INFO),
        row(CloseReason::UserDisconnected, "user_disconnected", CLEAN_CLOSE, Level::INFO),
        row(CloseReason::Rejected("The ward is full.".into()), "rejected", rejected, Level::INFO),
        row(
            CloseReason::ResumeFailed("The ward is full.".into()),
            "resume_failed",
            resume_failed,
            Level::INFO,
        ),
        row(CloseReason::Outage, "outage", ERROR_RECONNECT, Level::INFO),
        row(CloseReason::TransportViolated, "transport_violated", None, Level::WARN),
        Row {
            detailed: Some(
                "Connection closed with an error. InvalidDataException: Missing required property 'target'.",
            ),
            ..row(CloseReason::Protocol(protocol_error), "protocol_error", ERROR_RECONNECT, Level::WARN)
        },
        row(CloseReason::Handshake("Not understood.".into()), "handshake_failed", None, Level::WARN),
        row(CloseReason::HandshakeTimeout, "handshake_timeout", None, Level::INFO),
        Row {
            detailed: Some(
                "Connection closed with an error. OperationCanceledException: Client hasn't sent a message/ping \
                 within the configured ClientTimeoutInterval.",
            ),
            ..row(CloseReason::ClientTimeout, "client_timeout", ERROR_RECONNECT, Level::INFO)
        },
        row(CloseReason::SlowConsumer, "slow_consumer", ERROR_RECONNECT, Level::WARN),
        row(CloseReason::SendTimeout, "send_timeout", None, Level::WARN),
        row(CloseReason::AckTimeout, "ack_timeout", ERROR_RECONNECT, Level::WARN),
        row(CloseReason::ReconnectTimeout, "reconnect_timeout", None, Level::INFO),
        row(CloseReason::TokenExpired, "token_expired", CLEAN_RECONNECT, Level::INFO),
        row(CloseReason::Shutdown, "shutdown", CLEAN_RECONNECT, Level::INFO),
        row(CloseReason::Moved { to: "node-2".into(), is_aborted: false }, "moved", None, Level::INFO),
        row(CloseReason::HandoverFailed, "handover_failed", CLEAN_RECONNECT, Level::WARN),
        row(CloseReason::Panicked, "internal_error", ERROR_RECONNECT, Level::WARN),
    ]
}

/// The Close message that a reason sends.
fn close_message(reason: &CloseReason, detailed: bool) -> Option<String> {
    let row = reason.row();
    row.sends_close.then(|| {
        let error = reason.close_error(detailed);
        let frame = encode::close(Protocol::Json, error.as_deref(), row.allow_reconnect);
        String::from_utf8(frame.message().to_vec()).unwrap().trim_end_matches('\u{1e}').to_owned()
    })
}

fn check(row: &Row) {
    let (reason, label) = (&row.reason, row.label);
    assert_eq!(reason.row().label, label);
    assert_eq!(reason.row().log_level, row.level, "{label}");
    assert_eq!(close_message(reason, false).as_deref(), row.close, "{label}");
    let detailed = row.close.map(|close| match row.detailed {
        Some(detailed) => close.replace(BASE, detailed),
        None => close.to_owned(),
    });
    assert_eq!(close_message(reason, true), detailed, "{label} with detailed errors");
}

#[test]
fn every_reason_has_its_label_log_level_and_close_message() {
    rows().iter().for_each(check);
}

#[test]
fn labels_are_unique() {
    let labels: HashSet<_> = rows().iter().map(|row| row.reason.row().label).collect();
    assert_eq!(labels.len(), rows().len());
}

#[test]
fn a_client_that_closes_with_an_error_is_closed_as_one_without() {
    let reason = CloseReason::Client(Some("gone home".into()));
    check(&row(reason, "client", CLEAN_CLOSE, Level::INFO));
}

#[test]
fn a_client_may_reconnect_unless_somebody_meant_it_to_stay_away() {
    let refused: Vec<_> =
        rows().iter().filter(|row| !row.reason.row().allow_reconnect).map(|row| row.label).collect();
    let expected = [
        "client",
        "transport_closed",
        "aborted",
        "user_disconnected",
        "rejected",
        "transport_violated",
        "handshake_failed",
        "handshake_timeout",
    ];
    assert_eq!(refused, expected);
}

#[test]
fn only_what_can_still_be_written_is_written() {
    let labels = |column: fn(&CloseRow) -> bool| -> Vec<_> {
        rows().iter().map(|row| row.reason.row()).filter(|row| !column(row)).map(|row| row.label).collect()
    };
    assert_eq!(labels(|row| row.closes_transport), ["transport_lost", "send_timeout", "moved"]);
    assert_eq!(labels(|row| row.flushes_mailbox), ["slow_consumer", "moved"]);
    assert_eq!(labels(|row| row.runs_on_disconnected), ["rejected", "outage", "moved"]);
}

#[test]
fn every_session_error_has_a_reason() {
    let errors = [
        (SessionError::Handshake { message: "Not understood.".into() }, "handshake_failed"),
        (SessionError::HandshakeTimeout, "handshake_timeout"),
        (SessionError::Protocol(ProtocolError::MalformedJson), "protocol_error"),
        (SessionError::ClientTimeout, "client_timeout"),
        (SessionError::AckTimeout, "ack_timeout"),
        (SessionError::ReconnectTimeout, "reconnect_timeout"),
    ];
    for (error, label) in errors {
        assert_eq!(CloseReason::from(error).row().label, label);
    }
}

#[test]
fn a_hub_is_notified_of_an_error_exactly_where_the_close_was_not_clean() {
    let clean: Vec<_> = rows()
        .iter()
        .filter(|row| row.reason.disconnect_reason().error().is_none())
        .map(|row| row.label)
        .collect();
    let expected = [
        "client",
        "transport_closed",
        "terminated",
        "transport_lost",
        "aborted",
        "user_disconnected",
        "token_expired",
        "shutdown",
        "moved",
        "handover_failed",
    ];
    assert_eq!(clean, expected);
}

#[test]
fn a_hub_is_notified_of_what_the_client_gave_as_its_error() {
    let check = |reason: CloseReason, error: &str| {
        assert_eq!(reason.disconnect_reason().error(), Some(error));
    };
    check(CloseReason::Client(Some("gone home".into())), "gone home");
    check(CloseReason::Handshake("Not understood.".into()), "Not understood.");
    check(CloseReason::HandshakeTimeout, "Handshake was canceled.");
    check(CloseReason::Protocol(ProtocolError::MalformedJson), "Error reading JSON.");
}
