//! A connection moves from one node to another at any point, whatever the order in which messages arrive: none is lost, none comes
//! twice, and those of one sender to one topic, or to the connection alone, keep their order.
//!
//! The model has the real mailboxes. Three nodes send: the old one, the new one and a third. A message broker keeps one order
//! for each topic, and none across topics; each node receives each topic as late as it likes. A send has three steps, between
//! which anything may happen: it begins, it is put into the mailboxes of its own node, it is published.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use hubward_types::{GroupName, NodeId};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::delivery::message_id::{MessageId, SenderKey, TopicKey};

const OLD: usize = 0;
const NEW: usize = 1;
const THIRD: usize = 2;
const TOPICS: usize = 2;

/// What is sent: by which node, to which topic or to the connection alone, and which one of those it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Message {
    sender: usize,
    topic: Option<usize>,
    number: usize,
}

/// What is published on a channel.
#[derive(Clone, Copy, Debug)]
enum Published {
    Message(Message),
    Marker { from: usize },
}

/// A channel of the broker: a topic, or what is for one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Channel {
    Topic(usize),
    Node(usize),
}

/// A send between its steps.
#[derive(Clone, Copy, Debug)]
struct Sending {
    message: Message,
    /// Whether it was put into the mailboxes of its node, and the connection's was among them.
    put: Option<bool>,
    /// Whether the next step of the move waits until it is published.
    is_awaited: bool,
}

/// How far the move is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Before,
    Recorded,
    Prepared,
    Marked,
    Cut,
    Over,
}

struct Model {
    mailboxes: [Mailbox; 2],
    /// What the client gets.
    received: Vec<Message>,
    channels: BTreeMap<Channel, Vec<Published>>,
    /// How far a node has read a channel.
    read: HashMap<(usize, Channel), usize>,
    /// Whether a node has the connection in its index.
    has_it: [bool; 2],
    sending: Vec<Sending>,
    /// How many messages each sender has sent to each topic.
    sent: HashMap<(usize, Option<usize>), usize>,
    phase: Phase,
    /// How many markers have come back.
    marked: usize,
    cut: Option<CutMailbox>,
    /// What the old node forwards.
    forwarded: Arc<Mutex<Vec<Message>>>,
    /// Whether the connection has moved, so that its client is at the new node.
    has_moved: bool,
}

fn frame_of(Message { sender, topic, number }: Message) -> Frame {
    let topic = topic.map_or(String::new(), |topic| topic.to_string());
    completion(Protocol::Json, &format!("{sender} {topic} {number}"), &"text").unwrap()
}

fn message_of(frame: &Frame) -> Message {
    let text = String::from_utf8(frame.message().to_vec()).unwrap();
    let id = text.split("\"invocationId\":\"").nth(1).unwrap().split('"').next().unwrap();
    let fields: Vec<_> = id.split(' ').collect();
    let field = |place: usize| fields[place].parse().ok();
    Message { sender: field(0).unwrap(), topic: field(1), number: field(2).unwrap() }
}

fn topic_key(topic: usize) -> TopicKey {
    TopicKey::group(&GroupName::from(format!("g{topic}")))
}

fn id_of(message: Message, topic: usize) -> MessageId {
    let sender = SenderKey::of(&NodeId::from(format!("node-{}", message.sender)));
    // A sender's numbers are of all its topics.
    let number = message.number * TOPICS + topic;
    MessageId::new(topic_key(topic), sender, number as u64)
}

impl Model {
    fn new() -> Self {
        let channels = (0..TOPICS).map(Channel::Topic).chain((0..2).map(Channel::Node));
        Self {
            mailboxes: [large_mailbox(), large_mailbox().prepared()],
            received: Vec::new(),
            channels: channels.map(|channel| (channel, Vec::new())).collect(),
            read: HashMap::new(),
            has_it: [true, false],
            sending: Vec::new(),
            sent: HashMap::new(),
            phase: Phase::Before,
            marked: 0,
            cut: None,
            forwarded: Arc::default(),
            has_moved: false,
        }
    }

