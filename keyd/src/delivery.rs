//! How far an order has come: pure, from what is on record and keyd's clock.
//!
//! Two words count, each for itself: the laptop's signed receipt, and the platform's list. Where
//! neither came, what is certain is the end of the last lease and its grace.

use wardkey_schemas::action::OrderSent;
use wardkey_schemas::delivery::{Delivery, DeliveryRow};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::OrderResult;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal, limits};

use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::store::deliveries::Known;

/// How long a laptop on which nothing runs is waited for: it polls every twenty seconds, so one
/// that has not answered by then is off, or has no network.
const POLLS_WITHIN: Seconds = Seconds::new(30);

/// How far an order has come at `now`.
pub fn delivery(known: &Known, now: Timestamp) -> Delivery {
    let visit = known.visit.as_ref();
    let removed_at = visit.and_then(|visit| visit.removed_at);
    if let Some((result, at)) = known.acted {
        return match result {
            OrderResult::Refused => Delivery::Refused { at },
            OrderResult::Resumed => Delivery::Resumed { at },
            OrderResult::Shown => Delivery::Shown { at },
            OrderResult::AfterThisCall => Delivery::AfterThisCall { at },
            OrderResult::Stopped | OrderResult::AlreadyClosed | OrderResult::SessionEnded => {
                if visit.is_some() && removed_at.is_none() {
                    Delivery::LaptopStopped { at }
                } else {
                    Delivery::Stopped { at, removed_at }
                }
            }
        };
    }
    if matches!(known.command.as_str(), "resume" | "message") {
        return Delivery::Waiting;
    }
    let Some(visit) = visit else {
        return Delivery::CannotStart;
    };
    let cannot_run_past = visit.cannot_run_past;
    match (removed_at, known.sent_at) {
        (Some(at), _) => Delivery::RemovedFromRoom {
            at,
            cannot_run_past,
        },
        (None, _) if cannot_run_past <= now => Delivery::RanOut {
            at: cannot_run_past,
        },
        (None, Some(at)) => Delivery::Sent {
            at,
            cannot_run_past,
        },
        (None, None) => Delivery::NotReached { cannot_run_past },
    }
}

/// Whether nothing more is to be waited for at `now`: both words are there, or the last possible
/// second has passed.
pub fn is_settled(known: &Known, platform: bool, now: Timestamp) -> bool {
    let over = || {
        let visit = known.visit.as_ref();
        visit.is_none_or(|visit| visit.cannot_run_past <= now)
    };
    match delivery(known, now) {
        Delivery::Stopped { .. }
        | Delivery::AfterThisCall { .. }
        | Delivery::RanOut { .. }
        | Delivery::Resumed { .. }
        | Delivery::Shown { .. }
        | Delivery::Refused { .. } => true,
        Delivery::LaptopStopped { .. } => !platform || over(),
        Delivery::RemovedFromRoom { .. } => over(),
        Delivery::NotReached { .. } | Delivery::Sent { .. } => false,
        Delivery::CannotStart | Delivery::Waiting => known.committed_at.plus(POLLS_WITHIN) <= now,
    }
}

