//! How polls are answered, and when a client counts as gone, in paused time.

use std::pin::{Pin, pin};

use http_body::Body;

use super::*;
use crate::test_support::{TestTask, frame};

const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_TIMEOUT: Duration = Duration::from_secs(90);

fn open() -> (LongPollingPipe, Arc<PollChannel>) {
    let options = TransportOptions {
        disconnect_timeout: DISCONNECT_TIMEOUT,
        close_timeout: CLOSE_TIMEOUT,
        ..Default::default()
    };
    let channel = Arc::new(PollChannel::new(Arc::default()));
    (LongPollingPipe::new(channel.clone(), Arc::new(options)), channel)
}

/// A list of absent clients on which so many may be.
fn absent(most: usize) -> Arc<Absent<Absence>> {
    let options = TransportOptions {
        absent_connections: most,
        disconnect_timeout: DISCONNECT_TIMEOUT,
        ..Default::default()
    };
    Arc::new(Absent::new(&options))
}

/// A list on which there is room for anyone.
fn anyone() -> Arc<Absent<Absence>> {
    absent(usize::MAX)
}

/// How a poll is answered, with its whole body.
#[derive(PartialEq, Eq, Debug)]
enum Answer {
    Data(Vec<u8>),
    TimedOut,
    NoContent,
    Terminated,
}

async fn poll(channel: &Arc<PollChannel>) -> Answer {
    match channel.clone().poll(POLL_TIMEOUT, anyone()).await {
        PollResponse::Data(mut body) => {
            let mut data = Vec::new();
            while let Some(piece) = next_piece(&mut body) {
                data.extend(piece);
            }
            Answer::Data(data)
        }
        PollResponse::TimedOut => Answer::TimedOut,
        PollResponse::NoContent => Answer::NoContent,
        PollResponse::Terminated => Answer::Terminated,
    }
}

fn next_piece(body: &mut PollBody) -> Option<Bytes> {
    match Pin::new(body).poll_frame(&mut TestTask::new().cx()) {
        Poll::Ready(frame) => frame.map(|frame| frame.unwrap().into_data().unwrap()),
        Poll::Pending => panic!("it has all that there is"),
    }
}

fn write(pipe: &mut LongPollingPipe, owner: &TestTask, message: &[u8]) -> Poll<Result<(), PipeError>> {
    pipe.poll_write(&mut owner.cx(), &mut VecDeque::from([frame(message)]))
}