    /// One step of whatever can happen.
    fn step(&mut self, choice: usize, stays: bool) {
        let (kind, choice) = (choice % 8, choice / 8);
        match kind {
            0 | 1 => self.begin_send(choice),
            2 | 3 => self.go_on_sending(choice),
            4 | 5 => self.receive(choice),
            6 => self.move_on(stays),
            _ => self.drain(),
        }
        let forwarded = std::mem::take(&mut *self.forwarded.lock());
        forwarded
            .into_iter()
            .for_each(|message| self.publish(Channel::Node(NEW), Published::Message(message)));
    }

    fn publish(&mut self, channel: Channel, published: Published) {
        self.channels.get_mut(&channel).unwrap().push(published);
    }

    /// A node sends to a topic, or to the connection, when what it has sent there before is published.
    fn begin_send(&mut self, choice: usize) {
        let (sender, topic) = (choice % 3, choice / 3 % (TOPICS + 1));
        let topic = (topic < TOPICS).then_some(topic);
        let is_same = |sending: &Sending| sending.message.sender == sender && sending.message.topic == topic;
        if self.sending.iter().any(is_same) {
            return;
        }
        let sent = self.sent.entry((sender, topic)).or_default();
        let message = Message { sender, topic, number: *sent };
        *sent += 1;
        self.sending.push(Sending { message, put: None, is_awaited: false });
    }

    fn go_on_sending(&mut self, choice: usize) {
        let Some(place) = choice.checked_rem(self.sending.len()) else { return };
        let Sending { message, put, .. } = self.sending[place];
        match put {
            None => self.sending[place].put = Some(self.put(message)),
            Some(was_put) => {
                self.sending.remove(place);
                match message.topic {
                    Some(topic) => self.publish(Channel::Topic(topic), Published::Message(message)),
                    // Other nodes look in their cache, which has the old node as long as it lives.
                    None if !was_put => self.publish(Channel::Node(OLD), Published::Message(message)),
                    None => {}
                }
            }
        }
    }

    /// Puts a message into the mailbox of the connection, if its node has it.
    fn put(&self, message: Message) -> bool {
        if message.sender == THIRD || !self.has_it[message.sender] {
            return false;
        }
        let source = message.topic.map_or(Source::Direct, |topic| Source::Sent(id_of(message, topic)));
        self.mailboxes[message.sender].push_from(frame_of(message), source);
        true
    }

    /// A node receives what comes next on a channel.
    fn receive(&mut self, choice: usize) {
        let (node, channel) = match choice % (2 * TOPICS + 2) {
            node @ 0..2 => (node, Channel::Node(node)),
            choice => (choice % 2, Channel::Topic(choice / 2 - 1)),
        };
        let read = self.read.entry((node, channel)).or_default();
        let Some(published) = self.channels[&channel].get(*read).copied() else { return };
        *read += 1;
        let has_it = self.has_it[node];
        match (published, channel) {
            (Published::Message(message), Channel::Topic(topic)) if has_it && message.sender != node => {
                let source = Source::Received(id_of(message, topic));
                self.mailboxes[node].push_from(frame_of(message), source);
            }
            (Published::Message(message), Channel::Node(_)) if has_it => {
                self.mailboxes[node].push_from(frame_of(message), Source::ReceivedDirect);
            }
            (Published::Marker { from: OLD }, Channel::Topic(topic)) if node == NEW => {
                self.mailboxes[NEW].open(topic_key(topic));
                self.publish(channel, Published::Marker { from: NEW });
            }
            (Published::Marker { from: NEW }, _) if node == OLD => self.marked += 1,
            _ => {}
        }
    }

