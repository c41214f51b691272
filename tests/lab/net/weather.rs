//! How packets fare: which pass, which are lost, and how long they take.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::packet::{Flow, Packet};
use super::{LAPTOP, PLATFORM, SERVICES};

/// What is not let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Block {
    /// Everything, both ways: the cable is out.
    Everything,
    /// What goes to the laptop; what it says still arrives.
    ToLaptop,
    /// What the laptop says; what is said to it still arrives.
    FromLaptop,
    /// What comes from this address or goes there: a rule of somebody's firewall.
    Address(Ipv4Addr),
    /// Connections that stand when the block begins; new ones pass: a router that has forgotten
    /// what it was translating.
    Standing,
}

impl Block {
    /// The key service is blocked, and the video platform is not.
    pub const SERVICES: Self = Self::Address(SERVICES);
    /// The other way round.
    pub const PLATFORM: Self = Self::Address(PLATFORM);
}

/// How packets fare. The default is a cable: at once, all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Weather {
    /// How long each packet takes, in each direction.
    pub delay: Duration,
    /// How many of a thousand packets are lost, in each direction.
    pub lost_of_1000: u64,
    /// What does not pass.
    pub block: Option<Block>,
}

impl Weather {
    /// A cable.
    pub const FINE: Self = Self {
        delay: Duration::ZERO,
        lost_of_1000: 0,
        block: None,
    };
    /// A bad line: 300 ms for each packet in each direction, and two of a hundred lost.
    pub const BAD_LINE: Self = Self {
        delay: Duration::from_millis(300),
        lost_of_1000: 20,
        block: None,
    };

    /// A cable with this block.
    pub const fn blocked(block: Block) -> Self {
        Self {
            block: Some(block),
            ..Self::FINE
        }
    }
}

/// The weather, and what must be remembered to make it.
#[derive(Debug, Default)]
pub(super) struct Sky {
    weather: Weather,
    /// How often the weather has changed.
    changes: u64,
    /// In which weather each connection began.
    began: HashMap<Flow, u64>,
    /// Draws so far.
    draws: u64,
}

impl Sky {
    pub(super) fn set(&mut self, weather: Weather) {
        self.weather = weather;
        self.changes = self.changes.saturating_add(1);
    }

    /// How long a packet takes; `None` if it does not arrive.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Option<Duration> {
        let packet = Packet::parse(bytes)?;
        if let Some((flow, true)) = packet.tcp {
            self.began.insert(flow, self.changes);
        }
        let is_blocked = match self.weather.block {
            None => false,
            Some(Block::Everything) => true,
            Some(Block::ToLaptop) => packet.to == LAPTOP,
            Some(Block::FromLaptop) => packet.from == LAPTOP,
            Some(Block::Address(address)) => packet.touches(address),
            Some(Block::Standing) => packet.tcp.is_some_and(|(flow, _)| {
                self.began
                    .get(&flow)
                    .is_none_or(|began| *began < self.changes)
            }),
        };
        if is_blocked || self.draw() < self.weather.lost_of_1000 {
            return None;
        }
        Some(self.weather.delay)
    }

    /// A number below a thousand; the same ones in every run.
    fn draw(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(1);
        // SplitMix64.
        let mut mixed = self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(1000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP packet between a port of the laptop and port 443 of an address.
    fn packet(port: u16, far: Ipv4Addr, outward: bool, flags: u8) -> Vec<u8> {
        let ends = [(LAPTOP, port), (far, 443)];
        let [from, to] = if outward { ends } else { [ends[1], ends[0]] };
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
        bytes.extend(from.0.octets());
        bytes.extend(to.0.octets());
        bytes.extend(from.1.to_be_bytes());
        bytes.extend(to.1.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;

    #[test]
    fn each_block_stops_what_it_names_and_nothing_else() {
        let outward = packet(1, SERVICES, true, ACK);
        let inward = packet(1, SERVICES, false, ACK);
        let to_platform = packet(1, PLATFORM, true, ACK);
        for (block, passes) in [
            (Block::Everything, [false, false, false]),
            (Block::ToLaptop, [true, false, true]),
            (Block::FromLaptop, [false, true, false]),
            (Block::SERVICES, [false, false, true]),
            (Block::PLATFORM, [true, true, false]),
        ] {
            let mut sky = Sky::default();
            sky.set(Weather::blocked(block));
            let found = [&outward, &inward, &to_platform].map(|bytes| sky.judge(bytes).is_some());
            assert_eq!(found, passes, "{block:?}");
        }
    }

    #[test]
    fn standing_connections_are_blocked_and_new_ones_are_not() {
        let mut sky = Sky::default();
        assert!(sky.judge(&packet(1, SERVICES, true, SYN)).is_some());
        sky.set(Weather::blocked(Block::Standing));
        assert_eq!(sky.judge(&packet(1, SERVICES, true, ACK)), None);
        assert_eq!(sky.judge(&packet(1, SERVICES, false, ACK)), None);
        assert!(sky.judge(&packet(2, SERVICES, true, SYN)).is_some());
        assert!(sky.judge(&packet(2, SERVICES, false, ACK)).is_some());
    }

    #[test]
    fn a_bad_line_delays_every_packet_and_loses_about_as_many_as_it_says() {
        let mut sky = Sky::default();
        sky.set(Weather::BAD_LINE);
        let bytes = packet(1, SERVICES, true, ACK);
        let arrived: Vec<_> = (0..10_000).filter_map(|_| sky.judge(&bytes)).collect();
        assert!(arrived.iter().all(|time| *time == Weather::BAD_LINE.delay));
        let lost = 10_000_usize.saturating_sub(arrived.len());
        assert!((150..250).contains(&lost), "{lost}");
    }
}
