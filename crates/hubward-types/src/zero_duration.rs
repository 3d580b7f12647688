//! Options that must not be zero.

/// Returns what is wrong with the first of some durations of `options` that is zero, and what to do about it.
///
/// ```
/// struct Options { timeout: std::time::Duration }
///
/// let options = Options { timeout: std::time::Duration::ZERO };
/// let mistake = hubward_types::zero_duration!(options, timeout);
/// assert_eq!(mistake, Some("timeout is zero: raise it, or use Duration::MAX for no limit"));
/// ```
#[macro_export]
macro_rules! zero_duration {
    ($options:expr, $($name:ident),+ $(,)?) => {{
        let durations = [$((
            $options.$name,
            concat!(stringify!($name), " is zero: raise it, or use Duration::MAX for no limit"),
        )),+];
        durations.into_iter().find(|(duration, _)| duration.is_zero()).map(|(_, mistake)| mistake)
    }};
}