    /// Does the next step of the move, as soon as that may be done.
    fn move_on(&mut self, stays: bool) {
        let is_published = !self.sending.iter().any(|sending| sending.is_awaited);
        self.phase = match self.phase {
            Phase::Before => {
                self.mailboxes[OLD].record().unwrap();
                self.await_sends(OLD);
                Phase::Recorded
            }
            Phase::Recorded => {
                self.has_it[NEW] = true;
                self.await_sends(NEW);
                Phase::Prepared
            }
            Phase::Prepared if is_published => {
                (0..TOPICS)
                    .for_each(|topic| self.publish(Channel::Topic(topic), Published::Marker { from: OLD }));
                self.publish(Channel::Node(OLD), Published::Marker { from: NEW });
                Phase::Marked
            }
            Phase::Marked if self.marked == TOPICS + 1 => {
                let forwarded = self.forwarded.clone();
                let forward = move |frame: Frame| forwarded.lock().push(message_of(&frame));
                self.cut = Some(self.mailboxes[OLD].cut(Arc::new(forward)).unwrap());
                Phase::Cut
            }
            Phase::Cut if stays => {
                self.has_it[NEW] = false;
                self.await_sends(NEW);
                // Those that have the mailbox in their hands put their messages in before it is abandoned.
                let direct = self.mailboxes[NEW].abandon();
                for frame in &direct {
                    self.publish(Channel::Node(OLD), Published::Message(message_of(frame)));
                }
                self.mailboxes[OLD].stay();
                Phase::Over
            }
            Phase::Cut => {
                let CutMailbox { frames, delivered } = self.cut.take().unwrap();
                self.take(frames);
                self.mailboxes[NEW].start(delivered).unwrap();
                self.mailboxes[OLD].moved();
                // Its task ends.
                self.mailboxes[OLD].close();
                self.has_moved = true;
                Phase::Over
            }
            phase => phase,
        };
    }

    fn await_sends(&mut self, node: usize) {
        let of_node = self.sending.iter_mut().filter(|sending| sending.message.sender == node);
        of_node.for_each(|sending| sending.is_awaited = true);
    }

    /// The connection's task takes what waits. It is stopped from the cut on.
    fn drain(&mut self) {
        if self.phase != Phase::Cut {
            let mut frames = VecDeque::new();
            let node = if self.has_moved { NEW } else { OLD };
            self.mailboxes[node].take(usize::MAX, &mut frames, &mut Vec::new(), None);
            self.take(frames);
        }
    }

    fn take(&mut self, frames: VecDeque<Frame>) {
        self.received.extend(frames.iter().map(message_of));
    }

    /// Lets all that has begun come to its end.
    fn finish(&mut self, stays: bool) {
        for round in 0..1_500 {
            [2, 4, 6, 7].into_iter().for_each(|kind| self.step(round * 8 + kind, stays));
        }
        assert_eq!((self.phase, self.sending.len()), (Phase::Over, 0));
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for ((sender, topic), sent) in &self.sent {
            let of_one = |message: &&Message| message.sender == *sender && message.topic == *topic;
            let received: Vec<_> =
                self.received.iter().filter(of_one).map(|message| message.number).collect();
            let all: Vec<_> = (0..*sent).collect();
            prop_assert_eq!(received, all, "what node {} has sent to {:?}", sender, topic);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whenever_a_connection_moves_each_message_is_delivered_once_and_in_order(
        choices in proptest::collection::vec(any::<u16>(), 0..400),
    ) {
        let mut model = Model::new();
        choices.into_iter().for_each(|choice| model.step(choice.into(), false));
        model.finish(false);
        model.check()?;
    }

    #[test]
    fn whenever_a_connection_stays_after_all_each_message_is_delivered_once_and_in_order(
        choices in proptest::collection::vec(any::<u16>(), 0..400),
    ) {
        let mut model = Model::new();
        choices.into_iter().for_each(|choice| model.step(choice.into(), true));
        model.finish(true);
        model.check()?;
    }
}
