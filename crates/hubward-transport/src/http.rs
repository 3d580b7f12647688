//! The HTTP side: the way of a request to a mounted path. [`routes`] says which requests there are; each passes
//! [`admission`], and then goes to the file of its own name.

mod admission;
mod caller;
mod client_address;
mod connection_log;
mod delete;
mod forward;
mod get;
mod negotiate;
mod post;
mod public_id;
mod response;
mod routes;
mod upgrade;
