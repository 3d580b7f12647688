//! Files that a configuration names, such as the keys of a mounted secret.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// More than any certificate chain, and less than harms.
const LIMIT_BYTES: u64 = 1 << 20;

/// Reads a file. The error is what is wrong, without the path.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
    file.take(LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(format!("it has more than {LIMIT_BYTES} bytes"));
    }
    Ok(bytes)
}

/// Reads a file as text.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|_| "it is not UTF-8".to_owned())
}

/// Reads a secret, without the line ends that editors put after it.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let text = read_text(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
