//! Renewing the laptop's certificates: while nobody uses it, once keyd's signed time says that it is
//! time, and again and again until it is done. Four months are left for it.

use wardkey_gate::boottime::Boottime;
use wardkey_schemas::Refusal;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;

use super::{Action, Session, Ticket, Turn};
use crate::certificates;
use crate::laptop::Laptop;
use crate::limits;

/// When to try next, and whether it is under way.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    at: Boottime,
    asked: Option<Ticket>,
    /// From when on, by keyd's clock; none if there is nothing to renew.
    from: Option<Timestamp>,
}

impl Certificates {
    /// Those of this laptop.
    pub(super) fn of(laptop: Option<&Laptop>) -> Self {
        Self {
            from: laptop.and_then(certificates::renewable_from),
            ..Self::default()
        }
    }
}

impl Session {
    /// Whether it is time, and nobody is kept waiting by it.
    fn wants_certificates(&self) -> bool {
        let is_time = self
            .certificates
            .from
            .is_some_and(|from| self.past.is_some_and(|past| from <= past));
        let is_in_use =
            matches!(&self.standing, Some((ObjectState::Active, holds)) if holds.is_empty());
        let is_idle = self.visit.is_none() && self.attempt.is_none() && !self.leaving;
        is_time && is_in_use && is_idle && self.certificates.asked.is_none()
    }

    pub(super) fn certificates_wake_at(&self) -> Boottime {
        if self.wants_certificates() {
            self.certificates.at
        } else {
            Boottime::NEVER
        }
    }

    pub(super) fn look_at_certificates(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.certificates_wake_at() {
            return;
        }
        let Some(trusted) = self.trusted.clone() else {
            return;
        };
        let ticket = self.ticket();
        self.certificates.asked = Some(ticket);
        self.certificates.at = turn.later(limits::CERTIFICATES_AGAIN, 25);
        tracing::info!("This laptop's certificates are being renewed");
        turn.push(Action::RenewCertificates {
            ticket,
            trusted: Box::new(trusted),
        });
    }

    pub(super) fn certificates_came(
        &mut self,
        ticket: Ticket,
        renewed: Result<Box<Laptop>, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        if self
            .certificates
            .asked
            .take_if(|own| *own == ticket)
            .is_none()
        {
            return;
        }
        let renewed = match renewed {
            Ok(renewed) => *renewed,
            Err(refusal) => {
                tracing::warn!(
                    refusal.code = %refusal.code(), %refusal,
                    "The certificates were not renewed; it is tried again"
                );
                return;
            }
        };
        let is_ours = self.laptop.as_ref().is_some_and(|laptop| {
            laptop.device_key == renewed.device_key && laptop.generation == renewed.generation
        });
        if !is_ours {
            return;
        }
        tracing::info!("This laptop's certificates were renewed");
        self.certificates = Certificates::of(Some(&renewed));
        self.laptop = Some(renewed.clone());
        turn.push(Action::SaveCertificates(Box::new(renewed)));
    }
}
