//! Follows what a server sends, value by value, and measures each before anything is held of it. It follows RESP2 and RESP3 as
//! `redis`'s own parser reads them, so that both always agree on where a value begins; it reads no value, and looks at no byte
//! within a string.

use memchr::memchr;

use super::header::{self, MAX_HEADER_BYTES, NotAHeader, ReplyHeader};
use super::limits::{MAX_DEPTH, MAX_LINE_BYTES, MAX_SKIPPED_VALUES, MAX_STRING_BYTES, ReplyLimits};
use super::refused::ReplyRefused;

/// The longest kind of what comes unasked that is looked at: `punsubscribe`.
const MAX_KIND_BYTES: u64 = 16;
/// The most that is needed at once to know what begins: what comes unasked, up to its kind.
pub(super) const MAX_UNDECIDED_BYTES: usize = 2 * MAX_HEADER_BYTES + MAX_KIND_BYTES as usize + 2;

/// Instead of a reply that has too many values: an error for whoever asked.
const TOO_MANY_VALUES: &[u8] = b"-TOOLARGE the reply has too many values\r\n";
/// Instead of a string within a reply that is too long: nil, which nobody takes for a name.
const NIL: &[u8] = b"$-1\r\n";
/// Instead of a message that is too long: one that is none, which is counted and ignored.
const EMPTY: &[u8] = b"$0\r\n\r\n";

/// What is known of what a server sends, up to the last byte.
pub(super) struct ReplyScanner {
    limits: ReplyLimits,
    /// How many commands were sent that have no reply yet. Each has one.
    due: usize,
    place: Place,
    /// How many values are still to come in each that is open.
    open: Vec<u64>,
    /// Of the outermost value that is open: whether it came unasked, and is a push in Redis's terms.
    is_push: bool,
    /// How many bytes of it may still be held, and how many values it has so far.
    bytes_left: usize,
    values: u64,
    /// Whether it is left out.
    is_skipped: bool,
}

#[derive(Clone, Copy)]
enum Place {
    /// A value begins.
    Begin,
    /// Within a line.
    Line { bytes: usize, follows_cr: bool },
    /// Within a string and its end.
    String { left: u64, is_skipped: bool },
}

/// What becomes of bytes.
#[derive(Debug)]
pub(super) struct Scanned {
    /// So many from the beginning are handed on.
    pub(super) bytes: usize,
    pub(super) then: Then,
}

