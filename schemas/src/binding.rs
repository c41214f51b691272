//! What a TPM is asked to sign: fixed digests that tie a quote, a certification or a time stamp to
//! one request.
//!
//! A TPM signs 32 bytes of `qualifyingData`. Both sides compute them here, from the same fields in
//! the same order, each field preceded by its length, under a label of its own: two different
//! requests never give the same bytes.

use aws_lc_rs::digest::{Context, SHA256};

use crate::bytes::{Nonce, Sha256};
use crate::ids::{
    ChallengeId, DeviceId, EnrolmentId, Generation, RegistrationId, RoomId, SessionId,
};
use crate::key::Thumbprint;
use crate::names::{AssetTag, SiteCode};

struct Binding(Context);

impl Binding {
    fn new(label: &'static str) -> Self {
        Self(Context::new(&SHA256)).field(label.as_bytes())
    }

    fn field(mut self, bytes: &[u8]) -> Self {
        // Lengths on the wire are bounded far below 2^64.
        self.0
            .update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn finish(self) -> Sha256 {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(self.0.finish().as_ref())
            .for_each(|(to, from)| *to = *from);
        Sha256::new(bytes)
    }
}

/// What the quote and the certification of an enrolment cover.
#[derive(Clone, Copy, Debug)]
pub struct EnrolmentBinding<'a> {
    /// The site that enrols.
    pub site: &'a SiteCode,
    /// The tag on the lid.
    pub asset: &'a AssetTag,
    /// ca's number for it.
    pub enrolment: EnrolmentId,
    /// keyd's number for it.
    pub registration: RegistrationId,
    /// ca's nonce.
    pub ca_nonce: &'a Nonce,
    /// keyd's nonce.
    pub keyd_nonce: &'a Nonce,
}

impl EnrolmentBinding<'_> {
    /// `qualifyingData` of `TPM2_Certify` of the device key.
    pub fn certify(&self) -> Sha256 {
        self.digest("wardkey/enrol-certify/1")
    }

    /// `qualifyingData` of `TPM2_Quote`.
    pub fn quote(&self) -> Sha256 {
        self.digest("wardkey/enrol-quote/1")
    }

    fn digest(&self, label: &'static str) -> Sha256 {
        Binding::new(label)
            .field(self.site.as_str().as_bytes())
            .field(self.asset.as_str().as_bytes())
            .field(self.enrolment.as_bytes())
            .field(self.registration.as_bytes())
            .field(self.ca_nonce.as_bytes())
            .field(self.keyd_nonce.as_bytes())
            .finish()
    }
}

/// What the quote and the certification of a renewal of certificates cover.
#[derive(Clone, Copy, Debug)]
pub struct RecertificationBinding<'a> {
    /// The site.
    pub site: &'a SiteCode,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Its device key.
    pub device_key: Thumbprint,
    /// ca's number for it.
    pub enrolment: EnrolmentId,
    /// keyd's number for it.
    pub registration: RegistrationId,
    /// ca's nonce.
    pub ca_nonce: &'a Nonce,
    /// keyd's nonce.
    pub keyd_nonce: &'a Nonce,
}

impl RecertificationBinding<'_> {
    /// `qualifyingData` of `TPM2_Certify` of the device key.
    pub fn certify(&self) -> Sha256 {
        self.digest("wardkey/recertify-certify/1")
    }

    /// `qualifyingData` of `TPM2_Quote`.
    pub fn quote(&self) -> Sha256 {
        self.digest("wardkey/recertify-quote/1")
    }

    fn digest(&self, label: &'static str) -> Sha256 {
        Binding::new(label)
            .field(self.site.as_str().as_bytes())
            .field(self.device.as_bytes())
            .field(&self.generation.number().to_be_bytes())
            .field(self.device_key.as_bytes())
            .field(self.enrolment.as_bytes())
            .field(self.registration.as_bytes())
            .field(self.ca_nonce.as_bytes())
            .field(self.keyd_nonce.as_bytes())
            .finish()
    }
}

