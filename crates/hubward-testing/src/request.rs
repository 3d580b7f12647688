//! HTTP requests in bytes. A test that sends a wrong one changes these.

/// The headers of a request for a WebSocket, with the key of RFC 6455's example.
pub const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Makes a request with these header lines besides Host and a POST's length.
pub fn request(method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}{length}\r\n");
    [head.as_bytes(), body].concat()
}

/// Makes the lines of headers, each with its end.
pub fn header_lines(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}
