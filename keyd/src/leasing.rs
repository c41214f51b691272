//! What a lease says: pure arithmetic over the policy, for the first lease and every one after it.

use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{DeviceId, Generation, LeaseId, OrderSeq, RoomId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::lease::{Confirmation, Lease};
use wardkey_schemas::limits;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::time::{Seconds, Timestamp};

use crate::policy::Policy;

/// Laptops ask up to this part of their time late, so that those of a site come one by one.
const RENEWAL_LATE: u32 = 5;

/// The visit that a lease is for.
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    /// The realm.
    pub realm: &'a Realm,
    /// The site.
    pub site: &'a SiteCode,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Its device key.
    pub device_key: Thumbprint,
    /// The session.
    pub session: SessionId,
    /// The room.
    pub room: RoomId,
    /// The visit that ended for this one, if it was moved.
    pub moved_from: Option<SessionId>,
    /// The key that activated.
    pub staff_key: Thumbprint,
    /// SHA-256 of the activation's envelope.
    pub activation: Sha256,
    /// The TPM's reset counter in the quote.
    pub reset_count: u32,
    /// When the visit must end.
    pub hard_end: Timestamp,
    /// The last order to the laptop.
    pub last_order: OrderSeq,
    /// When the newest quote of the visit came.
    pub quoted_at: Timestamp,
    /// Why the visit may only be finished, if it may.
    pub finish: Option<Code>,
}

/// Numbers that are fresh for each lease.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// The lease's number.
    pub id: LeaseId,
    /// The gate's nonce, given back.
    pub gate_nonce: Nonce,
    /// keyd's nonce for the next renewal.
    pub renew_nonce: Nonce,
    /// Whether the request brought a quote over its nonces.
    pub quoted: bool,
}

/// When a visit must end that begins now: at the latest with the first certificate that it rests on.
pub fn first_hard_end(policy: &Policy, now: Timestamp, certified: Timestamp) -> Timestamp {
    now.plus(policy.session_most).min(certified)
}

/// When a visit must end that is extended now: later by the policy's step, and never further away
/// than any gate allows, nor past the first end of a certificate that it rests on.
pub fn extended_hard_end(
    policy: &Policy,
    hard_end: Timestamp,
    now: Timestamp,
    certified: Timestamp,
) -> Timestamp {
    hard_end
        .max(now)
        .plus(policy.extend_by)
        .min(now.plus(limits::HARD_END_MOST))
        .min(certified)
}

/// The lease number `seq` of a visit.
pub fn lease(visit: &Visit<'_>, seq: u32, fresh: Fresh, policy: &Policy, now: Timestamp) -> Lease {
    // Rounded down: the gate counts from its nonce, which was made before now.
    let left = visit
        .hard_end
        .millis_since(now)
        .checked_div(1000)
        .unwrap_or(0);
    let left = u32::try_from(left).map_or(limits::HARD_END_MOST, Seconds::new);
    Lease {
        iss: Lease::issuer(visit.realm),
        sub: visit.device,
        iat: now.seconds(),
        jti: fresh.id,
        eat_profile: Lease::profile(visit.realm),
        eat_nonce: fresh.gate_nonce,
        cnf: Confirmation {
            jkt: visit.device_key,
        },
        generation: visit.generation,
        site: visit.site.clone(),
        session: visit.session,
        seq,
        room: visit.room,
        moved_from: visit.moved_from,
        staff_key: visit.staff_key,
        activation: visit.activation,
        reset_count: visit.reset_count,
        quoted: fresh.quoted,
        presence: policy.presence,
        run_for: policy.run_for,
        grace: policy.grace,
        hard_end_in: left.min(limits::HARD_END_MOST),
        renew_after: policy.renew_every,
        requote: quote_is_next(visit.quoted_at, policy, now),
        finish: visit.finish,
        renew_nonce: fresh.renew_nonce,
        last_order: visit.last_order,
        server_time: now,
    }
}

/// From when on a renewal must bring a quote.
pub fn quote_due(quoted_at: Timestamp, policy: &Policy) -> Timestamp {
    quoted_at.plus(policy.requote_every)
}

