//! Counts the commands that are sent, so that it is known how many replies are to come. It reads what `redis` has encoded: arrays
//! of strings, split anywhere.

/// Where in a command the next byte is.
#[derive(Default)]
pub(super) struct CommandCounter {
    /// The type of a line that has begun, and its number so far.
    kind: Option<u8>,
    number: u64,
    /// What is left of an argument, with its end.
    left: u64,
}

impl CommandCounter {
    /// Counts the commands that begin in what was sent next.
    pub(super) fn count(&mut self, mut sent: &[u8]) -> usize {
        let mut commands = 0;
        loop {
            let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(sent.len());
            self.left -= skipped as u64;
            let Some((byte, rest)) = sent.get(skipped..).and_then(<[u8]>::split_first) else {
                return commands;
            };
            sent = rest;
            match (self.kind, byte) {
                (None, kind) => (self.kind, self.number) = (Some(*kind), 0),
                (Some(kind), b'\n') => {
                    self.kind = None;
                    if kind == b'*' {
                        commands += 1;
                    } else {
                        self.left = self.number.saturating_add(2);
                    }
                }
                (Some(_), digit @ b'0'..=b'9') => {
                    self.number = self.number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
                }
                (Some(_), _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_wherever_they_are_split() {
        let mut pipeline = redis::Pipeline::new();
        pipeline
            .cmd("PING")
            .cmd("PUBLISH")
            .arg("a*1\r\n$2\r\nb")
            .arg("")
            .cmd("SET")
            .arg(b"\r\n*3\r\n")
            .arg(7);
        let sent = pipeline.get_packed_pipeline();
        assert_eq!(CommandCounter::default().count(&sent), 3);
        for first in 0..sent.len() {
            for second in first..sent.len() {
                let mut counter = CommandCounter::default();
                let parts = [&sent[..first], &sent[first..second], &sent[second..]];
                assert_eq!(parts.map(|part| counter.count(part)).iter().sum::<usize>(), 3);
            }
        }
    }
}
