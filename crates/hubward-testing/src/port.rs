//! A TCP port that belongs to one test, however many run at the same time, and also while nothing listens on it.
//!
//! It is none of the ports that the kernel gives to outgoing connections: a client that tries to reconnect while its
//! server is away could otherwise be given the server's own port, and be connected to itself.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;

/// Below those that Linux (from 32768) and macOS (from 49152) choose by themselves, and above what services use.
const PORTS: Range<u16> = 10_000..20_000;

/// A port of `127.0.0.1`, until it is dropped.
#[derive(Debug)]
pub struct Port {
    /// A UDP socket of the same number. Only one process can have it, and the kernel takes it back when that ends.
    reservation: UdpSocket,
}

impl Port {
    /// Reserves a port that nobody listens on.
    pub fn reserve() -> Self {
        // Begins at a random one, so that tests that run at the same time seldom try the same.
        let begin = RandomState::new().hash_one(std::process::id()) % PORTS.len() as u64;
        let mut ports = PORTS.cycle().skip(begin as usize).take(PORTS.len());
        ports.find_map(Self::reserve_if_free).expect("a free port")
    }

    fn reserve_if_free(port: u16) -> Option<Self> {
        let address = (Ipv4Addr::LOCALHOST, port);
        let reservation = UdpSocket::bind(address).ok()?;
        TcpListener::bind(address).is_ok().then_some(Self { reservation })
    }

    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        self.reservation.local_addr().unwrap()
    }

    /// Returns the port's number.
    pub fn number(&self) -> u16 {
        self.address().port()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_port_is_reserved_once_until_it_is_dropped() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        let number = ports[0].number();
        assert!(Port::reserve_if_free(number).is_none());
        drop(ports);
        assert!(Port::reserve_if_free(number).is_some());
    }

    #[test]
    fn a_port_that_something_listens_on_is_not_free() {
        let port = Port::reserve();
        let _listener = TcpListener::bind(port.address()).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::reserve_if_free(number).is_none());
    }
}