/// Whether the next renewal may come after that, at its latest.
fn quote_is_next(quoted_at: Timestamp, policy: &Policy, now: Timestamp) -> bool {
    let late = policy.renew_every.number().div_ceil(RENEWAL_LATE);
    let latest = now.plus(policy.renew_every).plus(Seconds::new(late));
    latest >= quote_due(quoted_at, policy)
}

/// When a laptop with this lease must have stopped at the latest, on keyd's clock: its gate counts
/// from a moment before the lease was given.
pub fn cannot_run_past(lease: &Lease) -> Timestamp {
    lease.server_time.plus(lease.runs_at_most())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T14:00:00Z".parse().unwrap()
    }

    fn lease_until(hard_end: Timestamp) -> Lease {
        lease_quoted(0, hard_end)
    }

    fn lease_quoted(quoted_ago: u32, hard_end: Timestamp) -> Lease {
        let realm: Realm = "wardkey.test".parse().unwrap();
        let site: SiteCode = "hmp-xyz".parse().unwrap();
        let visit = Visit {
            realm: &realm,
            site: &site,
            device: DeviceId::from_bytes([1; 16]),
            generation: Generation::FIRST,
            device_key: Thumbprint::new([1; 32]),
            session: SessionId::from_bytes([1; 16]),
            room: RoomId::from_bytes([1; 16]),
            moved_from: None,
            staff_key: Thumbprint::new([2; 32]),
            activation: Sha256::of(b"activation"),
            reset_count: 7,
            hard_end,
            last_order: OrderSeq::NONE,
            quoted_at: now().minus(Seconds::new(quoted_ago)),
            finish: None,
        };
        let fresh = Fresh {
            id: LeaseId::from_bytes([1; 16]),
            gate_nonce: Nonce::new([1; 32]),
            renew_nonce: Nonce::new([2; 32]),
            quoted: true,
        };
        lease(&visit, 0, fresh, &Policy::default(), now())
    }

    #[test]
    fn a_lease_far_from_the_end_runs_for_its_time_and_grace() {
        let lease = lease_until(first_hard_end(&Policy::default(), now(), Timestamp::MAX));
        assert_eq!(cannot_run_past(&lease), now().plus(Seconds::new(900)));
        assert_eq!(lease.hard_end_in, Seconds::new(5400));
    }

    #[test]
    fn the_hard_end_cuts_both_short() {
        let lease = lease_until(now().plus_millis(30_999));
        assert_eq!(lease.hard_end_in, Seconds::new(30));
        assert_eq!(cannot_run_past(&lease), now().plus(Seconds::new(30)));
        let over = lease_until(now().minus(Seconds::new(1)));
        assert_eq!(over.hard_end_in, Seconds::ZERO);
    }

    #[test]
    fn a_quote_is_asked_for_with_the_renewal_that_may_come_when_it_is_due() {
        let policy = Policy::default();
        let end = first_hard_end(&policy, now(), Timestamp::MAX);
        let (every, latest) = (policy.requote_every.number(), 72);
        for (quoted_ago, wanted) in [
            (0, false),
            (every - latest - 1, false),
            (every - latest, true),
            (every * 3, true),
        ] {
            assert_eq!(
                lease_quoted(quoted_ago, end).requote,
                wanted,
                "{quoted_ago}"
            );
        }
    }

    #[test]
    fn no_visit_goes_past_a_certificate_that_it_rests_on() {
        let policy = Policy::default();
        let certified = now().plus(Seconds::new(600));
        assert_eq!(first_hard_end(&policy, now(), certified), certified);
        let extended = extended_hard_end(&policy, certified, now(), certified);
        assert_eq!(extended, certified);
    }

    #[test]
    fn no_extension_goes_further_than_any_gate_allows() {
        let policy = Policy::default();
        let end = now().plus(Seconds::new(100));
        assert_eq!(
            extended_hard_end(&policy, end, now(), Timestamp::MAX),
            now().plus(Seconds::new(1900))
        );
        let far = now().plus(Seconds::new(14_000));
        assert_eq!(
            extended_hard_end(&policy, far, now(), Timestamp::MAX),
            now().plus(limits::HARD_END_MOST)
        );
    }
}
