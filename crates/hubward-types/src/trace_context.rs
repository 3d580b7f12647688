//! Which distributed trace something belongs to, in the form of [W3C Trace Context](https://www.w3.org/TR/trace-context-2/).
//! It is read from headers that anybody may have written: malformed ones are no context, never an error.

use std::fmt;
use std::sync::Arc;

/// The length of a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const TRACEPARENT_BYTES: usize = 55;

/// The longest `tracestate` that is kept: as much as everybody has to pass on by the specification.
const MAX_STATE_BYTES: usize = 512;

/// The version that is reserved for no version at all.
const INVALID_VERSION: u8 = 0xff;

/// Whether the caller may have recorded the trace.
const SAMPLED: u8 = 0b01;

/// The flags that the specification has: sampled, and random trace id. Others are to be sent on as zero.
const KNOWN_FLAGS: u8 = 0b11;

/// The id of a distributed trace: 16 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span, one operation of a trace: 8 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

macro_rules! id {
    ($name:ident, $len:literal) => {
        impl $name {
            /// Makes an id of its bytes, the most significant one first; `None` where all are zero.
            pub fn from_bytes(bytes: [u8; $len]) -> Option<Self> {
                (bytes != [0; $len]).then_some(Self(bytes))
            }

            /// Returns the bytes, the most significant one first.
            pub fn to_bytes(self) -> [u8; $len] {
                self.0
            }
        }

        impl fmt::Display for $name {
            /// Writes lower-case hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(TraceId, 16);
id!(SpanId, 8);

/// The distributed trace that a call or a message belongs to: the trace, the span of it that caused the call, and what
/// tracing systems pass on with it.
///
/// Displaying it writes the header `traceparent`, in version 00.
///
/// ```
/// use hubward_types::TraceContext;
///
/// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let trace = TraceContext::parse(header).ok_or("malformed")?.with_state("vendor=1");
/// assert_eq!(trace.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
/// assert!(trace.is_sampled());
/// assert_eq!((trace.to_string().as_str(), trace.state()), (header, Some("vendor=1")));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    parent_id: SpanId,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// Makes a context without state. Flags that the specification does not have are left out.
    pub fn new(trace_id: TraceId, parent_id: SpanId, flags: u8) -> Self {
        Self { trace_id, parent_id, flags: flags & KNOWN_FLAGS, state: None }
    }

    /// Reads the header `traceparent`; `None` where it is malformed. Of a version later than 00 only what that one has is
    /// read.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let (fields, rest) = traceparent.split_at_checked(TRACEPARENT_BYTES)?;
        let mut fields = fields.split('-');
        let [version] = bytes_of(fields.next()?)?;
        let trace_id = TraceId::from_bytes(bytes_of(fields.next()?)?)?;
        let parent_id = SpanId::from_bytes(bytes_of(fields.next()?)?)?;
        let [flags] = bytes_of(fields.next()?)?;
        match version {
            INVALID_VERSION => None,
            0 => rest.is_empty().then(|| Self::new(trace_id, parent_id, flags)),
            _ if rest.is_empty() || rest.starts_with('-') => {
                Some(Self::new(trace_id, parent_id, flags & SAMPLED))
            }
            _ => None,
        }
    }

    /// Sets the header `tracestate`. One of more than 512 bytes, or with others than printable ASCII characters, is left
    /// out.
    pub fn with_state(mut self, tracestate: &str) -> Self {
        let is_kept = (1..=MAX_STATE_BYTES).contains(&tracestate.len())
            && tracestate.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        self.state = is_kept.then(|| tracestate.into());
        self
    }

    /// Returns the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the span that caused what has this context.
    pub fn parent_id(&self) -> SpanId {
        self.parent_id
    }

    /// Returns the flags: 1 for sampled, 2 for a random trace id.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Returns whether the caller may have recorded the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the header `tracestate`, if there was one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    /// Leaves out the state: it is somebody else's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self})")
    }
}

