//! What every group store must do about listings.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::eventually;
use super::store::{Clinic, Stores, connection, user};
use crate::{Cursor, MAX_PAGE_MEMBERS, Member, StoreError};

/// Lists a group page by page, does something between the pages, and counts how often each member was listed.
async fn list(clinic: &Clinic, limit: usize, between: impl AsyncFn(usize)) -> BTreeMap<Member, usize> {
    let mut listed = BTreeMap::new();
    let mut cursor = None;
    for step in 0.. {
        let page = clinic.page("ward:7", cursor, limit).await;
        assert!(page.members.len() <= limit, "{} members on a page of {limit}", page.members.len());
        for member in page.members {
            *listed.entry(member).or_default() += 1;
        }
        // As a caller may do who handed the cursor to somebody else.
        cursor = page.next.map(|next| Cursor::new(next.as_str()));
        if cursor.is_none() {
            break;
        }
        assert!(step < 100_000, "the listing ends");
        between(step).await;
    }
    listed
}

pub async fn a_page_holds_no_more_than_was_asked_for_or_is_allowed(store: &Stores) {
    let clinic = Clinic::new(store);
    for number in 0..MAX_PAGE_MEMBERS + 1 {
        clinic.join("ward:7", &format!("c{number}")).await;
    }
    for (limit, most) in [(0, 1), (1, 1), (7, 7), (usize::MAX, MAX_PAGE_MEMBERS)] {
        let page = clinic.page("ward:7", None, limit).await;
        assert!(page.members.len() <= most, "{} members where {limit} were asked for", page.members.len());
        assert!(page.next.is_some());
    }
}

pub async fn ten_thousand_members_are_listed_once_each(store: &Stores) {
    let clinic = Clinic::new(store);
    let names: Vec<_> = (0..5_000).map(|number| format!("m{number}")).collect();
    for chunk in names.chunks(100) {
        join_all(chunk.iter().map(|name| clinic.join("ward:7", name))).await;
        join_all(chunk.iter().map(|name| clinic.admit("ward:7", name, None))).await;
    }
    assert_eq!(clinic.count("ward:7").await, 10_000);
    for limit in [333, 1_000] {
        let listed = list(&clinic, limit, async |_| ()).await;
        assert_eq!(listed.len(), 10_000);
        assert!(listed.values().all(|times| *times == 1), "somebody was listed twice");
    }
}

pub async fn who_stays_is_listed_once_while_others_come_and_go(store: &Stores) {
    let clinic = Clinic::new(store);
    for number in 0..200 {
        clinic.join("ward:7", &format!("stays{number}")).await;
        clinic.join("ward:7", &format!("goes{number}")).await;
        clinic.admit("ward:7", &format!("stays{number}"), None).await;
    }
    let listed = list(&clinic, 10, async |step| {
        for number in step * 10..step * 10 + 10 {
            clinic.leave("ward:7", &format!("goes{}", 199_usize.saturating_sub(number))).await;
            clinic.join("ward:7", &format!("comes{number}")).await;
            clinic.admit("ward:7", &format!("a{number}"), None).await;
            // Who joins again, or whose time is renewed, has been a member throughout.
            clinic.join("ward:7", &format!("stays{}", number % 200)).await;
            clinic.admit("ward:7", &format!("stays{}", number % 200), None).await;
        }
    });
    let listed = listed.await;
    for number in 0..200 {
        let name = format!("stays{number}");
        assert_eq!(listed.get(&connection(&name)), Some(&1), "{name} as a connection");
        assert_eq!(listed.get(&user(&name)), Some(&1), "{name} as a user");
    }
}

pub async fn a_listing_goes_on_after_the_member_it_stopped_at_left(store: &Stores) {
    let clinic = Clinic::new(store);
    for number in 0..10 {
        clinic.join("ward:7", &format!("c{number}")).await;
    }
    let first = clinic.page("ward:7", None, 5).await;
    for member in &first.members {
        let Member::Connection(connection) = member else { panic!("{member:?} never joined") };
        clinic.leave("ward:7", connection.as_str()).await;
    }
    let mut listed = first.members;
    let mut cursor = first.next;
    while cursor.is_some() {
        let page = clinic.page("ward:7", cursor, 5).await;
        listed.extend(page.members);
        cursor = page.next;
    }
    listed.sort();
    assert_eq!(listed, (0..10).map(|number| connection(&format!("c{number}"))).collect::<Vec<_>>());
}

pub async fn a_listing_does_not_show_who_has_lapsed(store: &Stores) {
    let clinic = Clinic::new(store);
    for number in 0..10 {
        let ttl = (number % 2 == 0).then_some(Duration::from_millis(50));
        clinic.admit("ward:7", &format!("u{number}"), ttl).await;
    }
    eventually("those with a time to live lapse", async || clinic.members("ward:7").await.len() == 5).await;
    let left: Vec<_> = (1..10).step_by(2).map(|number| user(&format!("u{number}"))).collect();
    assert_eq!(clinic.members("ward:7").await, left);
}

pub async fn a_cursor_that_is_none_is_refused(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("ward:7", "c1").await;
    for text in ["", "\0", "-1", "nonsense", "18446744073709551616"] {
        let refused =
            clinic.store.members(&"clinical".into(), &"ward:7".into(), Some(Cursor::new(text)), 10).await;
        assert!(matches!(refused, Err(StoreError::InvalidCursor)), "{text:?} gave {refused:?}");
    }
}
