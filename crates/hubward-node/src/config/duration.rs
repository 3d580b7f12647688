//! Durations as they are written in configuration: a whole number with its unit.

use std::time::Duration;

/// A duration that is longer is a mistake.
const LONGEST: Duration = Duration::from_secs(3600);

/// Reads `500ms`, `15s` or `2m`. The error says what is wrong.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let invalid =
        || format!("'{text}' is no duration; write a whole number with its unit, such as 500ms, 15s or 2m");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| invalid())?;
    let milliseconds = match text.get(digits.len()..) {
        Some("ms") => Some(number),
        Some("s") => number.checked_mul(1_000),
        Some("m") => number.checked_mul(60_000),
        _ => return Err(invalid()),
    };
    let duration = milliseconds.map_or(Duration::MAX, Duration::from_millis);
    if duration.is_zero() || duration > LONGEST {
        return Err(format!("'{text}' is not between 1ms and 60m"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_with_its_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(parse("60m"), Ok(LONGEST));
        for wrong in ["", "15", "s", "1.5s", "-1s", "1 s", "1h", "15S", "+", "٣s"] {
            assert!(parse(wrong).unwrap_err().contains("is no duration"), "{wrong}");
        }
        for wrong in ["0s", "61m", "18446744073709551615m"] {
            assert!(parse(wrong).unwrap_err().contains("between"), "{wrong}");
        }
    }
}
