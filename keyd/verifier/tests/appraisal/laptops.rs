//! Enrolling a laptop: one good enrolment, and the same with one thing wrong.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::binding::EnrolmentBinding;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::{Mac, Nonce, Sha256};
use wardkey_schemas::enrolment::{LaptopApproval, LaptopCompletion, LaptopHello, credential_proof};
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::jws;
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_verifier::appraise::{
    AppraisedHello, AppraisedLaptop, IssuedEnrolment, Secret, appraise_hello, appraise_laptop,
};
use wardkey_verifier::event_log::EventLog;
use wardkey_verifier::tpm::PcrSet;

use crate::forge::ek::{Ek, Maker};
use crate::forge::event_log;
use crate::forge::house::{House, Person, now, other_site, site};
use crate::forge::tpm::{AK_ATTRIBUTES, EccPublic, SoftTpm};
use crate::forge::{Change, key, refused};

const CA_SECRET: [u8; 32] = [0xca; 32];
const KEYD_SECRET: [u8; 32] = [0x4d; 32];
const CA_NONCE: Nonce = Nonce::new([1; 32]);
const KEYD_NONCE: Nonce = Nonce::new([2; 32]);

fn asset() -> AssetTag {
    "HMP-X-03".parse().unwrap()
}

fn pcrs() -> PcrSet {
    PcrSet::new(&[0, 2, 4, 7]).unwrap()
}

/// The registers of a boot with this log.
pub(crate) fn registers(log: &[u8]) -> Vec<PcrValue> {
    let values = EventLog::parse(log).unwrap().replay().values();
    let quoted = |value: &PcrValue| pcrs().contains(value.index);
    values.into_iter().filter(quoted).collect()
}

/// What certification and quote cover.
fn binding<'a>(site: &'a SiteCode, asset: &'a AssetTag) -> EnrolmentBinding<'a> {
    EnrolmentBinding {
        site,
        asset,
        enrolment: EnrolmentId::from_bytes([3; 16]),
        registration: RegistrationId::from_bytes([4; 16]),
        ca_nonce: &CA_NONCE,
        keyd_nonce: &KEYD_NONCE,
    }
}

/// An enrolment from the laptop's side, with everything that can be changed before it is signed.
struct Enrolment {
    maker: Maker,
    ek: Ek,
    tpm: SoftTpm,
    lead: Person,
    site: SiteCode,
    log: Vec<u8>,
    /// The log that is sent, if another than that of the boot.
    sent_log: Option<Vec<u8>>,
    change_approval: Change<LaptopApproval>,
    change_completion: Change<LaptopCompletion>,
    approver: Option<SigningKey>,
}

impl Enrolment {
    fn new(house: &House) -> Self {
        Self {
            maker: Maker::new(),
            ek: Ek::p256(),
            tpm: SoftTpm::new(),
            lead: house.person(Role::Lead),
            site: site(),
            log: event_log::boot(),
            sent_log: None,
            change_approval: |_| (),
            change_completion: |_| (),
            approver: None,
        }
    }

    fn hello(&self) -> LaptopHello {
        LaptopHello {
            asset: asset(),
            ek: self.maker.endorsement_key(&self.ek),
            ak: self.tpm.attestation_key(),
            tpm: self.maker.properties(),
            lead_certificate: self.lead.certificate.clone().into(),
            bundle: BundleVersion::new(1),
            agent_version: "0.1.0".to_owned(),
        }
    }

    fn appraised_hello(&self) -> Result<AppraisedHello, Refusal> {
        appraise_hello(
            &self.hello(),
            self.lead.verified.clone(),
            &self.site,
            &self.maker.anchors(),
            now(),
        )
    }