#[tokio::test(start_paused = true)]
async fn what_is_written_answers_a_pending_poll_or_the_next_one() {
    let ((mut pipe, channel), owner, client) = (open(), TestTask::new(), TestTask::new());
    {
        let mut pending = pin!(poll(&channel));
        assert!(client.poll(pending.as_mut()).is_pending());
        assert_eq!(write(&mut pipe, &owner, b"one"), Poll::Ready(Ok(())));
        assert!(client.was_woken());
        assert_eq!(pending.await, Answer::Data(b"one".into()));
    }
    assert_eq!(write(&mut pipe, &owner, b"two, "), Poll::Ready(Ok(())));
    assert_eq!(write(&mut pipe, &owner, b"three"), Poll::Ready(Ok(())));
    assert_eq!(poll(&channel).await, Answer::Data(b"two, three".into()));
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_data_ends_after_its_timeout() {
    let ((_pipe, channel), began) = (open(), Instant::now());
    assert_eq!(poll(&channel).await, Answer::TimedOut);
    assert_eq!(began.elapsed(), POLL_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_ends_an_older_and_gets_the_data() {
    let ((mut pipe, channel), owner) = (open(), TestTask::new());
    let (first, second) = (TestTask::new(), TestTask::new());
    let mut older = pin!(poll(&channel));
    assert!(first.poll(older.as_mut()).is_pending());
    let mut newer = pin!(poll(&channel));
    assert!(second.poll(newer.as_mut()).is_pending());
    assert!(first.was_woken());
    assert_eq!(write(&mut pipe, &owner, b"data"), Poll::Ready(Ok(())));
    assert_eq!(older.await, Answer::NoContent);
    assert_eq!(newer.await, Answer::Data(b"data".into()));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_a_poll_makes_room() {
    let ((mut pipe, channel), owner) = (open(), TestTask::new());
    let mut frames = VecDeque::from(vec![frame(&[7; OUTGOING_BYTES]); 2]);
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    assert_eq!(frames.len(), 1);
    assert_eq!(poll(&channel).await, Answer::Data(vec![7; OUTGOING_BYTES]));
    assert!(owner.was_woken());
    assert_eq!(pipe.poll_write(&mut owner.cx(), &mut frames), Poll::Ready(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stays_away_is_disconnected_and_one_that_polls_is_not() {
    let ((mut pipe, channel), client) = (open(), TestTask::new());
    let opened = Instant::now();
    assert_eq!(pipe.deadline(), Some(opened + DISCONNECT_TIMEOUT));
    {
        let mut pending = pin!(poll(&channel));
        assert!(client.poll(pending.as_mut()).is_pending());
        tokio::time::advance(DISCONNECT_TIMEOUT).await;
        assert_eq!(pipe.handle_deadline(Instant::now()), Ok(()));
        tokio::time::advance(DISCONNECT_TIMEOUT / 3).await;
    }
    let idle_since = Instant::now();
    tokio::time::advance(DISCONNECT_TIMEOUT * 2 / 3).await;
    assert_eq!(pipe.handle_deadline(Instant::now()), Ok(()), "it was idle for less than the timeout");
    assert_eq!(pipe.deadline(), Some(idle_since + DISCONNECT_TIMEOUT));
    tokio::time::advance(DISCONNECT_TIMEOUT / 3).await;
    assert_eq!(pipe.handle_deadline(Instant::now()), Err(PipeError::DisconnectTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_there_as_long_as_it_takes_the_answer_to_its_poll() {
    let ((mut pipe, channel), owner) = (open(), TestTask::new());
    let mut frames = VecDeque::from(vec![frame(&[7; OUTGOING_BYTES]); 3]);
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    let PollResponse::Data(mut body) = channel.clone().poll(POLL_TIMEOUT, anyone()).await else {
        panic!("no data")
    };
    assert_eq!(body.size_hint().exact(), Some(OUTGOING_BYTES as u64));
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    for _ in 0..4 {
        tokio::time::advance(DISCONNECT_TIMEOUT * 2 / 3).await;
        assert!(next_piece(&mut body).is_some());
        assert_eq!(pipe.handle_deadline(Instant::now()), Ok(()));
    }
    drop(body);
    tokio::time::advance(DISCONNECT_TIMEOUT).await;
    assert!(pipe.handle_deadline(Instant::now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_more_of_the_answer_to_its_poll_is_a_slow_consumer() {
    let ((mut pipe, channel), owner) = (open(), TestTask::new());
    let mut frames = VecDeque::from(vec![frame(&[7; OUTGOING_BYTES]); 3]);
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    let PollResponse::Data(mut body) = channel.clone().poll(POLL_TIMEOUT, anyone()).await else {
        panic!("no data")
    };
    assert!(next_piece(&mut body).is_some());
    assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
    tokio::time::advance(DISCONNECT_TIMEOUT).await;
    assert_eq!(pipe.handle_deadline(Instant::now()), Err(PipeError::SendTimeout));
}

#[tokio::test(start_paused = true)]
async fn closing_answers_one_poll_with_what_is_left_and_the_next_with_the_end() {
    let ((mut pipe, channel), owner) = (open(), TestTask::new());
    assert_eq!(write(&mut pipe, &owner, b"last"), Poll::Ready(Ok(())));
    assert!(pipe.poll_close(&mut owner.cx()).is_pending());
    assert_eq!(write(&mut pipe, &owner, b"late"), Poll::Ready(Err(PipeError::Closed)));
    assert_eq!(poll(&channel).await, Answer::Data(b"last".into()));
    assert!(pipe.poll_close(&mut owner.cx()).is_pending());
    assert_eq!(poll(&channel).await, Answer::NoContent);
    assert!(owner.was_woken());
    assert!(pipe.poll_close(&mut owner.cx()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_a_poll_no_longer_than_its_timeout() {
    let ((mut pipe, _channel), owner, began) = (open(), TestTask::new(), Instant::now());
    assert!(pipe.poll_close(&mut owner.cx()).is_pending());
    assert_eq!(pipe.deadline(), Some(began + CLOSE_TIMEOUT));
    assert_eq!(pipe.handle_deadline(began), Ok(()));
    assert_eq!(pipe.handle_deadline(began + CLOSE_TIMEOUT), Err(PipeError::CloseTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_delete_closes_the_connection_and_its_pending_poll_gets_what_comes_last() {
    let ((mut pipe, channel), owner, client) = (open(), TestTask::new(), TestTask::new());
    let mut pending = pin!(poll(&channel));
    assert!(client.poll(pending.as_mut()).is_pending());
    channel.terminate();
    let closed = Received::End(TransportEnd::Closed { code: None });
    assert_eq!(pipe.poll_receive(&mut owner.cx(), &mut Vec::new()), Poll::Ready(closed));
    assert_eq!(poll(&channel).await, Answer::Terminated, "no other poll begins");
    assert_eq!(write(&mut pipe, &owner, b"close"), Poll::Ready(Ok(())));
    assert!(pipe.poll_close(&mut owner.cx()).is_pending());
    assert_eq!(pending.await, Answer::Data(b"close".into()));
    assert!(owner.was_woken());
    assert!(pipe.poll_close(&mut owner.cx()).is_ready(), "the client need not be notified again");
}

#[tokio::test(start_paused = true)]
async fn after_a_delete_without_a_pending_poll_nothing_can_be_written() {
    let ((mut pipe, channel), owner) = (open(), TestTask::new());
    channel.terminate();
    assert_eq!(write(&mut pipe, &owner, b"close"), Poll::Ready(Err(PipeError::Lost)));
    assert!(pipe.poll_close(&mut owner.cx()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_pending_poll_goes_away_has_nobody_left_to_notify() {
    let ((mut pipe, channel), owner, client) = (open(), TestTask::new(), TestTask::new());
    {
        let mut pending = pin!(poll(&channel));
        assert!(client.poll(pending.as_mut()).is_pending());
        channel.terminate();
        assert!(pipe.poll_close(&mut owner.cx()).is_pending());
    }
    assert!(owner.was_woken());
    assert!(pipe.poll_close(&mut owner.cx()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pipe_ends_the_polls_and_the_inbox() {
    let ((pipe, channel), client) = (open(), TestTask::new());
    let mut pending = pin!(poll(&channel));
    assert!(client.poll(pending.as_mut()).is_pending());
    drop(pipe);
    assert!(client.was_woken());
    assert_eq!(pending.await, Answer::NoContent);
    assert_eq!(channel.inbox().poll_ended(&client.cx()), Poll::Ready(TransportEnd::Lost));
}

#[tokio::test(start_paused = true)]
async fn where_too_many_clients_are_between_two_polls_the_longest_absent_is_lost() {
    const MOST: usize = 4;
    let absent = absent(MOST);
    let (mut polling, present) = (open(), TestTask::new());
    polling.1.note_absent(&absent);
    let mut pending = pin!(polling.1.clone().poll(POLL_TIMEOUT, absent.clone()));
    assert!(present.poll(pending.as_mut()).is_pending());
    let mut others: Vec<_> = (0..MOST + 1).map(|_| (open(), TestTask::new())).collect();
    for ((pipe, channel), owner) in &mut others {
        let mut frames = VecDeque::from(vec![frame(&[7; OUTGOING_BYTES]); 2]);
        assert!(pipe.poll_write(&mut owner.cx(), &mut frames).is_pending());
        assert!(pipe.poll_receive(&mut owner.cx(), &mut Vec::new()).is_pending());
        assert!(!owner.was_woken());
        tokio::time::advance(DISCONNECT_TIMEOUT / 16).await;
        channel.note_absent(&absent);
    }
    let lost = Received::End(TransportEnd::Lost);
    for (number, ((pipe, channel), owner)) in others.iter_mut().enumerate() {
        let is_longest = number == 0;
        assert_eq!(owner.was_woken(), is_longest);
        let received = pipe.poll_receive(&mut owner.cx(), &mut Vec::new());
        assert_eq!(received == Poll::Ready(lost), is_longest);
        // Also where it is its output that is blocked, and nothing is received.
        assert_eq!(write(pipe, owner, b"more") == Poll::Ready(Err(PipeError::Lost)), is_longest);
        assert_eq!(poll(channel).await == Answer::Terminated, is_longest);
    }
    let received = polling.0.poll_receive(&mut present.cx(), &mut Vec::new());
    assert!(received.is_pending(), "one that polls is not absent");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_had_a_poll_pending_for_long_enough_is_not_among_those_that_are_too_many() {
    let absent = absent(1);
    let leave = async |polls: Duration| {
        let ((pipe, channel), client) = (open(), TestTask::new());
        {
            let mut pending = pin!(channel.clone().poll(POLL_TIMEOUT, absent.clone()));
            assert!(client.poll(pending.as_mut()).is_pending());
            tokio::time::advance(polls).await;
        }
        (pipe, channel)
    };
    let faithful = leave(DISCONNECT_TIMEOUT).await;
    let passing = leave(DISCONNECT_TIMEOUT / 2).await;
    tokio::time::advance(DISCONNECT_TIMEOUT / 8).await;
    let _others = [leave(Duration::ZERO).await, leave(Duration::ZERO).await];
    for ((mut pipe, _), is_lost) in [(faithful, false), (passing, true)] {
        let received = pipe.poll_receive(&mut TestTask::new().cx(), &mut Vec::new());
        assert_eq!(received.is_ready(), is_lost);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_polled_since_it_was_taken_for_lost_is_not() {
    let ((_pipe, channel), client) = (open(), TestTask::new());
    channel.note_absent(&anyone());
    let taken_for_lost = channel.state.lock().absence.clone().unwrap();
    {
        let mut pending = pin!(channel.clone().poll(POLL_TIMEOUT, anyone()));
        assert!(client.poll(pending.as_mut()).is_pending());
    }
    channel.lose(&taken_for_lost);
    assert!(!channel.state.lock().terminated, "it has only just left");
    let absence = channel.state.lock().absence.clone().unwrap();
    channel.lose(&absence);
    assert!(channel.state.lock().terminated);
}
