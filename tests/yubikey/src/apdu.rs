//! Commands and answers of ISO 7816-4, with chaining in both directions.

/// The largest command the card collects from a chain: an object of 3 KB with its header.
const MAX_COMMAND: usize = 4096;

/// A command, put together again if it came in pieces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Command {
    /// CLA; bit 0x10 says that more pieces follow.
    pub(crate) class: u8,
    /// INS.
    pub(crate) instruction: u8,
    /// P1.
    pub(crate) p1: u8,
    /// P2.
    pub(crate) p2: u8,
    /// The data field, without its length.
    pub(crate) data: Vec<u8>,
    /// How many octets of answer fit into one reply.
    expected: usize,
}

impl Command {
    /// Reads a short or extended command (ISO 7816-4 §5.1); `None` if the lengths do not agree.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[class, instruction, p1, p2], body) = bytes.split_first_chunk()?;
        let (data, expected): (&[u8], usize) = match body {
            [] => (&[], SHORT_ANSWER),
            [le] => (&[], short_length(*le)),
            [0, high, low] => (&[], extended_length(*high, *low)),
            [0, high, low, rest @ ..] => {
                let (data, le) = rest.split_at_checked(length(*high, *low))?;
                match le {
                    [] => (data, EXTENDED_ANSWER),
                    [high, low] => (data, extended_length(*high, *low)),
                    _ => return None,
                }
            }
            [lc, rest @ ..] => {
                let (data, le) = rest.split_at_checked(usize::from(*lc))?;
                match le {
                    [] => (data, SHORT_ANSWER),
                    [le] => (data, short_length(*le)),
                    _ => return None,
                }
            }
        };
        Some(Self {
            class,
            instruction,
            p1,
            p2,
            data: data.to_vec(),
            expected,
        })
    }

    const fn is_part_of_chain(&self) -> bool {
        self.class & 0x10 != 0
    }
}

const SHORT_ANSWER: usize = 256;
const EXTENDED_ANSWER: usize = 65_536;

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

fn short_length(le: u8) -> usize {
    if le == 0 {
        SHORT_ANSWER
    } else {
        usize::from(le)
    }
}

fn extended_length(high: u8, low: u8) -> usize {
    match length(high, low) {
        0 => EXTENDED_ANSWER,
        wanted => wanted,
    }
}

/// A status word (ISO 7816-4 §5.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Status(pub(crate) u16);

impl Status {
    /// 9000.
    pub(crate) const SUCCESS: Self = Self(0x9000);
    /// 6700: a length that cannot be.
    pub(crate) const WRONG_LENGTH: Self = Self(0x6700);
    /// 6982: PIN, touch or management key missing.
    pub(crate) const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    /// 6983: no tries left.
    pub(crate) const BLOCKED: Self = Self(0x6983);
    /// 6985: not now.
    pub(crate) const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// 6A80: the data make no sense, or not here.
    pub(crate) const INCORRECT_DATA: Self = Self(0x6a80);
    /// 6A82: no such object or application.
    pub(crate) const NOT_FOUND: Self = Self(0x6a82);
    /// 6A86: P1 or P2 make no sense.
    pub(crate) const INCORRECT_PARAMETERS: Self = Self(0x6a86);
    /// 6A88: no key in that slot.
    pub(crate) const REFERENCE_NOT_FOUND: Self = Self(0x6a88);
    /// 6D00: no such instruction.
    pub(crate) const UNKNOWN_INSTRUCTION: Self = Self(0x6d00);
    /// 6F00: the card itself failed.
    pub(crate) const FAULT: Self = Self(0x6f00);

    /// 63Cx: wrong PIN or PUK, `tries` left; 6983 once there are none.
    pub(crate) fn wrong_code(tries: u8) -> Self {
        if tries == 0 {
            Self::BLOCKED
        } else {
            Self(0x63c0 | u16::from(tries.min(15)))
        }
    }
}

/// What the card answers: data and a status word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The data field; empty unless the status is a success.
    pub(crate) data: Vec<u8>,
    /// The status word.
    pub(crate) status: Status,
}

impl Answer {
    /// Success with `data`.
    pub(crate) const fn with(data: Vec<u8>) -> Self {
        Self {
            data,
            status: Status::SUCCESS,
        }
    }

    /// Whether the status is 9000.
    pub(crate) fn is_success(&self) -> bool {
        self.status == Status::SUCCESS
    }
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        Self {
            data: Vec::new(),
            status,
        }
    }
}

impl From<Result<Vec<u8>, Status>> for Answer {
    fn from(result: Result<Vec<u8>, Status>) -> Self {
        result.map_or_else(Self::from, Self::with)
    }
}

/// Puts chained commands together and hands long answers out in pieces.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    collected: Vec<u8>,
    unsent: Vec<u8>,
}

