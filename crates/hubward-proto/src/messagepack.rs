//! The MessagePack form of hub messages. `json` has the same files except `result_kind`, and the handshake besides.

mod read;
mod reader;
mod result_kind;
mod scan;
mod split;
#[cfg(test)]
mod tests;
pub(crate) mod value;
mod write;

pub(crate) use read::decode;
pub(crate) use split::{PREFIX_SPACE, put_prefix, split};
pub(crate) use write::{
    write_call, write_cancel_invocation, write_close, write_completion, write_completion_error,
    write_completion_void, write_sequence_id, write_stream_item,
};
