//! Listing the members of a group page by page.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::hub_store::{HubStore, connection, user};
use crate::conformance::stores::NewStores;
use crate::conformance::wait::eventually;
use crate::group_store::{Cursor, MAX_PAGE_MEMBERS, Member, StoreError};

/// Lists a group page by page, does something between the pages, and counts how often each member was listed.
async fn list(store: &HubStore, limit: usize, between: impl AsyncFn(usize)) -> BTreeMap<Member, usize> {
    let mut listed = BTreeMap::new();
    let mut cursor = None;
    for step in 0.. {
        let page = store.page("ward:7", cursor, limit).await;
        assert!(page.members.len() <= limit, "{} members on a page of {limit}", page.members.len());
        for member in page.members {
            *listed.entry(member).or_default() += 1;
        }
        // As a caller does that has handed the cursor to somebody else and got it back as a string.
        cursor = page.next.map(|next| Cursor::new(next.as_str()));
        if cursor.is_none() {
            break;
        }
        assert!(step < 100_000, "the listing ends");
        between(step).await;
    }
    listed
}

pub async fn a_page_has_no_more_members_than_the_limit_or_the_maximum(new: &NewStores) {
    let store = HubStore::new(new);
    for number in 0..MAX_PAGE_MEMBERS + 1 {
        store.join("ward:7", &format!("c{number}")).await;
    }
    for (limit, most) in [(0, 1), (1, 1), (7, 7), (usize::MAX, MAX_PAGE_MEMBERS)] {
        let page = store.page("ward:7", None, limit).await;
        assert!(page.members.len() <= most, "{} members where the limit is {limit}", page.members.len());
        assert!(page.next.is_some());
    }
}

pub async fn ten_thousand_members_are_listed_once_each(new: &NewStores) {
    let store = HubStore::new(new);
    let names: Vec<_> = (0..5_000).map(|number| format!("m{number}")).collect();
    for chunk in names.chunks(100) {
        join_all(chunk.iter().map(|name| store.join("ward:7", name))).await;
        join_all(chunk.iter().map(|name| store.add_user("ward:7", name, None))).await;
    }
    assert_eq!(store.count("ward:7").await, 10_000);
    for limit in [333, 1_000] {
        let listed = list(&store, limit, async |_| ()).await;
        assert_eq!(listed.len(), 10_000);
        assert!(listed.values().all(|times| *times == 1), "somebody was listed twice");
    }
}

pub async fn a_member_that_stays_is_listed_once_while_others_come_and_go(new: &NewStores) {
    let store = HubStore::new(new);
    for number in 0..200 {
        store.join("ward:7", &format!("stays{number}")).await;
        store.join("ward:7", &format!("goes{number}")).await;
        store.add_user("ward:7", &format!("stays{number}"), None).await;
    }
    let listed = list(&store, 10, async |step| {
        for number in step * 10..step * 10 + 10 {
            store.leave("ward:7", &format!("goes{}", 199_usize.saturating_sub(number))).await;
            store.join("ward:7", &format!("comes{number}")).await;
            store.add_user("ward:7", &format!("a{number}"), None).await;
            // A member that is added again stays a member.
            store.join("ward:7", &format!("stays{}", number % 200)).await;
            store.add_user("ward:7", &format!("stays{}", number % 200), None).await;
        }
    });
    let listed = listed.await;
    for number in 0..200 {
        let name = format!("stays{number}");
        assert_eq!(listed.get(&connection(&name)), Some(&1), "{name} as a connection");
        assert_eq!(listed.get(&user(&name)), Some(&1), "{name} as a user");
    }
}

pub async fn a_listing_continues_after_the_member_it_stopped_at_has_left(new: &NewStores) {
    let store = HubStore::new(new);
    for number in 0..10 {
        store.join("ward:7", &format!("c{number}")).await;
    }
    let first = store.page("ward:7", None, 5).await;
    for member in &first.members {
        let Member::Connection(connection) = member else { panic!("{member:?} never joined") };
        store.leave("ward:7", connection.as_str()).await;
    }
    let mut listed = first.members;
    let mut cursor = first.next;
    while cursor.is_some() {
        let page = store.page("ward:7", cursor, 5).await;
        listed.extend(page.members);
        cursor = page.next;
    }
    listed.sort();
    assert_eq!(listed, (0..10).map(|number| connection(&format!("c{number}"))).collect::<Vec<_>>());
}

pub async fn a_listing_does_not_show_expired_members(new: &NewStores) {
    let store = HubStore::new(new);
    for number in 0..10 {
        let ttl = (number % 2 == 0).then_some(Duration::from_millis(50));
        store.add_user("ward:7", &format!("u{number}"), ttl).await;
    }
    eventually("those with a time to live expire", async || store.members("ward:7").await.len() == 5).await;
    let left: Vec<_> = (1..10).step_by(2).map(|number| user(&format!("u{number}"))).collect();
    assert_eq!(store.members("ward:7").await, left);
}

pub async fn a_string_that_is_not_a_cursor_is_refused(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    for cursor in ["", "\0", "-1", "nonsense", "18446744073709551616"] {
        let refused =
            store.inner.members(&"clinical".into(), &"ward:7".into(), Some(Cursor::new(cursor)), 10).await;
        assert!(matches!(refused, Err(StoreError::InvalidCursor)), "{cursor:?} gave {refused:?}");
    }
}
