//! Tests of who holds a permit, and of who gets it back in which order.

use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;

fn limits(parallel: usize, total: usize) -> CallLimits {
    let options = HubOptions {
        maximum_parallel_invocations: parallel,
        calls_per_connection: total,
        ..HubOptions::default()
    };
    CallLimits::of(&options)
}

/// Permits that these calls hold.
fn held_by(calls: impl IntoIterator<Item = u64>) -> Permits {
    let mut permits = Permits::default();
    calls.into_iter().for_each(|call| permits.hold(call));
    permits
}

/// Lets a call wait until it may go on.
fn resume(permits: &mut Permits, call: u64, limits: CallLimits) -> Receiver<()> {
    let (granted, permit) = oneshot::channel();
    permits.resume(call, Some(granted));
    permits.grant(limits);
    permit
}

fn goes_on(permit: &mut Receiver<()>) -> bool {
    match permit.try_recv() {
        Ok(()) => true,
        Err(TryRecvError::Empty) => false,
        Err(TryRecvError::Closed) => panic!("nobody will say"),
    }
}

#[test]
fn permits_are_bounded_and_come_back() {
    let mut permits = held_by([1]);
    assert!(!permits.may_start(limits(1, 100)) && permits.may_start(limits(2, 100)));
    permits.hold(2);
    assert!(!permits.may_start(limits(2, 100)));
    permits.ended(1);
    permits.ended(1);
    assert!(!permits.may_start(limits(1, 100)) && permits.may_start(limits(2, 100)));
    permits.ended(2);
    assert!(permits.may_start(limits(1, 100)));
}

#[test]
fn a_limit_of_no_permits_is_one_permit() {
    let mut permits = Permits::default();
    assert!(permits.may_start(limits(0, 100)));
    permits.hold(1);
    assert!(!permits.may_start(limits(0, 100)));
}

#[test]
fn a_call_that_is_suspended_has_no_permit_and_gets_one_when_there_is_one() {
    let (mut permits, one) = (held_by([1]), limits(1, 100));
    permits.suspend(1);
    assert!(permits.may_start(one));
    permits.hold(2);
    let mut permit = resume(&mut permits, 1, one);
    assert!(!goes_on(&mut permit));
    permits.ended(2);
    permits.grant(one);
    assert!(goes_on(&mut permit) && !permits.may_start(one));
    permits.ended(1);
    assert!(permits.may_start(one) && permits.suspended.is_none());
}

#[test]
fn calls_go_on_one_after_the_other_and_before_a_new_one_starts() {
    let (mut permits, one) = (held_by([]), limits(1, 100));
    let mut waiting: Vec<_> = [1, 2, 3]
        .map(|call| {
            permits.hold(call);
            permits.suspend(call);
            call
        })
        .map(|call| resume(&mut permits, call, one))
        .into();
    for call in [1, 2, 3] {
        let on: Vec<_> = waiting.iter_mut().map(goes_on).collect();
        assert_eq!(on.iter().filter(|on| **on).count(), 1, "{on:?}");
        waiting.remove(0);
        assert!(!permits.may_start(one));
        permits.ended(call);
        permits.grant(one);
    }
    assert!(permits.may_start(one));
}

#[test]
fn a_call_that_waits_for_two_results_has_no_permit_before_it_has_both() {
    let (mut permits, one) = (held_by([1]), limits(1, 100));
    permits.suspend(1);
    permits.suspend(1);
    assert!(goes_on(&mut resume(&mut permits, 1, one)), "it may have more to do before it waits again");
    assert!(permits.may_start(one));
    assert!(goes_on(&mut resume(&mut permits, 1, one)));
    assert!(!permits.may_start(one));
}

#[test]
fn a_call_that_stops_waiting_has_its_permit_at_once() {
    let (mut permits, one) = (held_by([1]), limits(1, 100));
    permits.suspend(1);
    permits.hold(2);
    permits.resume(1, None);
    permits.ended(2);
    assert!(!permits.may_start(one) && permits.suspended.is_none());
    permits.ended(1);
    assert!(permits.may_start(one));
}

#[test]
fn what_a_call_does_that_holds_no_permit_changes_nothing() {
    let (mut permits, one) = (held_by([1]), limits(1, 100));
    permits.suspend(2);
    assert!(goes_on(&mut resume(&mut permits, 2, one)));
    permits.resume(2, None);
    permits.ended(1);
    assert!(permits.may_start(one));
}

#[test]
fn a_call_that_ends_while_it_waits_leaves_nothing_behind() {
    let (mut permits, one) = (held_by([1]), limits(1, 100));
    permits.suspend(1);
    permits.hold(2);
    drop(resume(&mut permits, 1, one));
    permits.ended(1);
    permits.ended(2);
    permits.grant(one);
    assert!(permits.may_start(one) && permits.suspended.is_none());
}

#[test]
fn where_all_calls_wait_for_results_the_next_may_fail_and_where_one_runs_it_waits() {
    let (mut permits, limits) = (held_by([1, 2]), limits(2, 3));
    [1, 2].into_iter().for_each(|call| permits.suspend(call));
    assert!(permits.may_start(limits) && !permits.is_full(limits));
    permits.hold(3);
    assert!(permits.is_full(limits) && !permits.may_start(limits));
    permits.suspend(3);
    assert!(permits.is_full(limits) && permits.may_start(limits));
}

#[test]
fn a_hub_may_run_as_many_calls_as_it_allows_in_parallel() {
    let limits = limits(200, 100);
    assert_eq!(limits.total, 200);
    assert!(held_by(0..199).may_start(limits) && !held_by(0..200).may_start(limits));
}
