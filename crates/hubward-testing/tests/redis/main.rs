//! The Redis fixtures are real, do what they say, and leave nothing behind.

mod cluster;
mod ending;
mod sentinels;
mod server;