/// What the quote of an activation covers: this request and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct ActivationBinding<'a> {
    /// The challenge.
    pub challenge: ChallengeId,
    /// keyd's nonce.
    pub nonce: &'a Nonce,
    /// The gate's nonce.
    pub gate_nonce: &'a Nonce,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Its device key.
    pub device_key: Thumbprint,
    /// The site.
    pub site: &'a SiteCode,
    /// The room.
    pub room: RoomId,
    /// SHA-256 of the staff certificate.
    pub staff_certificate: Sha256,
}

impl ActivationBinding<'_> {
    /// `qualifyingData` of `TPM2_Quote`.
    pub fn quote(&self) -> Sha256 {
        Binding::new("wardkey/quote/1")
            .field(self.challenge.as_bytes())
            .field(self.nonce.as_bytes())
            .field(self.gate_nonce.as_bytes())
            .field(self.device.as_bytes())
            .field(&self.generation.number().to_be_bytes())
            .field(self.device_key.as_bytes())
            .field(self.site.as_str().as_bytes())
            .field(self.room.as_bytes())
            .field(self.staff_certificate.as_bytes())
            .finish()
    }
}

/// What the TPM's statement at a renewal covers.
#[derive(Clone, Copy, Debug)]
pub struct RenewalBinding<'a> {
    /// The session.
    pub session: SessionId,
    /// Which renewal it is.
    pub seq: u32,
    /// keyd's nonce, from the answer before.
    pub renew_nonce: &'a Nonce,
    /// The gate's nonce.
    pub gate_nonce: &'a Nonce,
}

impl RenewalBinding<'_> {
    /// `qualifyingData` of `TPM2_GetTime`.
    pub fn time(&self) -> Sha256 {
        self.digest("wardkey/renew-time/1")
    }

    /// `qualifyingData` of `TPM2_Quote`.
    pub fn quote(&self) -> Sha256 {
        self.digest("wardkey/renew-quote/1")
    }

    fn digest(&self, label: &'static str) -> Sha256 {
        Binding::new(label)
            .field(self.session.as_bytes())
            .field(&self.seq.to_be_bytes())
            .field(self.renew_nonce.as_bytes())
            .field(self.gate_nonce.as_bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_borrow_bytes_from_its_neighbour() {
        let one = Binding::new("x").field(b"ab").field(b"c").finish();
        let two = Binding::new("x").field(b"a").field(b"bc").finish();
        assert_ne!(one, two);
    }

    #[test]
    fn the_layout_is_length_then_bytes() {
        let by_hand = Sha256::of(b"\0\0\0\0\0\0\0\x01x\0\0\0\0\0\0\0\x02ab");
        assert_eq!(Binding::new("x").field(b"ab").finish(), by_hand);
    }

    #[test]
    fn every_field_of_an_activation_counts() {
        let site: SiteCode = "hmp-a".parse().unwrap();
        let other: SiteCode = "hmp-b".parse().unwrap();
        let (one, two) = (Nonce::new([1; 32]), Nonce::new([2; 32]));
        let good = ActivationBinding {
            challenge: ChallengeId::from_bytes([1; 16]),
            nonce: &one,
            gate_nonce: &one,
            device: DeviceId::from_bytes([1; 16]),
            generation: Generation::FIRST,
            device_key: Thumbprint::new([1; 32]),
            site: &site,
            room: RoomId::from_bytes([1; 16]),
            staff_certificate: Sha256::new([1; 32]),
        };
        let changed = [
            ActivationBinding {
                challenge: ChallengeId::from_bytes([2; 16]),
                ..good
            },
            ActivationBinding {
                nonce: &two,
                ..good
            },
            ActivationBinding {
                gate_nonce: &two,
                ..good
            },
            ActivationBinding {
                device: DeviceId::from_bytes([2; 16]),
                ..good
            },
            ActivationBinding {
                generation: Generation::new(2),
                ..good
            },
            ActivationBinding {
                device_key: Thumbprint::new([2; 32]),
                ..good
            },
            ActivationBinding {
                site: &other,
                ..good
            },
            ActivationBinding {
                room: RoomId::from_bytes([2; 16]),
                ..good
            },
            ActivationBinding {
                staff_certificate: Sha256::new([2; 32]),
                ..good
            },
        ];
        for other in changed {
            assert_ne!(good.quote(), other.quote(), "{other:?}");
        }
    }
}
