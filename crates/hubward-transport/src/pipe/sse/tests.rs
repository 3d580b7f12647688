//! What the body carries, and what holds the owner back, in paused time.

use std::time::Duration;

use http_body::Body;

use super::*;
use crate::test_support::{TestTask, frame};

const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

fn open() -> (ServerSentEventsPipe, EventStreamBody) {
    let options =
        TransportOptions { send_timeout: SEND_TIMEOUT, close_timeout: CLOSE_TIMEOUT, ..Default::default() };
    ServerSentEventsPipe::new(Arc::default(), Arc::new(options))
}

/// Returns the next chunk, or `None` at the end.
fn next_chunk(body: &mut EventStreamBody, server: &TestTask) -> Poll<Option<Bytes>> {
    let polled = Pin::new(body).poll_frame(&mut server.cx());
    polled.map(|frame| frame.map(|frame| frame.unwrap().into_data().unwrap()))
}

fn write(
    pipe: &mut ServerSentEventsPipe,
    owner: &TestTask,
    messages: &[&[u8]],
) -> Poll<Result<(), PipeError>> {
    pipe.poll_write(&mut owner.cx(), &mut messages.iter().map(|message| frame(message)).collect())
}

#[test]
fn each_line_of_a_payload_is_a_line_of_its_event() {
    let cases: [(&[u8], &[u8]); 10] = [
        (b"{}\x1e", b"data: {}\x1e\r\n\r\n"),
        (b"a\nb", b"data: a\r\ndata: b\r\n\r\n"),
        (b"a\r\nb", b"data: a\r\ndata: b\r\n\r\n"),
        (b"a\n", b"data: a\r\ndata: \r\n\r\n"),
        (b"\n\n", b"data: \r\ndata: \r\ndata: \r\n\r\n"),
        (b"a\rb", b"data: a\r\ndata: b\r\n\r\n"),
        (b"a\r", b"data: a\r\ndata: \r\n\r\n"),
        (b"a\r\r\nb", b"data: a\r\ndata: \r\ndata: b\r\n\r\n"),
        (b"a\n\rb", b"data: a\r\ndata: \r\ndata: b\r\n\r\n"),
        (b"a\r\rdata: b", b"data: a\r\ndata: \r\ndata: data: b\r\n\r\n"),
    ];
    for (payload, event) in cases {
        let mut out = Vec::new();
        encode_event(&mut out, payload);
        assert_eq!(out, event, "{payload:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_wakes_the_server_and_is_one_chunk() {
    let ((mut pipe, mut body), owner, server) = (open(), TestTask::new(), TestTask::new());
    assert_eq!(next_chunk(&mut body, &server), Poll::Ready(Some(OPENING.into())));
    assert!(next_chunk(&mut body, &server).is_pending());
    assert_eq!(write(&mut pipe, &owner, &[b"one", b"two"]), Poll::Ready(Ok(())));
    assert!(server.was_woken());
    let chunk = b"data: one\r\n\r\ndata: two\r\n\r\n";
    assert_eq!(next_chunk(&mut body, &server), Poll::Ready(Some(Bytes::from_static(chunk))));
    assert_eq!(pipe.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_a_slow_consumer_until_it_reads() {
    let ((mut pipe, mut body), owner, server) = (open(), TestTask::new(), TestTask::new());
    let began = Instant::now();
    let mut frames = VecDeque::from(vec![frame(&[b'x'; CHUNK_BYTES]); 2]);
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    assert_eq!((frames.len(), pipe.deadline()), (1, Some(began + SEND_TIMEOUT)));

    tokio::time::advance(SEND_TIMEOUT / 2).await;
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    assert_eq!(pipe.deadline(), Some(began + SEND_TIMEOUT), "nothing has moved");
    assert_eq!(pipe.handle_deadline(Instant::now()), Ok(()));
    assert_eq!(pipe.handle_deadline(began + SEND_TIMEOUT), Err(PipeError::SendTimeout));

    while !owner.was_woken() {
        assert!(next_chunk(&mut body, &server).is_ready());
    }
    assert_eq!(pipe.poll_write(&mut owner.cx(), &mut frames), Poll::Ready(Ok(())));
    assert_eq!(pipe.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn each_piece_that_the_server_takes_is_progress() {
    let ((mut pipe, mut body), owner, server) = (open(), TestTask::new(), TestTask::new());
    assert!(next_chunk(&mut body, &server).is_ready());
    let mut frames = VecDeque::from(vec![frame(&[b'x'; CHUNK_BYTES]); 2]);
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    for _ in 0..4 {
        tokio::time::advance(SEND_TIMEOUT * 9 / 10).await;
        let Poll::Ready(Some(piece)) = next_chunk(&mut body, &server) else { panic!("no piece") };
        assert_eq!(piece.len(), PIECE_BYTES);
        assert_eq!(pipe.handle_deadline(Instant::now()), Ok(()));
        assert!(!owner.was_woken(), "there is little room yet");
    }
    tokio::time::advance(SEND_TIMEOUT).await;
    assert_eq!(pipe.handle_deadline(Instant::now()), Err(PipeError::SendTimeout));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_body_after_what_was_written_and_waits_for_the_client_to_go() {
    let ((mut pipe, mut body), owner, server) = (open(), TestTask::new(), TestTask::new());
    let began = Instant::now();
    assert!(pipe.poll_close(&mut owner.cx()).is_pending());
    assert_eq!(pipe.deadline(), Some(began + CLOSE_TIMEOUT));
    assert_eq!(pipe.handle_deadline(began + CLOSE_TIMEOUT), Err(PipeError::CloseTimeout));
    assert_eq!(write(&mut pipe, &owner, &[b"late"]), Poll::Ready(Err(PipeError::Closed)));
    assert_eq!(next_chunk(&mut body, &server), Poll::Ready(Some(OPENING.into())));
    assert_eq!(next_chunk(&mut body, &server), Poll::Ready(None));
    drop(body);
    assert!(owner.was_woken());
    assert!(pipe.poll_close(&mut owner.cx()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_body_has_closed_the_connection() {
    let ((mut pipe, body), owner) = (open(), TestTask::new());
    let mut input = Vec::new();
    assert!(pipe.poll_receive(&mut owner.cx(), &mut input).is_pending());
    drop(body);
    assert!(owner.was_woken());
    let closed = Received::End(TransportEnd::Closed { code: None });
    assert_eq!(pipe.poll_receive(&mut owner.cx(), &mut input), Poll::Ready(closed));
    assert_eq!(write(&mut pipe, &owner, &[b"late"]), Poll::Ready(Err(PipeError::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pipe_ends_the_body_and_the_inbox() {
    let ((pipe, mut body), server) = (open(), TestTask::new());
    let inbox = pipe.channel.inbox.clone();
    assert!(next_chunk(&mut body, &server).is_ready());
    assert!(next_chunk(&mut body, &server).is_pending());
    drop(pipe);
    assert!(server.was_woken());
    assert_eq!(next_chunk(&mut body, &server), Poll::Ready(None));
    assert_eq!(inbox.poll_ended(&server.cx()), Poll::Ready(TransportEnd::Lost));
}
