//! Items that move, those that stay, and those that fail.

use hubward_hub::Hub;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;
use crate::testing::log::CapturedLog;
use crate::testing::{engine, handle};

/// A value whose own code fails, in one of several ways.
#[derive(Clone, Default)]
struct Failing {
    panics: bool,
}

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        assert!(!self.panics, "a test's panic");
        Err(serde::ser::Error::custom("not today"))
    }
}

impl<'de> Deserialize<'de> for Failing {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a test's panic")
    }
}

fn hub() -> Hub {
    Hub::new("hub")
        .persist_item::<u32>("number")
        .persist_item::<Failing>("failing")
        .persist_item::<String>("text")
}

#[tokio::test]
async fn items_move_whose_type_is_persisted_and_no_others() {
    let (here, there) = (engine(hub()), engine(hub()));
    let (before, after) = (handle("c1"), handle("c1"));
    before.items().insert(7_u32);
    before.items().insert(7_i64);
    before.items().insert("seven".to_owned());
    let saved = save(&here, &before);
    restore(&there, &after, &saved);
    assert_eq!(after.items().cloned::<u32>(), Some(7));
    assert_eq!(after.items().cloned::<String>().as_deref(), Some("seven"));
    assert_eq!(after.items().cloned::<i64>(), None);
}

#[tokio::test]
async fn an_item_whose_own_code_fails_is_reported_and_left_behind() {
    for panics in [false, true] {
        let log = CapturedLog::start();
        let (engine, before) = (engine(hub()), handle("c1"));
        before.items().insert(Failing { panics });
        before.items().insert("seven".to_owned());
        let saved = save(&engine, &before);
        assert_eq!(saved.len(), 1);
        let expected = match panics {
            false => "WARN An item could not be moved.",
            true => "ERROR An item panicked while it was moved.",
        };
        assert_eq!(log.messages(), [expected]);
        let after = handle("c1");
        let failing = SavedItem { name: "failing".to_owned(), value: vec![0xC0] };
        restore(&engine, &after, &[vec![failing], saved].concat());
        assert_eq!(after.items().cloned::<String>().as_deref(), Some("seven"));
        assert_eq!(log.messages(), [expected, "ERROR An item panicked while it was moved."]);
    }
}

#[tokio::test]
async fn an_item_that_this_hub_does_not_know_is_left_out() {
    let log = CapturedLog::start();
    let (engine, connection) = (engine(hub()), handle("c1"));
    let unknown = SavedItem { name: "ward".to_owned(), value: vec![7] };
    restore(&engine, &connection, &[unknown]);
    let lines = log.lines(tracing::Level::WARN);
    assert!(lines.len() == 1 && lines[0].contains("item=\"ward\""), "{lines:?}");
}
