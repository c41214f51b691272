//! Whom this run believes: a trust bundle below the pinned root, and keyd's keys. The agent, which
//! fetches both, judges them in the same way.
//!
//! A laptop has no calendar. What it knows of the date is that whatever was signed lies in the
//! past: it judges certificates at the latest beginning among those it is shown, and at no earlier
//! moment than it has known before. So keys that ran out before the newest ones began are refused,
//! and no clock of the laptop is asked.

use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, ServiceKeys};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::{Hold, Order};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::lease::{self, OpeningLease, RenewedLease};
use wardkey_verifier::order::{self, VerifiedOrder};
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::identity::Identity;
use crate::store::NewestBundle;

/// A bundle and keys that were verified.
#[derive(Clone, Debug)]
pub struct Trust {
    bundle: VerifiedBundle,
    keys: VerifiedServiceKeys,
    certainly_past: Timestamp,
}

impl Trust {
    /// Verifies a bundle from the hash of the root, and keyd's keys under it. `newest` is the
    /// newest bundle that any run has accepted.
    ///
    /// # Errors
    ///
    /// `ROOT_MISMATCH`, `BUNDLE_SIGNER`, `BUNDLE_CONTENT`, `CERTIFICATE_…`; `BUNDLE_ROLLBACK` for a
    /// lower version than `newest`, and for another bundle of the same version.
    pub fn verify(
        package: &BundlePackage,
        keys: &ServiceKeys,
        pin: &Sha256,
        newest: Option<&NewestBundle>,
    ) -> Result<Self, Refusal> {
        let known = newest.map(|newest| newest.certainly_past);
        // Each of these certificates is verified below, or all of it is refused.
        let shown = [&package.root, &package.signer]
            .into_iter()
            .chain(&keys.certificates)
            .filter_map(|der| Certificate::parse(der.as_slice()).ok())
            .map(|certificate| certificate.validity().not_before);
        let now = shown.chain(known).max().ok_or_else(|| {
            Refusal::new(
                Code::CertificateMalformed,
                "no certificate that can be read",
                "a root, a bundle signer and the service's keys",
            )
        })?;
        let least = newest.map_or(BundleVersion::new(0), |newest| newest.version);
        let bundle = VerifiedBundle::verify(package, pin, least, now)?;
        if let Some(newest) = newest {
            bundle.verify_follows(newest.version, &newest.payload)?;
        }
        let now = now.max(bundle.bundle().issued_at);
        let keys = VerifiedServiceKeys::verify(keys, &bundle, now)?;
        Ok(Self {
            bundle,
            keys,
            certainly_past: now,
        })
    }

    /// The bundle.
    pub const fn bundle(&self) -> &VerifiedBundle {
        &self.bundle
    }

    /// keyd's keys.
    pub const fn keys(&self) -> &VerifiedServiceKeys {
        &self.keys
    }

    /// What is to be remembered of the bundle.
    pub const fn note(&self) -> NewestBundle {
        NewestBundle {
            version: self.bundle.version(),
            payload: self.bundle.payload_sha256(),
            certainly_past: self.certainly_past,
        }
    }

    /// See [`lease::verify_opening`].
    pub(crate) fn verify_opening(
        &self,
        lease: &Jws<Lease>,
        activation: &Jws<Activation>,
        certificate: &Bytes,
        laptop: &Identity,
    ) -> Result<OpeningLease, Refusal> {
        let certificate = certificate.as_slice();
        let laptop = laptop.into();
        lease::verify_opening(
            lease,
            activation,
            certificate,
            &self.bundle,
            &self.keys,
            &laptop,
        )
    }

    /// See [`lease::verify_renewal`].
    pub(crate) fn verify_renewal(
        &self,
        lease: &Jws<Lease>,
        opening: &OpeningLease,
        laptop: &Identity,
    ) -> Result<RenewedLease, Refusal> {
        lease::verify_renewal(lease, opening, &self.bundle, &self.keys, &laptop.into())
    }

    /// See [`order::verify_order`]. The holds are those that stand and those that were lifted: a
    /// resume that comes again names holds that it has lifted before.
    pub(crate) fn verify_order(
        &self,
        order: &Jws<Order>,
        laptop: &Identity,
        known: &[Hold],
    ) -> Result<VerifiedOrder, Refusal> {
        order::verify_order(order, &self.bundle, &self.keys, &laptop.into(), known)
    }
}
