//! Ports at which platforms can be killed and started again.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Above those of well-known services, and those that browsers refuse.
const LOWEST: u16 = 20_000;

/// Where a process begins to look; each starts elsewhere.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A port that no other test takes while this lives, whether something listens there or not, and that the kernel gives to
/// nobody who asks for any.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // Nobody speaks UDP here: the one of this number is what tests, in this process or another, hold a port by.
    _held: UdpSocket,
}

impl Port {
    /// Takes a free one.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn take() -> Self {
        let kernels = given_by_the_kernel();
        let ports: Vec<_> = (LOWEST..=u16::MAX).filter(|port| !kernels.contains(port)).collect();
        assert!(!ports.is_empty(), "the kernel gives out all ports but those below {LOWEST}");
        let first = process::id() as usize * 101;
        let mut tries = (0..ports.len()).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed));
        tries.find_map(|place| Self::try_take(ports[place % ports.len()])).expect("a free port")
    }

    fn try_take(number: u16) -> Option<Self> {
        let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        let _v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        // There may be no IPv6 here.
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, number));
        let is_free = !v6.is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        is_free.then_some(Self { number, _held: held })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// What the kernel gives to whoever binds port 0 or connects. Systems that do not say it give the upper ones.
fn given_by_the_kernel() -> RangeInclusive<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().filter_map(|bound| bound.parse().ok());
    bounds.next().unwrap_or(32_768)..=bounds.next().unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_tests_alone_and_of_no_use_to_the_kernel() {
        let one = Port::take();
        assert!(!given_by_the_kernel().contains(&one.number));
        assert!(Port::try_take(one.number).is_none(), "it is held, though nothing listens there");
        let number = one.number;
        drop(one);
        for address in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
            // There may be no IPv6 here.
            let Ok(_listener) = TcpListener::bind((address, number)) else { continue };
            assert!(Port::try_take(number).is_none(), "something listens at {address}");
        }
        assert!(Port::try_take(number).is_some(), "it is free again");
    }
}