impl App {
    /// How far these orders have come; orders of other sites are unknown here.
    ///
    /// # Errors
    ///
    /// A refusal for more orders than an answer carries.
    pub(crate) async fn deliveries_of(
        &self,
        site: &SiteCode,
        orders: &[OrderSent],
    ) -> Result<Vec<DeliveryRow>, Failure> {
        if orders.len() > limits::DELIVERIES {
            let wanted = format!("at most {}", limits::DELIVERIES);
            return Err(Refusal::new(Code::MessageTooLarge, orders.len(), wanted).into());
        }
        let platform = self.platform.is_some();
        let known = self.store.known_of_orders(site, orders).await?;
        let now = clock::now();
        Ok(known
            .into_iter()
            .map(|known| DeliveryRow {
                delivery: delivery(&known, now),
                settled: is_settled(&known, platform, now),
                device: known.device,
                asset: known.asset,
                seq: known.seq,
                command: known.command,
                committed_at: known.committed_at,
                result: known.acted.map(|(result, _)| result),
                platform,
                trouble: known.visit.and_then(|visit| visit.trouble),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::{DeviceId, OrderSeq};

    use super::*;
    use crate::store::deliveries::VisitThen;

    fn at(second: u32) -> Timestamp {
        let start: Timestamp = "2026-11-22T14:02:00Z".parse().unwrap();
        start.plus(Seconds::new(second))
    }

    const OVER: u32 = 900;

    fn sent() -> Known {
        Known {
            device: DeviceId::from_bytes([1; 16]),
            asset: "HMP-X-03".parse().unwrap(),
            seq: OrderSeq::new(3),
            command: "stop".to_owned(),
            committed_at: at(0),
            sent_at: Some(at(1)),
            acted: None,
            visit: Some(VisitThen {
                cannot_run_past: at(OVER),
                removed_at: None,
                trouble: None,
            }),
        }
    }

    fn removed(known: Known) -> Known {
        let visit = known.visit.clone().map(|visit| VisitThen {
            removed_at: Some(at(6)),
            ..visit
        });
        Known { visit, ..known }
    }

    fn said(known: Known, result: OrderResult) -> Known {
        let acted = Some((result, at(7)));
        Known { acted, ..known }
    }

    fn without_visit(known: Known) -> Known {
        Known {
            visit: None,
            ..known
        }
    }

    #[test]
    fn each_word_shows_and_both_make_stopped() {
        let unsent = Known {
            sent_at: None,
            ..sent()
        };
        let cannot_run_past = at(OVER);
        let cases = [
            (unsent.clone(), Delivery::NotReached { cannot_run_past }),
            (
                sent(),
                Delivery::Sent {
                    at: at(1),
                    cannot_run_past,
                },
            ),
            (
                removed(sent()),
                Delivery::RemovedFromRoom {
                    at: at(6),
                    cannot_run_past,
                },
            ),
            (
                said(sent(), OrderResult::Stopped),
                Delivery::LaptopStopped { at: at(7) },
            ),
            (
                said(removed(sent()), OrderResult::SessionEnded),
                Delivery::Stopped {
                    at: at(7),
                    removed_at: Some(at(6)),
                },
            ),
            (without_visit(unsent), Delivery::CannotStart),
            (
                said(without_visit(sent()), OrderResult::AlreadyClosed),
                Delivery::Stopped {
                    at: at(7),
                    removed_at: None,
                },
            ),
            (
                said(sent(), OrderResult::AfterThisCall),
                Delivery::AfterThisCall { at: at(7) },
            ),
            (
                said(sent(), OrderResult::Refused),
                Delivery::Refused { at: at(7) },
            ),
            (
                said(sent(), OrderResult::Resumed),
                Delivery::Resumed { at: at(7) },
            ),
        ];
        for (known, wanted) in cases {
            assert_eq!(delivery(&known, at(10)), wanted, "{known:?}");
        }
    }

    #[test]
    fn an_order_is_watched_until_both_have_spoken_or_its_last_second_has_passed() {
        let stopped = || said(sent(), OrderResult::Stopped);
        let long = at(OVER - 1);
        assert!(!is_settled(&sent(), true, long));
        assert!(!is_settled(&removed(sent()), true, long));
        assert!(!is_settled(&stopped(), true, long));
        assert!(is_settled(&removed(stopped()), true, at(8)));
        // Where there is no platform, nobody else is going to speak.
        assert!(is_settled(&stopped(), false, at(8)));
        for known in [sent(), removed(sent()), stopped()] {
            assert!(is_settled(&known, true, at(OVER)), "{known:?}");
        }
        assert_eq!(
            delivery(&sent(), at(OVER)),
            Delivery::RanOut { at: at(OVER) }
        );
    }

    #[test]
    fn a_laptop_on_which_nothing_ran_is_given_the_time_of_a_poll() {
        let idle = without_visit(sent());
        assert!(!is_settled(&idle, true, at(29)));
        assert!(is_settled(&idle, true, at(30)));
        let resume = Known {
            command: "resume".to_owned(),
            ..sent()
        };
        assert_eq!(delivery(&resume, at(OVER)), Delivery::Waiting);
        assert!(is_settled(&resume, true, at(30)));
    }
}