    fn completion(&self) -> LaptopCompletion {
        let (site, asset) = (site(), asset());
        let binding = binding(&site, &asset);
        let certify = self.tpm.certify(&binding.certify());
        let quote = self.tpm.quote(&binding.quote(), &registers(&self.log));
        let log = self.sent_log.as_ref().unwrap_or(&self.log);
        let signer = self.approver.as_ref().unwrap_or(&self.lead.key);
        let mut approval = LaptopApproval {
            site: site.clone(),
            asset: asset.clone(),
            enrolment: binding.enrolment,
            registration: binding.registration,
            device: DeviceId::from_bytes([5; 16]),
            generation: Generation::FIRST,
            ek: Sha256::of(&self.ek.public),
            ak_name: crate::forge::tpm::name(&self.tpm.ak_public()).into(),
            device_key: self.tpm.device.public().thumbprint(),
            certify: certify.attest.sha256(),
            quote: quote.sha256(),
            event_log: Sha256::of(log),
            ca_nonce: CA_NONCE,
            keyd_nonce: KEYD_NONCE,
            lead_key: signer.public().thumbprint(),
        };
        (self.change_approval)(&mut approval);
        let approval = jws::sign(&approval, signer).unwrap();
        let mut completion = LaptopCompletion {
            ca_proof: credential_proof(&CA_SECRET, &approval),
            keyd_proof: credential_proof(&KEYD_SECRET, &approval),
            approval,
            device_public: self.tpm.device_public().into(),
            certify,
            quote,
            event_log: log.clone().into(),
        };
        (self.change_completion)(&mut completion);
        completion
    }

    fn appraise_with(&self, secret: Secret<'_>) -> Result<AppraisedLaptop, Refusal> {
        let site = site();
        let issued = IssuedEnrolment {
            site: &site,
            enrolment: EnrolmentId::from_bytes([3; 16]),
            registration: RegistrationId::from_bytes([4; 16]),
            device: DeviceId::from_bytes([5; 16]),
            generation: Generation::FIRST,
            ca_nonce: &CA_NONCE,
            keyd_nonce: &KEYD_NONCE,
            secret,
            pcrs: pcrs(),
        };
        appraise_laptop(self.appraised_hello()?, &self.completion(), &issued)
    }

    fn appraise(&self) -> Result<AppraisedLaptop, Refusal> {
        self.appraise_with(Secret::Ca(&CA_SECRET))
    }
}

#[test]
fn an_honest_laptop_with_its_leads_consent_is_enrolled() {
    let house = House::new();
    let enrolment = Enrolment::new(&house);
    for secret in [Secret::Ca(&CA_SECRET), Secret::Keyd(&KEYD_SECRET)] {
        let laptop = enrolment.appraise_with(secret).unwrap();
        assert_eq!(*laptop.site(), site());
        assert_eq!(*laptop.asset(), asset());
        assert_eq!(laptop.device(), DeviceId::from_bytes([5; 16]));
        assert_eq!(laptop.generation(), Generation::FIRST);
        assert_eq!(laptop.ek().sha256(), Sha256::of(&enrolment.ek.public));
        assert_eq!(*laptop.ak().identity(), enrolment.tpm.ak_identity());
        assert_eq!(laptop.device_key(), enrolment.tpm.device.public());
        assert_eq!(laptop.pcrs(), registers(&enrolment.log));
        assert_eq!(laptop.log().sha256(), Sha256::of(&enrolment.log));
        assert_eq!(laptop.clock(), enrolment.tpm.clock);
        assert_eq!(laptop.firmware_version(), 0x2019_1023_0016_3636);
        assert_eq!(laptop.lead().person(), enrolment.lead.verified.person());
        assert_eq!(laptop.phrase(), Phrase::of(&laptop.approval()));
    }
}

#[test]
fn only_a_lead_of_the_site_enrols() {
    let house = House::new();
    for role in [Role::Staff, Role::SecurityOfficer, Role::Auditor] {
        let enrolment = Enrolment {
            lead: house.person(role),
            ..Enrolment::new(&house)
        };
        assert_eq!(refused(enrolment.appraise()), Code::KeyRole, "{role}");
    }
    let enrolment = Enrolment {
        lead: house.person_at(&other_site(), Role::Lead),
        ..Enrolment::new(&house)
    };
    assert_eq!(refused(enrolment.appraise()), Code::KeyNotForThisSite);
    // Somebody else's certificate than the hello named.
    let enrolment = Enrolment::new(&house);
    let result = appraise_hello(
        &enrolment.hello(),
        house.person(Role::Lead).verified,
        &site(),
        &enrolment.maker.anchors(),
        now(),
    );
    assert_eq!(refused(result), Code::ApproverMissing);
}

