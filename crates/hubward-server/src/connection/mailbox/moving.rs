//! What becomes of messages in the mailbox of a connection that moves to another node: data, and the rules of it. `handing_over.rs`
//! has the steps.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use hubward_proto::Frame;

use crate::delivery::message_id::{MessageId, Source, TopicKey};

/// How many messages are recorded. A connection that gets more while it moves stays where it is.
const RECORDED_MESSAGES: usize = 16 * 1024;

/// Takes what is sent to a connection alone to its new node, in the order of the calls. It is called under no lock.
pub(crate) type Forward = Arc<dyn Fn(Frame) + Send + Sync>;

/// What becomes of messages in a mailbox whose connection moves.
pub(super) enum MovingMailbox {
    Recording(Recording),
    Cut(CutState),
    Moved(Forwarding),
    Prepared(Prepared),
    Started(Recorded),
}

/// What a message that is put in has to be done with.
pub(super) enum PutOutcome {
    /// It is delivered.
    Deliver(Frame),
    /// Nothing more.
    Done,
    /// It is forwarded, behind what waits in the queue.
    Forward,
}

/// Messages that were delivered, each as often as it was: a sender may name a group twice.
#[derive(Default)]
pub(super) struct Recorded {
    messages: HashMap<MessageId, u32>,
    count: usize,
}

/// What is delivered before the cut.
#[derive(Default)]
pub(super) struct Recording {
    here: Recorded,
    /// Whether something was delivered that could not be recorded.
    is_incomplete: bool,
    /// What the node that the connection came from has delivered.
    elsewhere: Recorded,
}

/// What comes after the cut.
pub(super) struct CutState {
    /// What waited before.
    pub(super) waited: VecDeque<Frame>,
    pub(super) kept: Kept,
    pub(super) forwarding: Forwarding,
}

/// Messages that wait, in order, within bounds.
pub(super) struct Kept {
    pub(super) frames: VecDeque<(Source, Frame)>,
    bytes: usize,
    most_messages: usize,
    most_bytes: usize,
    pub(super) is_overfull: bool,
}

/// What is on its way to the new node.
pub(super) struct Forwarding {
    pub(super) forward: Forward,
    /// Bounded by the threads that put something in while one of them forwards.
    pub(super) queue: VecDeque<Frame>,
    /// Whether a thread forwards what is in the queue.
    pub(super) is_running: bool,
}

/// What comes before the connection starts.
pub(super) struct Prepared {
    /// The topics whose messages are kept.
    open: HashSet<TopicKey>,
    kept: Kept,
    is_incomplete: bool,
}

/// Why a connection does not move, as far as its mailbox is concerned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MailboxCannotMove {
    #[error("the connection is closing, or moves already")]
    Busy,
    #[error("too much came while the connection moved, or came of a node of an earlier version")]
    Incomplete,
}

impl MovingMailbox {
    /// Puts in a message.
    pub(super) fn put(&mut self, frame: Frame, source: Source) -> PutOutcome {
        let is_direct = matches!(source, Source::Direct | Source::ReceivedDirect);
        match self {
            Self::Recording(recording) => if_new(recording.note(source), frame),
            Self::Started(elsewhere) => if_new(!elsewhere.remove(source), frame),
            Self::Prepared(prepared) => {
                prepared.put(frame, source);
                PutOutcome::Done
            }
            Self::Cut(cut) => {
                cut.kept.push(source, frame.clone());
                cut.forwarding.put(is_direct.then_some(frame))
            }
            Self::Moved(forwarding) => forwarding.put(is_direct.then_some(frame)),
        }
    }

    /// Whether messages are taken also when the connection has been closed on this node.
    pub(super) fn takes_after_closing(&self) -> bool {
        matches!(self, Self::Moved(_))
    }

    /// What is to be forwarded, where there is such a thing.
    pub(super) fn forwarding(&mut self) -> Option<&mut Forwarding> {
        match self {
            Self::Cut(cut) => Some(&mut cut.forwarding),
            Self::Moved(forwarding) => Some(forwarding),
            Self::Recording(_) | Self::Prepared(_) | Self::Started(_) => None,
        }
    }
}

fn if_new(is_new: bool, frame: Frame) -> PutOutcome {
    if is_new { PutOutcome::Deliver(frame) } else { PutOutcome::Done }
}

