//! Laptops' certificates: the device key and the attestation key, and never one for the other.

use wardkey_issuance::Profile;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, oid};
use wardkey_verifier::certificate::{CERTIFICATE_POLICIES, SUBJECT_ALTERNATIVE_NAME};
use wardkey_verifier::der;
use wardkey_verifier::device::{VerifiedAttestationKey, VerifiedDevice};

use crate::forge::{Forgery, dns_names, identifiers, text};
use crate::world::{Certified, World, code, now, refused};

const DEVICE: DeviceId = DeviceId::from_bytes([0xd1; 16]);
const NAME: &str = "d-d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1.dev.hmp-x.wardkey.example";

fn device(world: &World) -> Certified {
    world.x().certify(&Profile::Device { device: DEVICE })
}

fn attestation_key(world: &World) -> Certified {
    world
        .x()
        .certify(&Profile::AttestationKey { device: DEVICE })
}

#[test]
fn genuine_certificates_give_laptop_site_and_key() {
    let world = World::new();
    let bundle = world.verified();
    let certified = device(&world);
    let verified = VerifiedDevice::verify(&certified.certificate, &bundle, now()).unwrap();
    assert_eq!(verified.device(), DEVICE);
    assert_eq!(*verified.site(), code("hmp-x"));
    assert_eq!(verified.key(), certified.key.public());
    assert_eq!(verified.thumbprint(), certified.key.public().thumbprint());
    assert_eq!(verified.certificate(), Sha256::of(&certified.certificate));
    assert!(verified.verify_site(&code("hmp-x")).is_ok());
    refused(verified.verify_site(&code("hmp-y")), Code::SiteMismatch);

    let certified = attestation_key(&world);
    let verified = VerifiedAttestationKey::verify(&certified.certificate, &bundle, now()).unwrap();
    assert_eq!(verified.device(), DEVICE);
    assert_eq!(verified.key(), certified.key.public());
    refused(verified.verify_site(&code("hmp-y")), Code::SiteMismatch);
}

#[test]
fn neither_stands_in_for_the_other_nor_a_person_for_either() {
    let world = World::new();
    let bundle = world.verified();
    let (device, attestation_key) = (device(&world), attestation_key(&world));
    let person = world.x().person(1, Role::Staff);
    for wrong in [&attestation_key, &person] {
        refused(
            VerifiedDevice::verify(&wrong.certificate, &bundle, now()),
            Code::CertificatePurpose,
        );
    }
    for wrong in [&device, &person] {
        refused(
            VerifiedAttestationKey::verify(&wrong.certificate, &bundle, now()),
            Code::CertificatePurpose,
        );
    }
}

type Spoil = fn(&mut Forgery);

#[test]
fn one_thing_wrong_in_either_certificate_is_enough() {
    let cases: [(&str, Code, Spoil); 10] = [
        ("no such site", Code::SiteUnknown, |f| {
            f.extension(oid::EXT_SITE).value = text("hmp-q");
        }),
        ("another issuer", Code::CertificateIssuer, |f| {
            f.issuer = vec![0x30, 0];
        }),
        ("a critical stranger", Code::CertificateProfile, |f| {
            f.add("1.2.3.4", true, &[5, 0]);
        }),
        ("a role", Code::CertificateProfile, |f| {
            f.add(oid::EXT_ROLE, false, &text("lead"));
        }),
        ("a person's name", Code::CertificateName, |f| {
            let name = "s-d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1.staff.hmp-x.wardkey.example";
            f.extension(SUBJECT_ALTERNATIVE_NAME).value = dns_names(&[name]);
        }),
        ("a name of another site", Code::CertificateName, |f| {
            f.extension(SUBJECT_ALTERNATIVE_NAME).value =
                dns_names(&[&NAME.replace("hmp-x", "hmp-y")]);
        }),
        ("no permanent identifier", Code::CertificateName, |f| {
            f.extension(SUBJECT_ALTERNATIVE_NAME).value = dns_names(&[NAME]);
        }),
        (
            "names as critical as they should not be",
            Code::CertificateProfile,
            |f| {
                let names = f.extension(SUBJECT_ALTERNATIVE_NAME);
                names.critical = !names.critical;
            },
        ),
        ("other policies", Code::CertificateProfile, |f| {
            f.extension(CERTIFICATE_POLICIES).value =
                der::sequence(&[&identifiers(&[oid::POLICY_TPM_RESIDENCY])]);
        }),
        ("another subject", Code::CertificateProfile, |f| {
            let attribute = der::sequence(&[&der::object_identifier("2.5.4.3"), &text("laptop")]);
            f.subject = der::sequence(&[&der::element(der::SET, &attribute)]);
        }),
    ];
    let world = World::new();
    let bundle = world.verified();
    for (what, code, spoil) in cases {
        let mut forgery = Forgery::of(&device(&world).certificate);
        spoil(&mut forgery);
        let result = VerifiedDevice::verify(&forgery.sign(&world.x().key), &bundle, now());
        let refusal = result.err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), code, "{what}: {refusal}");

        let mut forgery = Forgery::of(&attestation_key(&world).certificate);
        spoil(&mut forgery);
        let result = VerifiedAttestationKey::verify(&forgery.sign(&world.x().key), &bundle, now());
        let refusal = result.err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
}

#[test]
fn a_laptops_certificate_runs_out_as_a_certificate() {
    let world = World::new();
    let bundle = world.verified();
    let certified = device(&world);
    let verified = VerifiedDevice::verify(&certified.certificate, &bundle, now()).unwrap();
    let after = verified.valid_until().plus(Seconds::new(1));
    refused(
        VerifiedDevice::verify(&certified.certificate, &bundle, after),
        Code::CertificateExpired,
    );
    let before = now().minus(Seconds::new(301));
    refused(
        VerifiedDevice::verify(&certified.certificate, &bundle, before),
        Code::CertificateNotYet,
    );
    let forged = Forgery::of(&certified.certificate).sign(&certified.key);
    refused(
        VerifiedDevice::verify(&forged, &bundle, now()),
        Code::CertificateSignature,
    );
    refused(
        VerifiedDevice::verify(&[], &bundle, now()),
        Code::CertificateMalformed,
    );
}