/// What becomes of those that follow.
#[derive(Debug)]
pub(super) enum Then {
    /// There are none.
    Done,
    /// They are to be looked at again with more, of which [`MAX_UNDECIDED_BYTES`] suffice.
    Undecided,
    /// So many are left out; this stands for them.
    Replaced { bytes: usize, by: &'static [u8] },
    /// They are the end of the connection.
    Refused(ReplyRefused),
}

impl ReplyScanner {
    /// Makes one for a connection on which nothing was sent.
    pub(super) fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            due: 0,
            place: Place::Begin,
            open: Vec::with_capacity(MAX_DEPTH),
            is_push: false,
            bytes_left: 0,
            values: 0,
            is_skipped: false,
        }
    }

    /// Notes that commands were sent.
    pub(super) fn expect(&mut self, commands: usize) {
        self.due = self.due.saturating_add(commands);
    }

    /// Looks at bytes that follow those before.
    pub(super) fn scan(&mut self, input: &[u8]) -> Scanned {
        let mut bytes = 0;
        loop {
            let Some(rest) = input.get(bytes..).filter(|rest| !rest.is_empty()) else {
                return Scanned { bytes, then: Then::Done };
            };
            match self.step(rest) {
                Ok(Step::Taken(taken)) => bytes += taken,
                Ok(Step::Replaced { bytes: replaced, by }) => {
                    return Scanned { bytes, then: Then::Replaced { bytes: replaced, by } };
                }
                Ok(Step::Undecided) => return Scanned { bytes, then: Then::Undecided },
                Err(refused) => return Scanned { bytes, then: Then::Refused(refused) },
            }
        }
    }

    fn step(&mut self, input: &[u8]) -> Result<Step, ReplyRefused> {
        match self.place {
            Place::Begin => self.begin(input),
            Place::Line { bytes, follows_cr } => self.line(input, bytes, follows_cr),
            Place::String { left, is_skipped } => {
                let taken = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let left = left - taken as u64;
                let step = self.take(taken, is_skipped);
                if left == 0 {
                    self.end_value();
                } else {
                    self.place = Place::String { left, is_skipped };
                }
                Ok(step)
            }
        }
    }

    /// Looks at the first bytes of a value, or of one within another.
    fn begin(&mut self, input: &[u8]) -> Result<Step, ReplyRefused> {
        let is_outermost = self.open.is_empty();
        let kind = input.first().copied().unwrap_or_default();
        match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {
                if is_outermost {
                    self.begin_reply()?;
                }
                self.line(input, 0, false)
            }
            b'$' | b'=' | b'!' | b'*' | b'~' | b'%' | b'|' => {
                let Some(header) = header::read(input)? else { return Ok(Step::Undecided) };
                if is_outermost {
                    self.begin_reply()?;
                }
                match (kind, header.length) {
                    (b'$' | b'*', None) => {
                        let step = self.take(header.bytes, false);
                        self.end_value();
                        Ok(step)
                    }
                    (_, None) => Err(ReplyRefused::NotRedis),
                    (b'$' | b'=' | b'!', Some(length)) => self.begin_string(header, length),
                    (b'%', Some(pairs)) => self.begin_aggregate(header, pairs.saturating_mul(2)),
                    // The value that attributes are about follows them.
                    (b'|', Some(pairs)) => {
                        self.begin_aggregate(header, pairs.saturating_mul(2).saturating_add(1))
                    }
                    (_, Some(values)) => self.begin_aggregate(header, values),
                }
            }
            b'>' if is_outermost => self.begin_push(input),
            _ => Err(ReplyRefused::NotRedis),
        }
    }

    fn begin_reply(&mut self) -> Result<(), ReplyRefused> {
        self.due = self.due.checked_sub(1).ok_or(ReplyRefused::Unasked)?;
        (self.is_push, self.bytes_left, self.values) = (false, self.limits.reply_bytes, 1);
        Ok(())
    }

    /// Looks at what comes unasked, up to its kind. Confirmations of subscriptions are such, too.
    fn begin_push(&mut self, input: &[u8]) -> Result<Step, ReplyRefused> {
        let Some(header) = header::read(input)? else { return Ok(Step::Undecided) };
        let values = header.length.filter(|values| *values > 0).ok_or(ReplyRefused::NotRedis)?;
        let rest = input.get(header.bytes..).unwrap_or_default();
        if rest.first().is_some_and(|kind| *kind != b'$') {
            return Err(ReplyRefused::NotRedis);
        }
        let Some(kind) = header::read(rest)? else { return Ok(Step::Undecided) };
        let length = kind.length.ok_or(ReplyRefused::NotRedis)?;
        if length <= MAX_KIND_BYTES {
            let end = kind.bytes + usize::try_from(length).unwrap_or(usize::MAX);
            let Some(kind) = rest.get(kind.bytes..end) else { return Ok(Step::Undecided) };
            match kind {
                b"subscribe" | b"ssubscribe" | b"psubscribe" => self.begin_reply()?,
                // Redis also ends subscriptions unasked: those to slots that another server has now.
                b"unsubscribe" | b"sunsubscribe" | b"punsubscribe" => self.due = self.due.saturating_sub(1),
                _ => {}
            }
        }
        (self.is_push, self.bytes_left, self.values) = (true, self.limits.push_bytes, 1);
        self.begin_aggregate(header, values)
    }

    fn begin_string(&mut self, header: ReplyHeader, length: u64) -> Result<Step, ReplyRefused> {
        if length > MAX_STRING_BYTES {
            return Err(ReplyRefused::String { bytes: length });
        }
        let left = length + 2;
        let rest = usize::try_from(length).ok().and_then(|length| self.bytes_left.checked_sub(length));
        if let Some(rest) = rest.filter(|_| !self.is_skipped) {
            self.bytes_left = rest;
            self.place = Place::String { left, is_skipped: false };
            return Ok(Step::Taken(header.bytes));
        }
        self.place = Place::String { left, is_skipped: true };
        let by = match (self.is_skipped, self.is_push) {
            (true, _) => b"",
            (false, true) => EMPTY,
            (false, false) => NIL,
        };
        Ok(Step::Replaced { bytes: header.bytes, by })
    }

    fn begin_aggregate(&mut self, header: ReplyHeader, values: u64) -> Result<Step, ReplyRefused> {
        self.values = self.values.saturating_add(values);
        if self.open.len() == MAX_DEPTH {
            return Err(ReplyRefused::Depth);
        }
        let limit = if self.is_skipped { MAX_SKIPPED_VALUES } else { self.limits.reply_values };
        let is_reply = self.open.is_empty() && !self.is_push;
        let mut step = self.take(header.bytes, false);
        if self.values > limit {
            // Nothing of it was handed on, so that it can be left out, and concerns nobody but whoever asked.
            if !is_reply || self.values > MAX_SKIPPED_VALUES {
                return Err(ReplyRefused::Values);
            }
            self.is_skipped = true;
            step = Step::Replaced { bytes: header.bytes, by: TOO_MANY_VALUES };
        }
        if values == 0 {
            self.end_value();
        } else {
            self.open.push(values);
            self.place = Place::Begin;
        }
        Ok(step)
    }

    /// Goes on with a line, which ends with the first CR LF.
    fn line(&mut self, input: &[u8], before: usize, follows_cr: bool) -> Result<Step, ReplyRefused> {
        let (mut from, mut end) = (0, None);
        while let Some(at) = input.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            let at = from + at;
            let is_end = at.checked_sub(1).map_or(follows_cr, |before| input.get(before) == Some(&b'\r'));
            if is_end {
                end = Some(at + 1);
                break;
            }
            from = at + 1;
        }
        let taken = end.unwrap_or(input.len());
        let bytes = before + taken;
        if bytes > MAX_LINE_BYTES {
            return Err(ReplyRefused::Line);
        }
        if !self.is_skipped {
            self.bytes_left = self.bytes_left.checked_sub(taken).ok_or(ReplyRefused::Bytes)?;
        }
        let step = self.take(taken, false);
        match end {
            Some(_) => self.end_value(),
            None => self.place = Place::Line { bytes, follows_cr: input.last() == Some(&b'\r') },
        }
        Ok(step)
    }

    /// What becomes of bytes of the value that is open.
    fn take(&self, bytes: usize, is_skipped: bool) -> Step {
        if is_skipped || self.is_skipped { Step::Replaced { bytes, by: b"" } } else { Step::Taken(bytes) }
    }

    /// A value has ended, and with it each that it was the last of.
    fn end_value(&mut self) {
        self.place = Place::Begin;
        while let Some(values) = self.open.last_mut() {
            *values -= 1;
            if *values > 0 {
                return;
            }
            self.open.pop();
        }
        self.is_skipped = false;
    }
}

enum Step {
    Taken(usize),
    Replaced { bytes: usize, by: &'static [u8] },
    Undecided,
}

impl From<NotAHeader> for ReplyRefused {
    fn from(_: NotAHeader) -> Self {
        Self::NotRedis
    }
}