impl Recorded {
    pub(super) fn of(messages: impl IntoIterator<Item = MessageId>) -> Self {
        let mut recorded = Self::default();
        messages.into_iter().for_each(|id| recorded.add(id));
        recorded
    }

    fn add(&mut self, id: MessageId) {
        self.count += 1;
        *self.messages.entry(id).or_default() += 1;
    }

    /// Removes a message once; false where it is not there.
    pub(super) fn remove(&mut self, source: Source) -> bool {
        let (Source::Sent(id) | Source::Received(id)) = source else { return false };
        let Some(times) = self.messages.get_mut(&id) else { return false };
        *times -= 1;
        if *times == 0 {
            self.messages.remove(&id);
        }
        self.count -= 1;
        true
    }

    fn into_ids(self) -> impl Iterator<Item = MessageId> {
        self.messages.into_iter().flat_map(|(id, times)| std::iter::repeat_n(id, times as usize))
    }
}

impl Recording {
    /// Begins with what the node that the connection came from has delivered, as far as it has not come here.
    pub(super) fn begin(elsewhere: Recorded) -> Self {
        Self { elsewhere, ..Self::default() }
    }

    /// Notes a message; returns whether it is to be delivered.
    fn note(&mut self, source: Source) -> bool {
        match source {
            Source::Sent(id) | Source::Received(id) => {
                if self.here.count + self.elsewhere.count < RECORDED_MESSAGES {
                    // Also where another node has delivered it: the next one has to know.
                    self.here.add(id);
                } else {
                    self.is_incomplete = true;
                }
                !self.elsewhere.remove(source)
            }
            Source::Unnumbered => {
                self.is_incomplete = true;
                true
            }
            Source::Own | Source::Direct | Source::ReceivedDirect => true,
        }
    }

    /// Ends the recording without a cut; returns what the node that the connection came from has delivered.
    pub(super) fn stop(self) -> Recorded {
        self.elsewhere
    }

    /// Returns all that was delivered.
    pub(super) fn end(&mut self) -> Result<Vec<MessageId>, MailboxCannotMove> {
        if self.is_incomplete {
            return Err(MailboxCannotMove::Incomplete);
        }
        let Self { here, elsewhere, .. } = std::mem::take(self);
        Ok(here.into_ids().chain(elsewhere.into_ids()).collect())
    }
}

impl Kept {
    /// Keeps no more than this.
    pub(super) fn within(most_messages: usize, most_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, most_messages, most_bytes, is_overfull: false }
    }

    fn push(&mut self, source: Source, frame: Frame) {
        if self.frames.len() >= self.most_messages || self.bytes >= self.most_bytes {
            self.is_overfull = true;
            return;
        }
        self.bytes += frame.len();
        self.frames.push_back((source, frame));
    }
}

impl Forwarding {
    pub(super) fn new(forward: Forward) -> Self {
        Self { forward, queue: VecDeque::new(), is_running: false }
    }

    fn put(&mut self, direct: Option<Frame>) -> PutOutcome {
        let Some(frame) = direct else { return PutOutcome::Done };
        self.queue.push_back(frame);
        if std::mem::replace(&mut self.is_running, true) { PutOutcome::Done } else { PutOutcome::Forward }
    }
}

impl Prepared {
    pub(super) fn new(kept: Kept) -> Self {
        Self { open: HashSet::new(), kept, is_incomplete: false }
    }

    /// Keeps what comes on a topic from now on.
    pub(super) fn open(&mut self, topic: TopicKey) {
        self.open.insert(topic);
    }

    fn put(&mut self, frame: Frame, source: Source) {
        match source {
            // The old node delivers it.
            Source::Received(id) if !self.open.contains(&id.topic()) => {}
            Source::Unnumbered => self.is_incomplete = true,
            _ => self.kept.push(source, frame),
        }
    }

    /// Takes what was kept.
    pub(super) fn take(&mut self) -> Result<VecDeque<(Source, Frame)>, MailboxCannotMove> {
        if self.is_incomplete || self.kept.is_overfull {
            return Err(MailboxCannotMove::Incomplete);
        }
        Ok(std::mem::take(&mut self.kept.frames))
    }

    /// Takes what was sent on this node to the connection alone.
    pub(super) fn take_direct(&mut self) -> Vec<Frame> {
        let direct = |(source, frame)| (source == Source::Direct).then_some(frame);
        std::mem::take(&mut self.kept.frames).into_iter().filter_map(direct).collect()
    }
}
