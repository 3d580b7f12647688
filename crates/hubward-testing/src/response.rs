//! An HTTP response as it was received.

use std::collections::HashMap;

use serde_json::Value;

/// A server's response.
#[derive(Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads the status line and the header lines.
    pub(crate) fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: Vec::new() }
    }

    /// Returns a header's value. The name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the body as a string.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns status, content type and body: a row of the protocol's tables of responses.
    pub fn row(&self) -> (u16, &str, &str) {
        (self.status, self.header("content-type").unwrap_or(""), self.text())
    }
}
