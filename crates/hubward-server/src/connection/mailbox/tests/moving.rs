//! What a mailbox does whose connection moves, beside what the model checks.

use std::sync::Arc;

use hubward_types::GroupName;

use super::*;
use crate::connection::mailbox::moving::{Forward, MailboxCannotMove};
use crate::delivery::message_id::{MessageId, SenderKey, TopicKey};

fn topic_key() -> TopicKey {
    TopicKey::group(&GroupName::from("ward:7"))
}

fn id(number: u64) -> MessageId {
    MessageId::new(topic_key(), SenderKey::of(&"node-1".into()), number)
}

fn no_forward() -> Forward {
    Arc::new(|_| panic!("nothing is forwarded"))
}

#[test]
fn what_the_first_of_three_nodes_has_delivered_is_not_delivered_by_the_third() {
    let second = large_mailbox().prepared();
    second.open(topic_key());
    second.start([id(1), id(2), id(3)]).unwrap();
    second.push_from(frame(), Source::Received(id(1)));
    second.record().unwrap();
    second.push_from(frame(), Source::Received(id(2)));
    second.push_from(frame(), Source::Received(id(4)));
    assert_eq!(take(&second).0, 1);
    let delivered = second.cut(no_forward()).unwrap().delivered;
    let third = large_mailbox().prepared();
    third.open(topic_key());
    for number in 2..6 {
        third.push_from(frame(), Source::Received(id(number)));
    }
    third.start(delivered).unwrap();
    assert_eq!(take(&third).0, 1);
}

#[test]
fn what_the_other_node_has_delivered_and_comes_late_is_dropped_until_the_mailbox_settles() {
    let mailbox = large_mailbox().prepared();
    mailbox.start([id(1), id(1), id(2)]).unwrap();
    for number in [1, 1, 1] {
        mailbox.push_from(frame(), Source::Received(id(number)));
    }
    assert_eq!(take(&mailbox).0, 1, "it was delivered twice there");
    mailbox.settle();
    mailbox.push_from(frame(), Source::Received(id(2)));
    assert_eq!(take(&mailbox).0, 1);
}

#[test]
fn a_mailbox_that_could_not_record_or_keep_all_does_not_move() {
    let recording = large_mailbox();
    recording.record().unwrap();
    assert_eq!(recording.record(), Err(MailboxCannotMove::Busy));
    recording.push_from(frame(), Source::Unnumbered);
    assert_eq!(recording.cut(no_forward()).unwrap_err(), MailboxCannotMove::Incomplete);
    recording.stay();
    assert_eq!(take(&recording).0, 1);
    let prepared = mailbox(1, 1 << 20).prepared();
    for _ in 0..=HARD_LIMIT {
        prepared.push_from(frame(), Source::Direct);
    }
    assert_eq!(prepared.start([]), Err(MailboxCannotMove::Incomplete));
    assert_eq!(prepared.abandon().len(), HARD_LIMIT);
    assert_eq!(large_mailbox().cut(no_forward()).unwrap_err(), MailboxCannotMove::Busy);
}

#[test]
fn a_mailbox_that_was_cut_and_kept_too_much_closes_its_connection_where_it_stays() {
    let mailbox = mailbox(1, 1 << 20);
    mailbox.record().unwrap();
    mailbox.cut(no_forward()).unwrap();
    for number in 0..=HARD_LIMIT as u64 {
        mailbox.push_from(frame(), Source::Received(id(number)));
    }
    mailbox.stay();
    assert!(is_closed_as_slow(&mailbox));
}
