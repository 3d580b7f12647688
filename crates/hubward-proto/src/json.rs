//! The JSON form of hub messages. `messagepack` has the same files; only the handshake, which is always JSON, is here
//! alone.

mod read;
pub(crate) mod reader;
mod scan;
mod split;
#[cfg(test)]
mod tests;
pub(crate) mod value;
mod write;

pub(crate) use read::decode;
pub(crate) use split::split;
pub(crate) use write::{
    write_call, write_cancel_invocation, write_close, write_completion, write_completion_error,
    write_completion_void, write_handshake_error, write_handshake_request, write_sequence_id,
    write_stream_item,
};
