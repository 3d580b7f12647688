//! SHA-256 digests, cut to the length that their use needs.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

/// Starts a digest.
pub(super) fn sha256() -> Context {
    Context::new(&SHA256)
}

/// Ends a digest and returns its first bytes.
pub(super) fn first_bytes<const N: usize>(context: Context) -> [u8; N] {
    const { assert!(N <= SHA256_OUTPUT_LEN, "a digest has no more bytes") };
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or([0; N])
}
