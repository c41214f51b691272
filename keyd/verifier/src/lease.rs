//! What a gate asks before it opens, and before it stays open (`docs/gate.md`).
//!
//! A broken keyd cannot open cameras: [`verify_opening`] wants the lease **and** the signature of a
//! member of staff of this site over this laptop, this room and a nonce of this gate. A renewal
//! needs the lease alone, and the proof of the opening that it continues.
//!
//! Whether the nonce is one that this gate gave out, how old it is, and whether it was accepted
//! before is the gate's own business: it has the nonces and the clock. So is the order of `seq`.

use std::fmt;

use wardkey_schemas::activation::Activation;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal, limits};

use crate::bundle::VerifiedBundle;
use crate::envelope;
use crate::laptop::LaptopIdentity;
use crate::person::VerifiedPerson;
use crate::service::VerifiedServiceKeys;

/// A lease that opens: genuine, for this laptop, and signed for by a member of staff.
#[derive(Clone, Debug)]
pub struct OpeningLease {
    lease: Lease,
    activation: Activation,
    person: VerifiedPerson,
}

impl OpeningLease {
    /// The lease.
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// What the member of staff signed.
    pub const fn activation(&self) -> &Activation {
        &self.activation
    }

    /// Who signed it.
    pub const fn person(&self) -> &VerifiedPerson {
        &self.person
    }

    /// The gate's nonce, in the lease and in the signature alike.
    pub const fn nonce(&self) -> Nonce {
        self.lease.eat_nonce
    }
}

/// A lease that continues what an [`OpeningLease`] began.
#[derive(Clone, Debug)]
pub struct RenewedLease {
    lease: Lease,
}

impl RenewedLease {
    /// The lease.
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The gate's nonce.
    pub const fn nonce(&self) -> Nonce {
        self.lease.eat_nonce
    }
}

/// Verifies that `lease` and `activation` together open the gate of `laptop`.
///
/// The staff certificate and every authority above it are judged at the lease's `server_time`: the
/// laptop has no time of its own.
///
/// # Errors
///
/// For the lease: `LEASE_SIGNER`, `LEASE_DEVICE`, `SITE_MISMATCH`, `LEASE_LIMITS`, `MESSAGE_TYPE`,
/// `MESSAGE_MALFORMED`, `CERTIFICATE_…`. For the certificate: those of [`VerifiedPerson::verify`],
/// `KEY_NOT_FOR_THIS_SITE`, `KEY_ROLE`. For the signature: `ACTIVATION_MISMATCH`, `CONTEXT_DEVICE`,
/// `CONTEXT_GATE`, `CONTEXT_KEY`, `CONTEXT_SITE`, `LEASE_ROOM`, `LEASE_SESSION`.
pub fn verify_opening(
    lease: &Jws<Lease>,
    activation: &Jws<Activation>,
    staff_certificate: &[u8],
    bundle: &VerifiedBundle,
    keys: &VerifiedServiceKeys,
    laptop: &LaptopIdentity,
) -> Result<OpeningLease, Refusal> {
    let lease = verify_lease(lease, bundle, keys, laptop)?;
    let person = VerifiedPerson::verify(staff_certificate, bundle, lease.server_time)?;
    person.verify_site(&laptop.site)?;
    person.verify_may_activate()?;
    let envelope_sha256 = activation.sha256();
    let activation = envelope::open(activation, person.key())
        .map_err(|refusal| envelope::recode_signer(refusal, Code::ActivationMismatch))?
        .into_message();
    verify_activation(&activation, &person, laptop)?;
    verify_together(&lease, &activation, envelope_sha256)?;
    Ok(OpeningLease {
        lease,
        activation,
        person,
    })
}

/// Verifies that `lease` continues `opening` on the same laptop: same session, room, signature and
/// key, and no reset of the TPM since.
///
/// # Errors
///
/// Those for the lease in [`verify_opening`], `LEASE_SESSION`, `LEASE_ROOM`, `ACTIVATION_MISMATCH`,
/// `CONTEXT_KEY`, `TPM_RESET_IN_SESSION`.
pub fn verify_renewal(
    lease: &Jws<Lease>,
    opening: &OpeningLease,
    bundle: &VerifiedBundle,
    keys: &VerifiedServiceKeys,
    laptop: &LaptopIdentity,
) -> Result<RenewedLease, Refusal> {
    let lease = verify_lease(lease, bundle, keys, laptop)?;
    let before = &opening.lease;
    same("session", lease.session, before.session, Code::LeaseSession)?;
    same("room", lease.room, before.room, Code::LeaseRoom)?;
    same(
        "activation",
        lease.activation,
        before.activation,
        Code::ActivationMismatch,
    )?;
    same(
        "security key",
        lease.staff_key,
        before.staff_key,
        Code::ContextKey,
    )?;
    same(
        "reset count",
        lease.reset_count,
        before.reset_count,
        Code::TpmResetInSession,
    )?;
    Ok(RenewedLease { lease })
}