/// Reads exactly so many bytes of lower-case hexadecimal digits.
fn bytes_of<const LEN: usize>(digits: &str) -> Option<[u8; LEN]> {
    if digits.len() != 2 * LEN {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (value_of(*high)? << 4) | value_of(*low)?;
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    /// What is read of a header, as it is written.
    fn check(traceparent: &str, expected: Option<&str>) {
        let read = TraceContext::parse(traceparent).map(|trace| trace.to_string());
        assert_eq!(read.as_deref(), expected, "{traceparent:?}");
    }

    #[test]
    fn a_traceparent_is_read_by_the_rules_of_the_specification() {
        let of = |version: &str, flags: &str| format!("{version}-{TRACE}-{PARENT}-{flags}");
        let sampled = of("00", "01");
        for flags in ["00", "01", "02", "03"] {
            check(&of("00", flags), Some(&of("00", flags)));
        }
        // Flags without a meaning yet are sent on as zero.
        check(&of("00", "ff"), Some(&of("00", "03")));
        check(&of("00", "f8"), Some(&of("00", "00")));
        // Of later versions: the ids, the sampled flag, and nothing behind a dash.
        check(&of("01", "01"), Some(&sampled));
        check(&of("cc", "03"), Some(&sampled));
        check(&of("fe", "01-what-comes-later"), Some(&sampled));
        check(&of("01", "01-"), Some(&sampled));
        check(&of("01", "01."), None);
        check(&of("01", "012"), None);
        check(&of("ff", "01"), None);
        // Version 00 has nothing behind its flags.
        check(&of("00", "01-"), None);
        check(&of("00", "01-what-comes-later"), None);
    }

    #[test]
    fn a_malformed_traceparent_is_no_context() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        let (no_trace, no_parent) = ("0".repeat(32), "0".repeat(16));
        check(&format!("00-{no_trace}-{PARENT}-01"), None);
        check(&format!("00-{TRACE}-{no_parent}-01"), None);
        check(&good.to_uppercase(), None);
        check(&good.replace('-', "_"), None);
        check(&format!("0x-{TRACE}-{PARENT}-01"), None);
        check(&format!("00-{TRACE}-{PARENT}-0x"), None);
        check(&format!(" {good}"), None);
        check(&format!("{good} "), None);
        check(&format!("00-{}--{PARENT}-01", &TRACE[1..]), None);
        check(&format!("00-{PARENT}-{TRACE}-01"), None);
        check(&"-".repeat(55), None);
        check(&"é".repeat(40), None);
        check(&"0".repeat(1 << 16), None);
        for end in 0..good.len() {
            check(&good[..end], None);
        }
        // Each character by itself, but for those that leave it valid.
        for at in 0..good.len() {
            for other in ['g', 'A', ' ', '\0', 'é'] {
                let damaged: String =
                    good.char_indices().map(|(place, c)| if place == at { other } else { c }).collect();
                check(&damaged, None);
            }
        }
    }

    #[test]
    fn a_tracestate_is_kept_as_it_is_or_left_out() {
        let trace = TraceContext::parse(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        let check = |state: &str, is_kept: bool| {
            let kept = trace.clone().with_state(state);
            assert_eq!(kept.state(), is_kept.then_some(state), "{state:?}");
            assert_eq!(kept.trace_id(), trace.trace_id());
        };
        check("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true);
        check(&"x".repeat(512), true);
        check(&"x".repeat(513), false);
        check("", false);
        for unprintable in ["a=\n", "a=\0", "a=\u{7f}", "a=é", "\ta=1"] {
            check(unprintable, false);
        }
    }

    #[test]
    fn ids_are_bytes_and_never_all_zero() {
        let id = TraceId::from_bytes(std::array::from_fn(|at| at as u8)).unwrap();
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(TraceId::from_bytes(id.to_bytes()), Some(id));
        assert!(TraceId::from_bytes([0; 16]).is_none() && SpanId::from_bytes([0; 8]).is_none());
    }
}
