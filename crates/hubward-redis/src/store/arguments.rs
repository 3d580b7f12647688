//! Arguments that calls of several kinds have.

use std::time::Duration;

use hubward_backplane::Owner;
use redis::Cmd;

/// The longest that anything lasts which has an end, in ms: a thousand years. What is to last longer does not end.
pub(super) const LONGEST_MS: u128 = 1_000 * 365 * 24 * 3_600 * 1_000;

pub(super) fn add_owner(call: &mut Cmd, owner: &Owner) {
    call.arg(owner.node.as_str()).arg(owner.epoch.get());
}

/// A duration in ms, rounded up, so that what has not ended yet does not end at once.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000).min(LONGEST_MS);
    u64::try_from(milliseconds).unwrap_or(u64::MAX)
}
