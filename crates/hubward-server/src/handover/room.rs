//! How much a node takes over from others: sessions that were prepared or adopted and whose client has not come yet. Whoever has the
//! cluster's keys could otherwise fill its memory. What has no room is asked to reconnect.

use std::sync::Arc;

use parking_lot::Mutex;

/// The most sessions that wait for their clients: as many as two nodes of usual size have.
const MAX_SESSIONS: usize = 20_000;

/// The most bytes of these.
const MAX_BYTES: u64 = 512 << 20;

/// What a session costs beside its bytes: its task, handle and places in the index.
const SESSION_BYTES: u64 = 8 << 10;

pub(crate) struct Room {
    used: Mutex<Used>,
    sessions: usize,
    bytes: u64,
}

#[derive(Default)]
struct Used {
    sessions: usize,
    bytes: u64,
}

/// The room of one session, until it is dropped.
pub(crate) struct Reserved {
    room: Arc<Room>,
    bytes: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(MAX_SESSIONS, MAX_BYTES)
    }
}

impl Room {
    pub(crate) fn of(sessions: usize, bytes: u64) -> Self {
        Self { used: Mutex::default(), sessions, bytes }
    }

    /// Reserves room for a session of so many bytes; `None` where there is none.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let bytes = bytes.saturating_add(SESSION_BYTES);
        let mut used = self.used.lock();
        let after = used.bytes.checked_add(bytes)?;
        if used.sessions >= self.sessions || after > self.bytes {
            return None;
        }
        used.sessions += 1;
        used.bytes = after;
        drop(used);
        Some(Reserved { room: self.clone(), bytes })
    }

    /// How many sessions have room.
    #[cfg(test)]
    pub(crate) fn sessions(&self) -> usize {
        self.used.lock().sessions
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut used = self.room.used.lock();
        used.sessions -= 1;
        used.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_in_sessions_and_bytes_and_comes_back() {
        let room = Arc::new(Room::of(3, 4 * SESSION_BYTES));
        let one = room.reserve(0).unwrap();
        let large = room.reserve(2 * SESSION_BYTES).unwrap();
        assert!(room.reserve(0).is_none(), "no bytes are left");
        drop(large);
        let others = [room.reserve(0).unwrap(), room.reserve(0).unwrap()];
        assert!(room.reserve(0).is_none(), "three are there");
        drop((one, others));
        assert_eq!(room.sessions(), 0);
        assert!(room.reserve(u64::MAX).is_none());
        assert_eq!(room.used.lock().bytes, 0);
    }
}
