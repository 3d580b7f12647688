//! What one test logs. The subscriber is the program's, since whether a line is wanted is decided once for all threads;
//! lines go to the thread that captures, which is a test's own.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

struct Line {
    level: Level,
    message: String,
    fields: String,
}

/// Captures what this thread logs.
pub(crate) struct CapturedLog;

impl CapturedLog {
    pub(crate) fn start() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(Capture).unwrap());
        LINES.take();
        Self
    }

    /// The lines at this level: message and fields, such as `A hub method failed. method="Send"`.
    pub(crate) fn lines(&self, level: Level) -> Vec<String> {
        let of_level = |lines: &Vec<Line>| {
            let lines = lines.iter().filter(|line| line.level == level);
            lines.map(|line| format!("{}{}", line.message, line.fields)).collect()
        };
        LINES.with_borrow(of_level)
    }

    /// Every line without its fields, such as `WARN A hub method failed.`
    pub(crate) fn messages(&self) -> Vec<String> {
        LINES.with_borrow(|lines| {
            lines.iter().map(|line| format!("{} {}", line.level, line.message)).collect()
        })
    }
}

struct Capture;

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hubward") && !metadata.is_span()
    }

    fn event(&self, event: &Event<'_>) {
        let (message, fields) = (String::new(), String::new());
        let mut line = Line { level: *event.metadata().level(), message, fields };
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.unwrap();
    }
}
