//! Text of somebody else in a log line, which is as long there as we say.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Display, Write};

/// The most bytes of a name in a log line: more than any sensible one has.
const NAME_BYTES: usize = 64;

/// The most bytes of an error in a log line that may quote a client.
const ERROR_BYTES: usize = 256;

/// The most bytes in a log line of an error with all that caused it.
const CHAIN_BYTES: usize = 1024;

/// Returns a name for a log line: at most 64 bytes of it, with `…` where it was cut.
pub fn brief_name(name: &str) -> Cow<'_, str> {
    cut(name, NAME_BYTES)
}

/// Returns an error that may quote a client for a log line: at most 256 bytes of it, with `…` where it was cut.
pub fn brief_error(error: &str) -> Cow<'_, str> {
    cut(error, ERROR_BYTES)
}

/// Returns an error with what caused it for a log line: at most 1,024 bytes of it, with `…` where it was cut.
pub fn brief_chain(chain: &str) -> Cow<'_, str> {
    cut(chain, CHAIN_BYTES)
}

/// Returns what is displayed for a log line: at most 1,024 bytes of it, with `…` where it was cut. It writes no more than
/// that, however long the text would be.
pub fn brief_display<T: Display>(text: T) -> impl Display {
    Brief(text)
}

/// Returns an error with all that caused it, one after the other, for a log line or another text for operators: at most
/// 1,024 bytes of it, with `…` where it was cut.
pub fn brief_causes<'a>(error: &'a (dyn Error + 'static)) -> impl Display + use<'a> {
    Brief(Causes(error))
}

struct Causes<'a>(&'a (dyn Error + 'static));

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

struct Brief<T>(T);

impl<T: Display> Display for Brief<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cutting = Cutting { to: f, left: CHAIN_BYTES, written: Ok(()) };
        let _ = write!(cutting, "{}", self.0);
        cutting.written
    }
}

/// Writes so many bytes, and fails then, so that whoever writes stops.
struct Cutting<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    left: usize,
    written: fmt::Result,
}

impl Write for Cutting<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let brief = cut(text, self.left);
        self.written = self.to.write_str(&brief);
        self.left = self.left.saturating_sub(text.len());
        match self.written {
            Ok(()) if brief.len() == text.len() => Ok(()),
            _ => Err(fmt::Error),
        }
    }
}

fn cut(text: &str, most_bytes: usize) -> Cow<'_, str> {
    if text.len() <= most_bytes {
        return text.into();
    }
    let end = text.floor_char_boundary(most_bytes);
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_two_characters() {
        assert_eq!(brief_name("alice"), "alice");
        assert_eq!(brief_name(&"a".repeat(64)), "a".repeat(64));
        assert_eq!(brief_name(&format!("a{}", "é".repeat(40))), format!("a{}…", "é".repeat(31)));
    }

    #[test]
    fn an_error_is_followed_by_what_caused_it() {
        #[derive(Debug)]
        struct Failed(Option<Box<Failed>>);
        impl Display for Failed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(if self.0.is_some() { "it failed" } else { "that is why" })
            }
        }
        impl Error for Failed {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.0.as_deref().map(|cause| cause as &(dyn Error + 'static))
            }
        }
        let failed = Failed(Some(Box::new(Failed(None))));
        assert_eq!(brief_causes(&failed).to_string(), "it failed: that is why");
    }

    #[test]
    fn what_is_displayed_is_cut_and_not_written_further() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("é")?;
                }
            }
        }
        assert_eq!(brief_display("alice").to_string(), "alice");
        assert_eq!(brief_display(Endless).to_string(), format!("{}…", "é".repeat(512)));
        assert_eq!(brief_display("x".repeat(1025)).to_string(), format!("{}…", "x".repeat(1024)));
    }
}
