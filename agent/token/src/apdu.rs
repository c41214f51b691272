//! Commands to a token, and the status words it answers with (ISO 7816-4).

use zeroize::Zeroizing;

/// A command, before it is cut into pieces of 255 octets.
#[derive(Debug)]
pub(crate) struct Command<'data> {
    instruction: u8,
    p1: u8,
    p2: u8,
    data: &'data [u8],
}

/// The most data one piece carries; YubiKeys before firmware 4 and many readers take no longer.
const PIECE: usize = 255;

/// CLA of every piece but the last.
const MORE_FOLLOWS: u8 = 0x10;

impl<'data> Command<'data> {
    /// GET RESPONSE, for the rest of a long answer.
    pub(crate) const GET_RESPONSE: [u8; 5] = [0x00, 0xc0, 0x00, 0x00, 0x00];

    /// A command without data.
    pub(crate) const fn new(instruction: u8, p1: u8, p2: u8) -> Self {
        Self {
            instruction,
            p1,
            p2,
            data: &[],
        }
    }

    /// The same with `data`.
    pub(crate) const fn with(self, data: &'data [u8]) -> Self {
        Self { data, ..self }
    }

    /// What goes over the wire, piece by piece. It is wiped afterwards: it may carry a PIN.
    pub(crate) fn pieces(&self) -> Vec<Zeroizing<Vec<u8>>> {
        let Self {
            instruction,
            p1,
            p2,
            data,
        } = *self;
        let whole = |class: u8, data: &[u8]| {
            // Room for all of it at once, so that no half-filled buffer is left behind.
            let mut bytes = Zeroizing::new(Vec::with_capacity(data.len().saturating_add(6)));
            bytes.extend([class, instruction, p1, p2]);
            bytes.extend(u8::try_from(data.len()).ok().filter(|length| *length > 0));
            bytes.extend_from_slice(data);
            bytes.push(0);
            bytes
        };
        let mut pieces = data.chunks(PIECE).peekable();
        let mut commands = Vec::new();
        while let Some(piece) = pieces.next() {
            let class = if pieces.peek().is_some() {
                MORE_FOLLOWS
            } else {
                0
            };
            commands.push(whole(class, piece));
        }
        if commands.is_empty() {
            commands.push(whole(0, &[]));
        }
        commands
    }
}

/// SW1 and SW2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Status(pub(crate) u16);

impl Status {
    pub(crate) const SUCCESS: Self = Self(0x9000);
    pub(crate) const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    pub(crate) const BLOCKED: Self = Self(0x6983);
    pub(crate) const NOT_FOUND: Self = Self(0x6a82);
    pub(crate) const REFERENCE_NOT_FOUND: Self = Self(0x6a88);
    pub(crate) const UNKNOWN_INSTRUCTION: Self = Self(0x6d00);

    /// Tries left, where this status counts them: 63Cx, or 6983 for none.
    pub(crate) fn tries_left(self) -> Option<u8> {
        match self.0.to_be_bytes() {
            [0x63, low @ 0xc0..=0xcf] => Some(low & 0x0f),
            _ if self == Self::BLOCKED => Some(0),
            _ => None,
        }
    }

    /// Whether more of the answer is to be fetched (61xx).
    pub(crate) const fn has_more(self) -> bool {
        self.0 & 0xff00 == 0x6100
    }
}

/// Splits what came over the wire; `None` if it is too short to hold a status.
pub(crate) fn split(bytes: &[u8]) -> Option<(&[u8], Status)> {
    let (data, status) = bytes.split_last_chunk()?;
    Some((data, Status(u16::from_be_bytes(*status))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(data: &[u8]) -> Vec<Vec<u8>> {
        Command::new(0xdb, 0x3f, 0xff)
            .with(data)
            .pieces()
            .iter()
            .map(|piece| piece.to_vec())
            .collect()
    }

    #[test]
    fn a_short_command_is_one_piece() {
        assert_eq!(pieces(&[]), [[0, 0xdb, 0x3f, 0xff, 0]]);
        assert_eq!(pieces(&[7, 8]), [[0, 0xdb, 0x3f, 0xff, 2, 7, 8, 0]]);
    }

    #[test]
    fn a_long_command_is_chained() {
        let pieces = pieces(&[1; 511]);
        let heads: Vec<_> = pieces.iter().map(|piece| (piece[0], piece[4])).collect();
        assert_eq!(heads, [(0x10, 255), (0x10, 255), (0x00, 1)]);
    }

    #[test]
    fn tries_are_counted_by_two_kinds_of_status() {
        assert_eq!(Status(0x63c2).tries_left(), Some(2));
        assert_eq!(Status(0x6983).tries_left(), Some(0));
        for other in [0x9000, 0x6982, 0x6300, 0x63d1] {
            assert_eq!(Status(other).tries_left(), None, "{other:x}");
        }
    }

    #[test]
    fn an_answer_without_status_is_none() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[0x90]), None);
        assert_eq!(split(&[1, 0x90, 0]), Some((&[1][..], Status::SUCCESS)));
    }
}
