//! Messages and requests as they should be, of every kind that there is.

use hubward_tests::Random;

/// The handshakes of both protocols, and some that are to be refused.
pub(crate) const HANDSHAKES: &[&str] = &[
    r#"{"protocol":"json","version":1}"#,
    r#"{"protocol":"json","version":2}"#,
    r#"{"version":1,"protocol":"JSON","extra":[{"a":1}]}"#,
    r#"{"protocol":"messagepack","version":1}"#,
    r#"{"protocol":"messagepack","version":2}"#,
    r#"{"protocol":"none","version":1}"#,
    r#"{"protocol":"json","version":99}"#,
    r#"{"protocol":"json"}"#,
];

/// Messages of every type, in JSON.
const JSON: &[&str] = &[
    r#"{"type":1,"invocationId":"1","target":"Echo","arguments":["hello"]}"#,
    r#"{"type":1,"target":"Echo","arguments":["hello"]}"#,
    r#"{"arguments":[1,2],"target":"add","invocationId":"2","type":1,"headers":{"traceparent":"00-1"}}"#,
    r#"{"type":1,"invocationId":"3","target":"Anything","arguments":[{"a":[1,2.5,null,true,"\u00e4\ud83d\ude00"]}]}"#,
    r#"{"type":1,"invocationId":"4","target":"Join","arguments":["g"]}"#,
    r#"{"type":1,"invocationId":"5","target":"Wait","arguments":[]}"#,
    r#"{"type":1,"invocationId":"6","target":"Confirm","arguments":[]}"#,
    r#"{"type":1,"invocationId":"7","target":"Nothing","arguments":[]}"#,
    r#"{"type":1,"invocationId":"8","target":"Sum","arguments":[],"streamIds":["u"]}"#,
    r#"{"type":2,"invocationId":"u","item":42}"#,
    r#"{"type":3,"invocationId":"u"}"#,
    r#"{"type":3,"invocationId":"u","error":"no"}"#,
    r#"{"type":3,"invocationId":"node-1","result":true}"#,
    r#"{"type":4,"invocationId":"9","target":"Count","arguments":[5]}"#,
    r#"{"type":5,"invocationId":"9"}"#,
    r#"{"type":5,"invocationId":"5"}"#,
    r#"{"type":6}"#,
    r#"{"type":7,"error":"bye"}"#,
    r#"{"type":7}"#,
    r#"{"type":8,"sequenceId":1}"#,
    r#"{"type":9,"sequenceId":1}"#,
    r#"{"type":99,"what":"is this"}"#,
];

/// Messages of every type, in MessagePack, without their length.
const MESSAGE_PACK: &[&[u8]] = &[
    b"\x96\x01\x80\xA11\xA4Echo\x91\xA5hello\x90",
    b"\x95\x01\x80\xC0\xA4Echo\x91\xA5hello",
    b"\x96\x01\x81\xA1a\xA1b\xA12\xA3Add\x92\x01\xD1\xFF\x00\x90",
    b"\x96\x01\x80\xA13\xA8Anything\x91\x82\xA1a\x93\x01\xCB\x40\x04\x00\x00\x00\x00\x00\x00\xC0\xA1b\xC4\x02\x00\x01\x90",
    b"\x96\x01\x80\xA14\xA4Join\x91\xA1g\x90",
    b"\x96\x01\x80\xA15\xA4Wait\x90\x90",
    b"\x96\x01\x80\xA16\xA7Confirm\x90\x90",
    b"\x96\x01\x80\xA17\xA7Nothing\x90\x90",
    b"\x96\x01\x80\xA18\xA3Sum\x90\x91\xA1u",
    b"\x94\x02\x80\xA1u\x2A",
    b"\x94\x03\x80\xA1u\x02",
    b"\x95\x03\x80\xA1u\x01\xA2no",
    b"\x95\x03\x80\xA6node-1\x03\xC3",
    b"\x96\x04\x80\xA19\xA5Count\x91\x05\x90",
    b"\x93\x05\x80\xA19",
    b"\x91\x06",
    b"\x92\x07\xC0",
    b"\x93\x07\xA3bye\xC2",
    b"\x92\x08\x01",
    b"\x92\x09\x01",
    b"\x92\x63\xC0",
];

/// The protocol of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HubProtocol {
    Json,
    MessagePack,
}

impl HubProtocol {
    /// The handshake that begins it.
    pub(crate) fn handshake(self, version: u32) -> Vec<u8> {
        let protocol = if self == Self::Json { "json" } else { "messagepack" };
        format!("{{\"protocol\":\"{protocol}\",\"version\":{version}}}\x1e").into_bytes()
    }

    /// Draws a message, framed as the protocol does it. `change` gets the message without its frame.
    pub(crate) fn message(
        self,
        random: &mut Random,
        change: impl FnOnce(&mut Random, &mut Vec<u8>),
    ) -> Vec<u8> {
        let mut message = match self {
            Self::Json => random.one_of(JSON).as_bytes().to_vec(),
            Self::MessagePack => random.one_of(MESSAGE_PACK).to_vec(),
        };
        change(random, &mut message);
        match self {
            Self::Json => message.push(0x1E),
            Self::MessagePack => {
                let mut framed = length(message.len());
                framed.append(&mut message);
                message = framed;
            }
        }
        message
    }
}

fn length(mut rest: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// More header lines of a request, right or wrong.
pub(crate) const LINES: &[&str] = &[
    "",
    "",
    "",
    "Accept: text/event-stream\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Authorization: Bearer\r\n",
    "Authorization: Bearer a.b.c\r\n",
    "Origin: https://elsewhere.example\r\n",
    "Cookie: =;;=;a=b\r\n",
    "Expect: 100-continue\r\n",
    "X-Bytes: \x01\x02\r\n",
    "Connection: close\r\n",
];

/// Query strings of negotiate.
pub(crate) const NEGOTIATES: &[&str] = &[
    "",
    "?negotiateVersion=1",
    "?negotiateVersion=1&useStatefulReconnect=true",
    "?negotiateVersion=-1",
    "?negotiateVersion=99999999999999999999",
    "?negotiateVersion=%31&access_token=%FF%FE",
    "?id=x&negotiateVersion=1&&&=&%",
];
