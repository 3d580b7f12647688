//! A value where a tuple of one is meant.

use hubward_proto::{Arguments, EncodeError, Frame, Protocol, encode};

#[derive(serde::Serialize)]
struct Reading {
    pulse: u32,
}

fn send(method: &str, arguments: impl Arguments) -> Result<Frame, EncodeError> {
    encode::invocation(Protocol::Json, None, method, &arguments)
}

fn main() {
    let reading = Reading { pulse: 60 };
    let _ = send("Vitals", &reading);
    let _ = send("Vitals", reading);
    let _ = send("Said", "hello");
}
