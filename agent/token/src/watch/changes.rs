//! From one look at the readers to the next: what came, what went. No I/O of its own.

use std::collections::BTreeMap;

use super::{Seen, Sighting, TokenEvent};
use crate::error::TokenError;
use crate::readers::TokenInfo;

/// What was in a reader when last looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    /// A card that is no token of ours.
    Ignored { event: u32 },
    /// A card that could not be asked yet, because another program holds it or it failed.
    Unidentified { event: u32 },
    /// A token that was reported.
    Reported { event: u32 },
}

impl Known {
    const fn event(self) -> u32 {
        match self {
            Self::Ignored { event } | Self::Unidentified { event } | Self::Reported { event } => {
                event
            }
        }
    }
}

/// The readers that held something when last looked at.
#[derive(Debug, Default)]
pub(super) struct Changes {
    known: BTreeMap<String, Known>,
    is_lost: bool,
}

impl Changes {
    /// Whether some card still has to be asked who it is.
    pub(super) fn has_unidentified(&self) -> bool {
        self.known
            .values()
            .any(|known| matches!(known, Known::Unidentified { .. }))
    }

    /// Takes all readers as they are now; says what changed. Removals come first, so that a
    /// token moved from one reader to another is gone before it is back.
    pub(super) fn compare(
        &mut self,
        sightings: &[Sighting],
        identify: &mut dyn FnMut(&str) -> Result<TokenInfo, TokenError>,
    ) -> Vec<TokenEvent> {
        self.is_lost = false;
        let now: BTreeMap<&str, u32> = sightings
            .iter()
            .filter_map(|sighting| match sighting.seen {
                Seen::Card { event } => Some((sighting.reader.as_str(), event)),
                Seen::Empty => None,
            })
            .collect();
        let mut events = Vec::new();
        self.known.retain(|reader, known| {
            let stays = now.get(reader.as_str()) == Some(&known.event());
            if !stays && matches!(known, Known::Reported { .. }) {
                events.push(TokenEvent::Removed {
                    reader: reader.clone(),
                });
            }
            stays
        });
        for (reader, event) in now {
            let is_open = self
                .known
                .get(reader)
                .is_none_or(|known| matches!(known, Known::Unidentified { .. }));
            if !is_open {
                continue;
            }
            let known = match identify(reader) {
                Ok(token) => {
                    events.push(TokenEvent::Inserted(token));
                    Known::Reported { event }
                }
                Err(TokenError::NotAYubiKey { .. }) => Known::Ignored { event },
                Err(_) => Known::Unidentified { event },
            };
            self.known.insert(reader.to_owned(), known);
        }
        events
    }

    /// Forgets everything, because nobody can say any more what is there.
    pub(super) fn lose_everything(&mut self) -> Vec<TokenEvent> {
        let was_lost = std::mem::replace(&mut self.is_lost, true);
        let known = std::mem::take(&mut self.known);
        let removed = known
            .into_iter()
            .filter(|(_, known)| matches!(known, Known::Reported { .. }))
            .map(|(reader, _)| TokenEvent::Removed { reader });
        removed
            .chain((!was_lost).then_some(TokenEvent::ServiceLost))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::names::{Firmware, TokenSerial};

    use super::*;

    fn token(reader: &str) -> TokenInfo {
        TokenInfo {
            reader: reader.to_owned(),
            serial: TokenSerial::new(7),
            firmware: Firmware {
                major: 5,
                minor: 7,
                patch: 4,
            },
        }
    }

    fn card(reader: &str, event: u32) -> Sighting {
        Sighting {
            reader: reader.to_owned(),
            seen: Seen::Card { event },
        }
    }

    fn empty(reader: &str) -> Sighting {
        Sighting {
            reader: reader.to_owned(),
            seen: Seen::Empty,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it stands where an answer may be an error"
    )]
    fn answers(reader: &str) -> Result<TokenInfo, TokenError> {
        Ok(token(reader))
    }

    fn removed(reader: &str) -> TokenEvent {
        TokenEvent::Removed {
            reader: reader.to_owned(),
        }
    }

    #[test]
    fn a_card_in_a_reader_that_stays_comes_and_goes() {
        let mut changes = Changes::default();
        assert_eq!(changes.compare(&[empty("a")], &mut answers), []);
        let inserted = changes.compare(&[card("a", 1)], &mut answers);
        assert_eq!(inserted, [TokenEvent::Inserted(token("a"))]);
        assert_eq!(changes.compare(&[card("a", 1)], &mut answers), []);
        assert_eq!(changes.compare(&[empty("a")], &mut answers), [removed("a")]);
    }

    #[test]
    fn a_reader_that_vanishes_takes_its_token_along() {
        let mut changes = Changes::default();
        changes.compare(&[card("a", 1), card("b", 1)], &mut answers);
        assert_eq!(
            changes.compare(&[card("b", 1)], &mut answers),
            [removed("a")]
        );
        assert_eq!(changes.compare(&[], &mut answers), [removed("b")]);
    }

    #[test]
    fn a_swap_between_two_looks_is_seen() {
        let mut changes = Changes::default();
        changes.compare(&[card("a", 1)], &mut answers);
        let events = changes.compare(&[card("a", 3)], &mut answers);
        assert_eq!(events, [removed("a"), TokenEvent::Inserted(token("a"))]);
    }

    #[test]
    fn a_card_that_is_no_token_is_asked_once() {
        let mut changes = Changes::default();
        let mut asked = 0;
        let mut stranger = |reader: &str| {
            asked += 1;
            Err(TokenError::NotAYubiKey {
                reader: reader.to_owned(),
            })
        };
        assert_eq!(changes.compare(&[card("a", 1)], &mut stranger), []);
        assert_eq!(changes.compare(&[card("a", 1)], &mut stranger), []);
        assert_eq!(asked, 1);
        assert!(!changes.has_unidentified());
    }

    #[test]
    fn a_busy_token_is_reported_once_it_answers() {
        let mut changes = Changes::default();
        let mut busy = |reader: &str| {
            Err(TokenError::Busy {
                reader: reader.to_owned(),
            })
        };
        assert_eq!(changes.compare(&[card("a", 1)], &mut busy), []);
        assert!(changes.has_unidentified());
        let events = changes.compare(&[card("a", 1)], &mut answers);
        assert_eq!(events, [TokenEvent::Inserted(token("a"))]);
        assert!(!changes.has_unidentified());
    }

    #[test]
    fn a_token_that_was_never_reported_is_not_reported_gone() {
        let mut changes = Changes::default();
        let mut busy = |reader: &str| {
            Err(TokenError::Busy {
                reader: reader.to_owned(),
            })
        };
        changes.compare(&[card("a", 1)], &mut busy);
        assert_eq!(changes.compare(&[empty("a")], &mut answers), []);
    }

    #[test]
    fn a_lost_service_is_reported_once_and_everything_again_afterwards() {
        let mut changes = Changes::default();
        changes.compare(&[card("a", 1)], &mut answers);
        assert_eq!(
            changes.lose_everything(),
            [removed("a"), TokenEvent::ServiceLost]
        );
        assert_eq!(changes.lose_everything(), []);
        let events = changes.compare(&[card("a", 0)], &mut answers);
        assert_eq!(events, [TokenEvent::Inserted(token("a"))]);
    }
}
