//! One secret key of a key ring, as configuration writes it. It is never printed.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::error::AuthConfigError;
use crate::random::random_bytes;

/// The length of an AES-256 key.
const BYTES: usize = 32;

/// Tools write base64 with padding or without: both are accepted.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// A key of 32 bytes that connection tokens are sealed with. `openssl rand -hex 32` makes one.
///
/// ```
/// use hubward_auth::SealingKey;
///
/// let key: SealingKey = "6f1a7c0d92b35e48a1c4f7083b6d29e5107c8f3ad4b9625e0f81c37a92d6e4b5".parse()?;
/// assert_eq!(format!("{key:?}"), "SealingKey(redacted)");
/// # Ok::<(), hubward_auth::AuthConfigError>(())
/// ```
#[derive(Clone)]
pub struct SealingKey([u8; BYTES]);

impl SealingKey {
    /// Makes a new random key.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// Takes the bytes of a key.
    ///
    /// # Errors
    /// Refuses a key that repeats a single byte, since that is not a random one.
    pub fn from_bytes(bytes: [u8; BYTES]) -> Result<Self, AuthConfigError> {
        let [first, ..] = bytes;
        if bytes.iter().all(|byte| *byte == first) {
            return Err(AuthConfigError::SealingKeyNotRandom);
        }
        Ok(Self(bytes))
    }

    pub(super) fn expose(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl FromStr for SealingKey {
    type Err = AuthConfigError;

    /// Reads 64 hexadecimal digits, or base64 (either alphabet, with or without padding). White space around
    /// it, such as a file's last newline, is ignored.
    fn from_str(string: &str) -> Result<Self, Self::Err> {
        let string = string.trim();
        let bytes = if string.len() == 2 * BYTES {
            from_hex(string)
        } else {
            BASE64.decode(string).or_else(|_| BASE64URL.decode(string)).ok()
        };
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Self::from_bytes(bytes.ok_or(AuthConfigError::InvalidSealingKey)?)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(redacted)")
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "fbefbe0102030405060708090a0b0c0d0e0f101112131415161718191a1b1cff";

    #[test]
    fn a_key_is_read_from_hex_and_base64() {
        let expected = *HEX.parse::<SealingKey>().unwrap().expose();
        let strings = [
            HEX.to_uppercase(),
            format!("  {HEX}\n"),
            BASE64.encode(expected),
            BASE64.encode(expected).trim_end_matches('=').to_owned(),
            BASE64URL.encode(expected),
            BASE64URL.encode(expected).trim_end_matches('=').to_owned(),
        ];
        for string in strings {
            assert_eq!(*string.parse::<SealingKey>().unwrap().expose(), expected, "{string}");
        }
    }

    #[test]
    fn what_is_not_a_random_key_of_32_bytes_is_refused() {
        let long = "ab".repeat(33);
        for string in ["", "secret", &HEX[..62], &long, &HEX.replace('f', "g"), &"é".repeat(32)] {
            let error = string.parse::<SealingKey>().unwrap_err();
            assert_eq!(error, AuthConfigError::InvalidSealingKey, "{string}");
        }
        for string in ["0".repeat(64), "ff".repeat(32), BASE64.encode([7; 32])] {
            assert_eq!(string.parse::<SealingKey>().unwrap_err(), AuthConfigError::SealingKeyNotRandom);
        }
    }
}