#[test]
fn a_hello_with_one_thing_wrong_is_refused() {
    let house = House::new();
    let enrolment = Enrolment::new(&house);
    let with = |change: fn(&mut LaptopHello)| {
        let mut hello = enrolment.hello();
        change(&mut hello);
        refused(appraise_hello(
            &hello,
            enrolment.lead.verified.clone(),
            &site(),
            &enrolment.maker.anchors(),
            now(),
        ))
    };
    assert_eq!(
        with(|hello| hello.ek.certificate = Vec::new().into()),
        Code::EkCertificateMissing
    );
    assert_eq!(with(|hello| hello.ek.chain = Vec::new()), Code::EkUntrusted);
    assert_eq!(
        with(|hello| hello.tpm.manufacturer = 0),
        Code::TpmManufacturer
    );
    assert_eq!(
        with(|hello| hello.ak.creation_data = Vec::new().into()),
        Code::AkCreation
    );
    assert_eq!(
        with(|hello| hello.ak.public = EccPublic {
            attributes: AK_ATTRIBUTES | 1 << 17,
            ..EccPublic::ak(key().public())
        }
        .bytes()
        .into()),
        Code::AkAttributes
    );
}

#[test]
fn a_secret_that_was_not_opened_is_refused() {
    let house = House::new();
    let enrolment = Enrolment::new(&house);
    // Each side believes in its own secret only.
    for wrong in [
        Secret::Ca(&KEYD_SECRET),
        Secret::Keyd(&CA_SECRET),
        Secret::Ca(&[0; 32]),
    ] {
        let result = enrolment.appraise_with(wrong);
        assert_eq!(refused(result), Code::CredentialMismatch, "{wrong:?}");
    }
    let without_proof = Enrolment {
        change_completion: |completion| completion.ca_proof = Mac::new([0; 32]),
        ..Enrolment::new(&house)
    };
    assert_eq!(refused(without_proof.appraise()), Code::CredentialMismatch);
    without_proof
        .appraise_with(Secret::Keyd(&KEYD_SECRET))
        .unwrap();
    assert_eq!(format!("{:?}", Secret::Ca(&CA_SECRET)), "Secret::Ca(..)");
}

#[test]
fn the_approval_must_cover_every_field() {
    let house = House::new();
    let changes: [(&str, Change<LaptopApproval>); 15] = [
        ("site", |said| said.site = other_site()),
        ("asset tag", |said| said.asset = "HMP-X-04".parse().unwrap()),
        ("enrolment", |said| {
            said.enrolment = EnrolmentId::from_bytes([9; 16]);
        }),
        ("registration", |said| {
            said.registration = RegistrationId::from_bytes([9; 16]);
        }),
        ("laptop", |said| said.device = DeviceId::from_bytes([9; 16])),
        ("generation", |said| said.generation = Generation::new(2)),
        ("endorsement key", |said| said.ek = Sha256::new([9; 32])),
        ("attestation key", |said| said.ak_name = vec![9; 34].into()),
        ("device key", |said| {
            said.device_key = Thumbprint::new([9; 32]);
        }),
        ("certification", |said| said.certify = Sha256::new([9; 32])),
        ("quote", |said| said.quote = Sha256::new([9; 32])),
        ("event log", |said| said.event_log = Sha256::new([9; 32])),
        ("nonce of ca", |said| said.ca_nonce = KEYD_NONCE),
        ("nonce of keyd", |said| said.keyd_nonce = CA_NONCE),
        ("lead's key", |said| {
            said.lead_key = Thumbprint::new([9; 32]);
        }),
    ];
    for (field, change_approval) in changes {
        let enrolment = Enrolment {
            change_approval,
            ..Enrolment::new(&house)
        };
        let refusal = enrolment.appraise().unwrap_err();
        assert_eq!(refusal.code(), Code::ApproverMissing, "{field}");
        assert!(refusal.found().contains(field), "{refusal}");
    }
}