/// The lease by itself: genuine, of this realm, for this laptop, within the limits.
fn verify_lease(
    lease: &Jws<Lease>,
    bundle: &VerifiedBundle,
    keys: &VerifiedServiceKeys,
    laptop: &LaptopIdentity,
) -> Result<Lease, Refusal> {
    let lease = keys.open(lease)?.into_message();
    let realm = bundle.realm();
    same(
        "issuer",
        &lease.iss,
        &Lease::issuer(realm),
        Code::LeaseSigner,
    )?;
    same(
        "profile",
        &lease.eat_profile,
        &Lease::profile(realm),
        Code::MessageType,
    )?;
    same(
        "time",
        lease.iat,
        lease.server_time.seconds(),
        Code::MessageMalformed,
    )?;
    same("laptop", lease.sub, laptop.device, Code::LeaseDevice)?;
    same(
        "device key",
        lease.cnf.jkt,
        laptop.device_key,
        Code::LeaseDevice,
    )?;
    same(
        "enrolment",
        lease.generation,
        laptop.generation,
        Code::LeaseDevice,
    )?;
    same("site", &lease.site, &laptop.site, Code::SiteMismatch)?;
    verify_limits(&lease)?;
    Ok(lease)
}

/// The times of a lease lie within what a gate is willing to run.
fn verify_limits(lease: &Lease) -> Result<(), Refusal> {
    let renew_most = Seconds::new(
        lease
            .run_for
            .number()
            .checked_div(limits::RENEWALS_WITHIN_RUN_FOR)
            .unwrap_or(0),
    );
    let one = Seconds::new(1);
    let times = [
        (
            "run_for",
            lease.run_for,
            limits::RUN_FOR_LEAST,
            limits::RUN_FOR_MOST,
        ),
        ("grace", lease.grace, Seconds::ZERO, limits::GRACE_MOST),
        (
            "hard_end_in",
            lease.hard_end_in,
            Seconds::ZERO,
            limits::HARD_END_MOST,
        ),
        ("renew_after", lease.renew_after, one, renew_most),
    ];
    for (name, found, least, most) in times {
        if found < least || most < found {
            return Err(Refusal::new(
                Code::LeaseLimits,
                format!("{name} {found}"),
                format!("{least} to {most}"),
            ));
        }
    }
    Ok(())
}

/// The signature covers this laptop at this site, and was made with the key of this certificate.
fn verify_activation(
    activation: &Activation,
    person: &VerifiedPerson,
    laptop: &LaptopIdentity,
) -> Result<(), Refusal> {
    same(
        "laptop",
        activation.device,
        laptop.device,
        Code::ContextDevice,
    )?;
    same(
        "device key",
        activation.device_key,
        laptop.device_key,
        Code::ContextDevice,
    )?;
    same(
        "enrolment",
        activation.generation,
        laptop.generation,
        Code::ContextDevice,
    )?;
    same("site", &activation.site, &laptop.site, Code::ContextSite)?;
    same(
        "security key",
        activation.staff_key,
        person.thumbprint(),
        Code::ContextKey,
    )?;
    same(
        "certificate",
        activation.staff_certificate,
        person.certificate(),
        Code::ContextKey,
    )
}

/// Lease and signature speak of one visit.
fn verify_together(
    lease: &Lease,
    activation: &Activation,
    envelope_sha256: Sha256,
) -> Result<(), Refusal> {
    // Nonces are not shown: they go into logs, and this one may not be spent yet.
    if activation.gate_nonce != lease.eat_nonce {
        return Err(Refusal::new(
            Code::ContextGate,
            "a signature over another nonce of the gate",
            "the nonce in the lease",
        ));
    }
    same("room", activation.room, lease.room, Code::LeaseRoom)?;
    same(
        "security key",
        lease.staff_key,
        activation.staff_key,
        Code::ContextKey,
    )?;
    same(
        "activation",
        lease.activation,
        envelope_sha256,
        Code::ActivationMismatch,
    )?;
    match activation.purpose {
        Purpose::Activate | Purpose::Move => Ok(()),
        Purpose::Extend { session } => same("session", lease.session, session, Code::LeaseSession),
    }
}

/// Refuses two things that must be the same and are not; `what` names them for people.
fn same<T: PartialEq + fmt::Display>(
    what: &str,
    found: T,
    wanted: T,
    code: Code,
) -> Result<(), Refusal> {
    if found == wanted {
        Ok(())
    } else {
        let found = format!("{what} {found}");
        Err(Refusal::new(code, found, format!("{what} {wanted}")))
    }
}
