//! What ends the program with an error: a message that says what to do about it.

/// Any error that ends the program.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
