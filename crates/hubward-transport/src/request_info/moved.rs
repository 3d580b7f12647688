//! The request of a connection that moves to another node: its records as they are kept, which hold no token.

use std::net::SocketAddr;

use super::{MOST_BYTES, MOST_RECORDS, RecordKind, RequestInfo, take};

impl RequestInfo {
    /// Returns all that is kept of the request, but for the address of its peer. The form is this crate's own.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Makes one of what [`packed`](Self::packed) returned on another node. `None` where it is none, or larger than any that
    /// is kept.
    pub fn unpack(packed: &[u8], remote: Option<SocketAddr>) -> Option<Self> {
        const KINDS: [RecordKind; 3] = [RecordKind::Path, RecordKind::Query, RecordKind::Header];
        let (mut rest, mut records) = (packed, 0);
        while !rest.is_empty() {
            let (kind, _, _) = take(&mut rest)?;
            records += 1;
            if KINDS.iter().all(|known| *known as u8 != kind) {
                return None;
            }
        }
        let fits = packed.len() <= MOST_BYTES && records <= MOST_RECORDS;
        fits.then(|| Self { packed: packed.into(), remote })
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::ConnectInfo;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_the_same_on_another_node() {
        let address: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let request =
            http::Request::get("/hub?ward=7&id=secret").header("X-Ward", "8").header("Cookie", "a=1");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(address));
        let info = RequestInfo::new(&parts);
        let moved = RequestInfo::unpack(info.packed(), info.remote_address()).unwrap();
        assert_eq!((moved.path(), moved.query("ward"), moved.query("id")), ("/hub", Some("7"), None));
        assert_eq!((moved.header("x-ward"), moved.cookie("a")), (Some("8"), Some("1")));
        assert_eq!(moved.remote_address(), Some(address));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let unpacks = |packed: &[u8]| RequestInfo::unpack(packed, None).is_some();
        let record =
            |kind: u8, length: u32| [&[kind][..], &0_u32.to_le_bytes(), &length.to_le_bytes()].concat();
        assert!(unpacks(&record(0, 0)));
        assert!(!unpacks(&record(3, 0)), "no such kind");
        assert!(!unpacks(&record(0, u32::MAX)), "longer than what there is");
        assert!(!unpacks(&record(0, 0).repeat(MOST_RECORDS + 1)), "too many records");
        let long = [record(0, MOST_BYTES as u32), vec![b'x'; MOST_BYTES]].concat();
        assert!(!unpacks(&long), "too many bytes");
    }

    proptest! {
        #[test]
        fn no_bytes_make_unpacking_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(info) = RequestInfo::unpack(&bytes, None) {
                let _ = (info.path(), info.query_pairs().count(), info.headers().count(), info.cookie("a"));
            }
        }
    }
}
