//! Many threads send to many connections at once, to all, to groups and to single ones, while some connections also run for
//! reasons of their own and others close: each receives everything, in order and in time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hubward_hub::{EncodeCall, Hub};
use hubward_proto::{EncodeError, Frame, Protocol, encode};
use hubward_testing::eventually;
use hubward_types::Target;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::handle::ConnectionHandle;
use crate::connection::wake_batch::WakeBatch;
use crate::connection::wake_portions::{MANY_WAKERS, PER_WORKER};
use crate::delivery::router;
use crate::engine::Engine;
use crate::testing::{engine, handle};

const CONNECTIONS: usize = 8 * PER_WORKER;
const GROUPS: usize = 4;
const SENDERS: usize = 3;
const MESSAGES: usize = 400;
/// Far above what any message takes, and below what one that is never delivered would.
const IN_TIME: Duration = Duration::from_secs(5);

/// A message of one of the senders.
struct Numbered {
    sender: usize,
    number: usize,
    sent_at: u128,
}

impl EncodeCall for Numbered {
    fn method(&self) -> &str {
        "M"
    }

    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError> {
        let arguments = (self.sender, self.number, self.sent_at as u64);
        encode::invocation(protocol, id, "M", &arguments)
    }
}

/// A connection that reads its mailbox, and notes what it has received.
struct Reader {
    connection: Arc<ConnectionHandle>,
    /// How many messages it is to receive, and has received.
    expected: AtomicU64,
    received: AtomicU64,
    waker: Mutex<Option<Waker>>,
    is_closed: AtomicBool,
}

impl Reader {
    fn poll(&self, cx: &Context<'_>, last: &mut [Option<usize>], began: Instant) -> Poll<()> {
        let _batch = WakeBatch::open();
        *self.waker.lock() = Some(cx.waker().clone());
        let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
        loop {
            if self.is_closed.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            self.connection.mailbox.take(usize::MAX, &mut frames, &mut controls, Some(cx.waker()));
            assert!(controls.is_empty(), "{controls:?}");
            if frames.is_empty() {
                return Poll::Pending;
            }
            for frame in frames.drain(..) {
                let message = std::str::from_utf8(frame.message()).unwrap().trim_end_matches('\u{1e}');
                let message: serde_json::Value = serde_json::from_str(message).unwrap();
                let argument = |place: usize| message["arguments"][place].as_u64().unwrap();
                let (sender, number) = (argument(0) as usize, argument(1) as usize);
                assert!(last[sender].is_none_or(|last| last < number), "{sender}: {number} after {last:?}");
                last[sender] = Some(number);
                let took = began.elapsed().saturating_sub(Duration::from_micros(argument(2)));
                assert!(took < IN_TIME, "{took:?}");
                self.received.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

async fn send_all(engine: Arc<Engine>, readers: Arc<Vec<Reader>>, sender: usize, began: Instant) {
    let mut random = Random(sender as u64);
    for number in 0..MESSAGES {
        let place = random.below(CONNECTIONS);
        let (target, is_recipient): (_, Box<dyn Fn(usize) -> bool + Send>) = match random.below(8) {
            0 => (
                Target::Connections(vec![readers[place].connection.id.clone()]),
                Box::new(move |at| at == place),
            ),
            1..4 => {
                let group = place % GROUPS;
                (Target::Group(format!("{group}").as_str().into()), Box::new(move |at| at % GROUPS == group))
            }
            _ => (Target::All, Box::new(|_| true)),
        };
        let recipients = readers.iter().enumerate().filter(|(place, _)| is_recipient(*place));
        recipients.for_each(|(_, reader)| _ = reader.expected.fetch_add(1, Ordering::Relaxed));
        let message = Numbered { sender, number, sent_at: began.elapsed().as_micros() };
        router::send(&engine, &target, &message, None).await.unwrap();
        // Some that run for a reason of their own.
        for _ in 0..random.below(64) {
            if let Some(waker) = &*readers[random.below(CONNECTIONS)].waker.lock() {
                waker.wake_by_ref();
            }
        }
        let waiting = engine.context.wake_portions.waiting();
        assert!(waiting <= MANY_WAKERS.max(3 * CONNECTIONS), "{waiting}");
        if random.below(16) == 0 {
            tokio::time::sleep(Duration::from_millis(random.below(4) as u64)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// Closes some connections, which get what comes until then.
async fn close_some(engine: &Engine, readers: &[Reader]) {
    for reader in readers.iter().step_by(17) {
        engine.index.remove(&reader.connection);
        reader.is_closed.store(true, Ordering::Relaxed);
        reader.connection.mailbox.close();
        if let Some(waker) = &*reader.waker.lock() {
            waker.wake_by_ref();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn whoever_sends_what_to_whom_everybody_receives_everything_in_order_and_in_time() {
    let (engine, began) = (engine(Hub::new("hub")), Instant::now());
    engine.context.runtime.note();
    let readers: Vec<_> = (0..CONNECTIONS)
        .map(|place| {
            let connection = handle(&format!("c{place}"));
            engine.index.add(&connection);
            engine.index.join(&format!("{}", place % GROUPS).as_str().into(), &connection);
            let (expected, received) = (AtomicU64::new(0), AtomicU64::new(0));
            Reader {
                connection,
                expected,
                received,
                waker: Mutex::new(None),
                is_closed: AtomicBool::new(false),
            }
        })
        .collect();
    let readers = Arc::new(readers);
    let (mut reading, mut sending) = (JoinSet::new(), JoinSet::new());
    for place in 0..CONNECTIONS {
        let (readers, mut last) = (readers.clone(), [None; SENDERS]);
        reading.spawn(async move { poll_fn(|cx| readers[place].poll(cx, &mut last, began)).await });
    }
    for sender in 0..SENDERS {
        sending.spawn(send_all(engine.clone(), readers.clone(), sender, began));
    }
    close_some(&engine, &readers).await;
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
    let has_all = |reader: &Reader| {
        reader.is_closed.load(Ordering::Relaxed)
            || reader.received.load(Ordering::Relaxed) == reader.expected.load(Ordering::Relaxed)
    };
    eventually("all messages", async || readers.iter().all(has_all)).await;
    while let Some(ended) = reading.try_join_next() {
        ended.unwrap();
    }
}
