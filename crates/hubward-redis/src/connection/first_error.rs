//! The error that a server begins with. One that lets nobody in (`maxclients`, `protected-mode`) says why at once, and ends the
//! connection, so that what is known otherwise is only that it has ended.

use std::sync::{Arc, OnceLock};

/// How much of it is kept.
const MAX_BYTES: usize = 200;

/// Cheap to clone; all clones know the same.
#[derive(Clone, Default)]
pub(super) struct FirstError(Arc<OnceLock<Option<String>>>);

impl FirstError {
    /// Notes what came first. What comes later is ignored.
    pub(super) fn note(&self, read: &[u8]) {
        self.0.get_or_init(|| {
            let line = read.strip_prefix(b"-")?.split(|byte| byte.is_ascii_control()).next()?;
            Some(String::from_utf8_lossy(line.get(..MAX_BYTES).unwrap_or(line)).into_owned())
        });
    }

    /// Whether anything has come.
    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.0.get()?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_first_line_where_that_is_an_error() {
        let noted = |parts: &[&[u8]]| {
            let first = FirstError::default();
            parts.iter().for_each(|part| first.note(part));
            first.get().map(str::to_owned)
        };
        assert_eq!(noted(&[]), None);
        assert_eq!(noted(&[b"-ERR full\r\n+OK\r\n"]).as_deref(), Some("ERR full"));
        assert_eq!(noted(&[b"+OK\r\n", b"-ERR full\r\n"]), None);
        assert_eq!(noted(&[&[b"-".as_slice(), &[b'x'; 1_000]].concat()]).unwrap().len(), MAX_BYTES);
    }
}
