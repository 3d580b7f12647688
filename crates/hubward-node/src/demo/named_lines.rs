//! The log of a node whose process shares its terminal with others: each line begins with the node's name.

use std::io::{self, Write};

/// Writes each event, which is given at once, behind the name. One that cannot be written, because nobody reads the log any more
/// (`hubward demo 2>&1 | head`), is lost without an error: whoever logs would print that to the same place, and panic.
pub(super) struct NamedLines<W> {
    name: Option<String>,
    inner: W,
}

impl<W: Write> NamedLines<W> {
    /// Without a name, lines are written as they are.
    pub(super) fn new(name: Option<String>, inner: W) -> Self {
        Self { name, inner }
    }
}

impl<W: Write> Write for NamedLines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let _ = match &self.name {
            None => self.inner.write_all(event),
            // One write, so that the lines of several processes do not mix.
            Some(name) => self.inner.write_all(&[name.as_bytes(), b" ", event].concat()),
        };
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_the_name_of_its_node() {
        let written = |name: Option<&str>| {
            let mut lines = Vec::new();
            NamedLines::new(name.map(str::to_owned), &mut lines).write_all(b" WARN Something.\n").unwrap();
            String::from_utf8(lines).unwrap()
        };
        assert_eq!(written(Some("node-2")), "node-2  WARN Something.\n");
        assert_eq!(written(None), " WARN Something.\n");
    }

    #[test]
    fn a_log_that_nobody_reads_stops_nobody() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        for name in [None, Some("node-2".to_owned())] {
            let lines = writer.try_clone().unwrap();
            let lines = move || NamedLines::new(name.clone(), lines.try_clone().unwrap());
            let log = tracing_subscriber::fmt().with_writer(lines).finish();
            tracing::subscriber::with_default(log, || tracing::warn!("Something."));
            assert!(NamedLines::new(None, writer.try_clone().unwrap()).write_all(b"Something.\n").is_ok());
        }
    }
}
