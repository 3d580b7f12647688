//! The HTTP side: the way of a request to a mounted path. [`routes`] says which requests there are; each passes
//! [`admission`], and then goes to the file of its own name.

mod admission;
mod caller;
mod connection_log;
mod delete;
mod get;
mod negotiate;
mod post;
mod response;
mod routes;
mod upgrade;