#[test]
fn an_approval_by_another_key_is_refused() {
    let house = House::new();
    let enrolment = Enrolment {
        approver: Some(key()),
        ..Enrolment::new(&house)
    };
    assert_eq!(refused(enrolment.appraise()), Code::ApproverMissing);
}

#[test]
fn evidence_of_another_tpm_or_request_is_refused() {
    let house = House::new();
    let changes: [(&str, Change<LaptopCompletion>, Code); 5] = [
        (
            "another device key",
            |completion| {
                completion.device_public = SoftTpm::new().device_public().into();
            },
            Code::CertifyMismatch,
        ),
        (
            "a certification by another TPM",
            |completion| {
                completion.certify = SoftTpm::new().certify(&Sha256::of(b""));
            },
            Code::CertifyMismatch,
        ),
        (
            "a quote by another TPM",
            |completion| {
                let pcrs = completion.quote.pcrs.clone();
                completion.quote = SoftTpm::new().quote(&Sha256::of(b""), &pcrs);
            },
            Code::QuoteSignature,
        ),
        (
            "a register that was not quoted",
            |completion| completion.quote.pcrs[0].sha256 = Sha256::new([9; 32]),
            Code::PcrDigest,
        ),
        (
            "no log",
            |completion| completion.event_log = Vec::new().into(),
            Code::LogMalformed,
        ),
    ];
    for (what, change_completion, code) in changes {
        let enrolment = Enrolment {
            change_completion,
            ..Enrolment::new(&house)
        };
        assert_eq!(refused(enrolment.appraise()), code, "{what}");
    }
}

#[test]
fn a_quote_for_another_enrolment_is_refused() {
    let house = House::new();
    let enrolment = Enrolment::new(&house);
    let (site, good) = (site(), enrolment.completion());
    let hello = || enrolment.appraised_hello().unwrap();
    let issued = IssuedEnrolment {
        site: &site,
        enrolment: EnrolmentId::from_bytes([3; 16]),
        registration: RegistrationId::from_bytes([4; 16]),
        device: DeviceId::from_bytes([5; 16]),
        generation: Generation::FIRST,
        ca_nonce: &CA_NONCE,
        keyd_nonce: &KEYD_NONCE,
        secret: Secret::Ca(&CA_SECRET),
        pcrs: pcrs(),
    };
    appraise_laptop(hello(), &good, &issued).unwrap();
    // The certification is verified first and covers the same fields under another label.
    let other = IssuedEnrolment {
        keyd_nonce: &CA_NONCE,
        ..issued
    };
    let result = appraise_laptop(hello(), &good, &other);
    assert_eq!(refused(result), Code::CertifyMismatch);
    // The quote's place holds the certification of the right key for the right enrolment.
    let mut swapped = good.clone();
    swapped.quote.attestation = good.certify.clone();
    let result = appraise_laptop(hello(), &swapped, &issued);
    assert_eq!(refused(result), Code::AttestType);
    let asset = asset();
    let binding = binding(&site, &asset);
    let mut other_label = good;
    other_label.quote = enrolment
        .tpm
        .quote(&binding.certify(), &registers(&enrolment.log));
    let result = appraise_laptop(hello(), &other_label, &issued);
    assert_eq!(refused(result), Code::QuoteContext);
    // More registers are demanded than were quoted.
    let more = IssuedEnrolment {
        pcrs: PcrSet::new(&[0, 2, 4, 7, 11]).unwrap(),
        ..issued
    };
    let result = appraise_laptop(hello(), &enrolment.completion(), &more);
    assert_eq!(refused(result), Code::QuotePcrs);
}

#[test]
fn a_log_that_does_not_explain_the_registers_is_refused() {
    let house = House::new();
    let more = [event_log::boot(), event_log::event(4, 5, b"more")].concat();
    let enrolment = Enrolment {
        sent_log: Some(more),
        ..Enrolment::new(&house)
    };
    let refusal = enrolment.appraise().unwrap_err();
    assert_eq!(refusal.code(), Code::LogReplayMismatch);
    assert!(refusal.found().contains("PCR 4"), "{refusal}");
}
