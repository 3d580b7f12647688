//! What a hub author has around a call: filters, the context, callbacks, and the hub's clients.

mod clients;
mod context;
mod filters;
mod lifecycle;

async fn echo(text: String) -> String {
    text
}
