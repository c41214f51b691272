//! A site's authority and what it tells keyd: the part of ca, in memory.

use wardkey_issuance::Profile;
use wardkey_schemas::bytes::{Bytes, Nonce};
use wardkey_schemas::enrolment::{LaptopCompletion, LaptopHello};
use wardkey_schemas::ids::{DeviceId, EnrolmentId, PersonId, RegistrationId};
use wardkey_schemas::jws::{self, Message, Sealed};
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::key_enrolment::{KeyCompletion, KeyHello};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::{
    AnnounceKey, AnnounceLaptop, Announced, CertificateKind, OpenKey, OpenLaptop, ReportIssued,
};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use crate::clock::now;
use crate::installation::Authority;
use crate::seed::Seed;

/// A site: its authority, and the key with which its ca speaks to keyd.
#[derive(Debug)]
pub struct Registrar {
    /// Its code.
    pub code: SiteCode,
    /// Signs certificates.
    pub authority: Authority,
    /// Signs what ca tells keyd.
    pub key: SigningKey,
    pub(crate) seed: Seed,
}

/// A certificate that is announced first and released afterwards.
#[derive(Clone, Debug)]
pub struct Certified {
    /// What is announced.
    pub announced: Announced,
    /// The certificate (DER).
    pub certificate: Bytes,
}

impl Registrar {
    pub(crate) fn new(code: SiteCode, authority: Authority, seed: Seed) -> Self {
        Self {
            code,
            authority,
            key: seed.key("registrar"),
            seed,
        }
    }

    /// Signs a message as this site's ca.
    pub fn seal<T: Message>(&self, message: &T) -> Sealed<T> {
        Sealed::new(jws::sign(message, &self.key).unwrap())
    }

    fn certify(
        &self,
        kind: CertificateKind,
        profile: &Profile,
        key: &PublicKey,
        at: Timestamp,
    ) -> Certified {
        let prepared = self.authority.prepare(profile, key, at);
        Certified {
            announced: Announced {
                kind,
                tbs: prepared.tbs().into(),
            },
            certificate: self.authority.sign(prepared),
        }
    }

    /// A certificate for a laptop's device key.
    pub fn certify_device(&self, device: DeviceId, key: &PublicKey) -> Certified {
        self.certify_device_at(device, key, now())
    }

    pub(crate) fn certify_device_at(
        &self,
        device: DeviceId,
        key: &PublicKey,
        at: Timestamp,
    ) -> Certified {
        let profile = Profile::Device { device };
        self.certify(CertificateKind::Device, &profile, key, at)
    }

    /// A certificate for a laptop's attestation key.
    pub fn certify_ak(&self, device: DeviceId, key: &PublicKey) -> Certified {
        self.certify_ak_at(device, key, now())
    }

    pub(crate) fn certify_ak_at(
        &self,
        device: DeviceId,
        key: &PublicKey,
        at: Timestamp,
    ) -> Certified {
        let profile = Profile::AttestationKey { device };
        self.certify(CertificateKind::AttestationKey, &profile, key, at)
    }

    /// A certificate for a person's 9c key, as of `at`.
    pub fn certify_person(
        &self,
        person: PersonId,
        role: Role,
        key: &PublicKey,
        at: Timestamp,
    ) -> Certified {
        let profile = Profile::PersonSigning { person, role };
        self.certify(CertificateKind::Person, &profile, key, at)
    }

    /// The first word about a laptop.
    pub fn open_laptop(
        &self,
        enrolment: EnrolmentId,
        nonce: Nonce,
        hello: LaptopHello,
    ) -> OpenLaptop {
        OpenLaptop {
            site: self.code.clone(),
            enrolment,
            nonce,
            hello,
        }
    }

    /// The announcement of a laptop's certificates.
    pub fn announce_laptop(
        &self,
        registration: RegistrationId,
        completion: LaptopCompletion,
        certificates: &[Certified],
    ) -> AnnounceLaptop {
        AnnounceLaptop {
            site: self.code.clone(),
            registration,
            completion,
            certificates: certificates.iter().map(|c| c.announced.clone()).collect(),
        }
    }

    /// The first word about a security key.
    pub fn open_key(&self, enrolment: EnrolmentId, nonce: Nonce, hello: KeyHello) -> OpenKey {
        OpenKey {
            site: self.code.clone(),
            enrolment,
            nonce,
            hello,
        }
    }

    /// The announcement of a security key's certificate.
    pub fn announce_key(
        &self,
        registration: RegistrationId,
        completion: KeyCompletion,
        certificate: &Certified,
    ) -> AnnounceKey {
        AnnounceKey {
            site: self.code.clone(),
            registration,
            completion,
            certificate: certificate.announced.clone(),
        }
    }

    /// The report of what was signed.
    pub fn report(&self, registration: RegistrationId, certificates: &[Certified]) -> ReportIssued {
        ReportIssued {
            site: self.code.clone(),
            registration,
            certificates: certificates.iter().map(|c| c.certificate.clone()).collect(),
        }
    }
}