/// GET RESPONSE (ISO 7816-4 §11.8.1).
const GET_RESPONSE: u8 = 0xc0;

impl Transport {
    /// Takes one message off the wire; calls `run` once a whole command is there.
    pub(crate) fn exchange(
        &mut self,
        message: &[u8],
        run: impl FnOnce(&Command) -> Answer,
    ) -> Vec<u8> {
        let Some(mut command) = Command::parse(message) else {
            return reply(&[], Status::WRONG_LENGTH);
        };
        if command.instruction == GET_RESPONSE {
            return self.next_piece(command.expected);
        }
        self.unsent.clear();
        if self.collected.len().saturating_add(command.data.len()) > MAX_COMMAND {
            self.collected.clear();
            return reply(&[], Status::WRONG_LENGTH);
        }
        self.collected.append(&mut command.data);
        if command.is_part_of_chain() {
            return reply(&[], Status::SUCCESS);
        }
        command.data = std::mem::take(&mut self.collected);
        let answer = run(&command);
        if !answer.is_success() {
            return reply(&[], answer.status);
        }
        self.unsent = answer.data;
        self.next_piece(command.expected)
    }

    fn next_piece(&mut self, expected: usize) -> Vec<u8> {
        let rest = self.unsent.split_off(expected.min(self.unsent.len()));
        let piece = std::mem::replace(&mut self.unsent, rest);
        match self.unsent.len() {
            0 => reply(&piece, Status::SUCCESS),
            left => {
                // 61xx: how many more octets there are, 00 for 256 or more.
                let hint = u8::try_from(left).unwrap_or(0);
                reply(&piece, Status(u16::from_be_bytes([0x61, hint])))
            }
        }
    }
}

fn reply(data: &[u8], status: Status) -> Vec<u8> {
    [data, &status.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(command: &Command) -> Answer {
        Answer::with(command.data.clone())
    }

    #[test]
    fn all_seven_forms_of_a_command_are_read() {
        let header = [0x00, 0xcb, 0x3f, 0xff];
        let cases: [(&[u8], &[u8], usize); 7] = [
            (&[], &[], 256),
            (&[0x10], &[], 16),
            (&[0x02, 0xaa, 0xbb], &[0xaa, 0xbb], 256),
            (&[0x02, 0xaa, 0xbb, 0x20], &[0xaa, 0xbb], 32),
            (&[0x00, 0x01, 0x00], &[], 256),
            (&[0x00, 0x00, 0x01, 0xaa], &[0xaa], 65_536),
            (&[0x00, 0x00, 0x01, 0xaa, 0x00, 0x40], &[0xaa], 64),
        ];
        for (body, data, expected) in cases {
            let command = Command::parse(&[&header[..], body].concat()).unwrap();
            assert_eq!(
                (command.data.as_slice(), command.expected),
                (data, expected),
                "{body:x?}"
            );
        }
    }

    #[test]
    fn lengths_that_disagree_are_refused() {
        for bytes in [
            &[0x00, 0xcb, 0x3f][..],
            &[0, 0xcb, 0, 0, 3, 1],
            &[0, 0xcb, 0, 0, 0, 0, 9, 1],
        ] {
            assert_eq!(Command::parse(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn a_chain_is_one_command() {
        let mut transport = Transport::default();
        let first = transport.exchange(&[0x10, 0xdb, 0x3f, 0xff, 2, 1, 2], |_| unreachable!());
        assert_eq!(first, [0x90, 0x00]);
        let whole = transport.exchange(&[0x00, 0xdb, 0x3f, 0xff, 1, 3], echo);
        assert_eq!(whole, [1, 2, 3, 0x90, 0x00]);
    }

    #[test]
    fn a_chain_without_end_is_cut() {
        let mut transport = Transport::default();
        let piece = [&[0x10, 0xdb, 0x3f, 0xff, 255][..], &[0; 255]].concat();
        let answers: Vec<_> = (0..17)
            .map(|_| transport.exchange(&piece, |_| unreachable!()))
            .collect();
        assert_eq!(answers.last().unwrap(), &[0x67, 0x00]);
    }

    #[test]
    fn a_long_answer_is_fetched_in_pieces() {
        let mut transport = Transport::default();
        let long: Vec<u8> = (0..=255).cycle().take(600).collect();
        let first = transport.exchange(&[0, 0xcb, 0x3f, 0xff, 0], |_| Answer::with(long.clone()));
        assert_eq!(first[256..], [0x61, 0x00]);
        let second = transport.exchange(&[0, 0xc0, 0, 0, 0], |_| unreachable!());
        assert_eq!(second[256..], [0x61, 88]);
        let third = transport.exchange(&[0, 0xc0, 0, 0, 0], |_| unreachable!());
        assert_eq!([&first[..256], &second[..256], &third[..88]].concat(), long);
        assert_eq!(third[88..], [0x90, 0x00]);
    }
}
