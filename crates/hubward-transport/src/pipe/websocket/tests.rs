//! What one poll of a WebSocket does.

use std::sync::atomic::{AtomicUsize, Ordering};

use hubward_testing::Flood;
use hubward_testing::frame::{PING, TEXT, masked};

use super::*;
use crate::test_support::TestTask;

fn open(frame: Vec<u8>) -> (WebSocketPipe, Arc<AtomicUsize>) {
    let (flood, reads) = Flood::new(None, frame);
    let io = Io::Other(Box::new(flood));
    (WebSocketPipe::new(io, Bytes::new(), Arc::default()), reads)
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_without_payload_lets_others_work_in_between() {
    for first in [PING, TEXT] {
        let ((mut pipe, reads), owner) = (open(masked(first, b"")), TestTask::new());
        assert!(pipe.poll_receive(&mut owner.cx(), &mut Vec::new()).is_pending());
        assert_eq!(reads.load(Ordering::Relaxed), READS_WITHOUT_PAYLOAD);
        // When the runtime has looked for what others have sent.
        assert!(!owner.was_woken());
        tokio::task::yield_now().await;
        assert!(owner.was_woken());
    }
}
