//! What has to be known of an IPv4 packet to let it pass or not (RFC 791, RFC 9293).

use std::net::{Ipv4Addr, SocketAddrV4};

/// TCP's number among the protocols.
const TCP: u8 = 6;

/// The flag that opens a connection, and the one of everything after.
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// A connection: its two ends, the smaller first, so that both directions are the same one.
pub(super) type Flow = (SocketAddrV4, SocketAddrV4);

/// An IPv4 packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Packet {
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    /// Of TCP: the connection, and whether this packet begins it.
    pub(super) tcp: Option<(Flow, bool)>,
}

impl Packet {
    /// Reads the head of a packet; `None` if it is no IPv4.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 4 != 4 {
            return None;
        }
        let from = address(bytes, 12)?;
        let to = address(bytes, 16)?;
        // In words of four bytes.
        let head = usize::from(first & 0x0f).checked_mul(4)?;
        let tcp = (*bytes.get(9)? == TCP).then(|| {
            let ports = bytes.get(head..)?;
            let flags = *ports.get(13)?;
            let near = SocketAddrV4::new(from, port(ports, 0)?);
            let far = SocketAddrV4::new(to, port(ports, 2)?);
            Some(((near.min(far), near.max(far)), flags & (SYN | ACK) == SYN))
        });
        Some(Self {
            from,
            to,
            tcp: tcp.flatten(),
        })
    }

    /// Whether it comes from this address or goes there.
    pub(super) fn touches(&self, address: Ipv4Addr) -> bool {
        self.from == address || self.to == address
    }
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    Some(Ipv4Addr::from(*four))
}

fn port(bytes: &[u8], at: usize) -> Option<u16> {
    let two: &[u8; 2] = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet that opens a connection from 192.0.2.2:40000 to 192.0.2.1:443.
    pub(crate) fn syn() -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0];
        bytes.extend([192, 0, 2, 2, 192, 0, 2, 1]);
        bytes.extend(40_000_u16.to_be_bytes());
        bytes.extend(443_u16.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, SYN, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn both_directions_of_a_connection_are_the_same_one() {
        let opening = Packet::parse(&syn()).unwrap();
        let (flow, opens) = opening.tcp.unwrap();
        assert!(opens);
        let mut answer = syn();
        answer[12..20].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
        answer[20..24].copy_from_slice(&[0x01, 0xbb, 0x9c, 0x40]);
        answer[33] = SYN | ACK;
        let answer = Packet::parse(&answer).unwrap();
        assert_eq!(answer.tcp, Some((flow, false)));
        assert!(answer.touches(Ipv4Addr::new(192, 0, 2, 1)));
        assert!(!answer.touches(Ipv4Addr::new(192, 0, 2, 3)));
    }

    #[test]
    fn what_is_cut_short_or_no_ipv4_is_not_understood() {
        let whole = syn();
        assert_eq!(Packet::parse(&[]), None);
        assert_eq!(Packet::parse(&whole[..19]), None);
        let without_ports = Packet::parse(&whole[..20]).unwrap();
        assert_eq!(without_ports.tcp, None);
        let mut other = whole;
        other[0] = 0x65;
        assert_eq!(Packet::parse(&other), None);
    }
}
