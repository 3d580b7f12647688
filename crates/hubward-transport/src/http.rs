//! The HTTP side: what becomes of each request to a mounted path.

mod caller;
mod get;
mod negotiate;
mod post;
pub(crate) mod routes;
mod upgrade;
