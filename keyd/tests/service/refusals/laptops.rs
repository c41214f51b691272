//! Laptops that are not registered.

use wardkey_fleet::tpm::{AK_ATTRIBUTES, DEVICE_ATTRIBUTES, EccPublic, EkKind, TpmMaker};
use wardkey_fleet::{Laptop, Seed};
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::enrolment::LaptopHello;
use wardkey_schemas::ids::RegistrationId;
use wardkey_schemas::order::{HoldClass, Mode};

use super::standing::{lift, stop};
use crate::enrolment::{announce, certificates, complete, offer};
use crate::running::{World, on_each_engine, refused};

#[tokio::test]
pub(crate) async fn a_known_laptop_enrols_again_only_from_quarantine_and_at_its_own_site() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        let again = async || refused(offer(world, &laptop, lead, |_| ()).await);
        assert_eq!(again().await, Code::EkDuplicate, "active");
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        assert_eq!(again().await, Code::EkDuplicate, "lost");
        lift(world, target.clone()).await;
        // In quarantine it may, but not while it is stopped once more, and nowhere else.
        let begun = offer(world, &laptop, lead, |_| ()).await.unwrap();
        stop(world, target.clone(), HoldClass::Other, Mode::AfterThisCall).await;
        assert_eq!(again().await, Code::EkDuplicate, "stopped in quarantine");
        let late = complete(world, &laptop, lead, &begun, |_| ()).await;
        assert_eq!(refused(late), Code::EkDuplicate, "stopped meanwhile");
        lift(world, target.clone()).await;
        let far_lead = &fleet.second().leads[0];
        let mut elsewhere = fleet.new_laptop(&far_lead.site, EkKind::P256);
        std::mem::swap(
            &mut elsewhere.chip,
            &mut fleet.new_laptop(&people.site, EkKind::P256).chip,
        );
        let hello = |hello: &mut LaptopHello| {
            hello.ek = fleet
                .installation
                .tpm_maker
                .endorsement_key(&laptop.chip.ek);
        };
        let moved = offer(world, &elsewhere, far_lead, hello).await;
        assert_eq!(refused(moved), Code::EkDuplicate, "another site");
        offer(world, &laptop, lead, |_| ()).await.unwrap();
        stop(world, target, HoldClass::Revoked, Mode::Immediate).await;
        assert_eq!(again().await, Code::EkDuplicate, "revoked");
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_tag_is_on_one_laptop_of_a_site() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let bearer = fleet.laptop(people).await.unwrap();
        let mut other = fleet.new_laptop(&people.site, EkKind::P256);
        other.asset = bearer.asset.clone();
        let taken = offer(world, &other, lead, |_| ()).await;
        assert_eq!(refused(taken), Code::AssetTaken);
        // The same tag at another site is another tag.
        let far_lead = &fleet.second().leads[0];
        let mut far = fleet.new_laptop(&far_lead.site, EkKind::P256);
        far.asset = bearer.asset.clone();
        fleet.enrol_laptop(&mut far, far_lead).await.unwrap();

        // Taken between the first word and the completion: by a new laptop, and by one that comes
        // back from quarantine.
        let back = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: back.device,
        };
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        lift(world, target).await;
        let mut back = back;
        let mut free = fleet.new_laptop(&people.site, EkKind::P256);
        back.asset = free.asset.clone();
        let begun = offer(world, &back, lead, |_| ()).await.unwrap();
        let mut third = fleet.new_laptop(&people.site, EkKind::P256);
        third.asset = free.asset.clone();
        let third_begun = offer(world, &third, lead, |_| ()).await.unwrap();
        fleet.enrol_laptop(&mut free, lead).await.unwrap();
        let late = complete(world, &third, lead, &third_begun, |_| ()).await;
        assert_eq!(refused(late), Code::EkDuplicate);
        let late = complete(world, &back, lead, &begun, |_| ()).await;
        assert_eq!(refused(late), Code::EkDuplicate);
        // What was revoked gives its tag away.
        let target = Target::Laptop {
            device: bearer.device,
        };
        stop(world, target, HoldClass::Revoked, Mode::Immediate).await;
        fleet.enrol_laptop(&mut other, lead).await.unwrap();
    })
    .await;
}

type Spoil = (&'static str, Code, fn(&mut LaptopHello, &Laptop, &World));

const SPOILED: [Spoil; 9] = [
    (
        "no EK certificate",
        Code::EkCertificateMissing,
        |hello, _, _| {
            hello.ek.certificate = Vec::new().into();
        },
    ),
    ("an unknown maker", Code::EkUntrusted, |hello, laptop, _| {
        let maker = TpmMaker::new(&Seed::new(u64::MAX));
        hello.ek = maker.endorsement_key(&laptop.chip.ek);
    }),
    (
        "another EK than certified",
        Code::EkKeyMismatch,
        |hello, _, world| {
            let site = &world.fleet.first().site;
            let other = world.fleet.new_laptop(site, EkKind::P256);
            hello.ek.public = other.chip.ek.public.into();
        },
    ),
    ("an EK of another kind", Code::EkTemplate, |hello, _, _| {
        let mut public = hello.ek.public.as_slice().to_vec();
        // Attributes: the key could leave its TPM.
        public[7] ^= 0x02;
        hello.ek.public = public.into();
    }),
    (
        "another maker than certified",
        Code::TpmManufacturer,
        |hello, _, _| {
            hello.tpm.manufacturer = 0x414d_4400;
        },
    ),
    (
        "an AK that signs anything",
        Code::AkAttributes,
        |hello, laptop, _| {
            let mut public = EccPublic::ak(laptop.chip.ak.public());
            public.attributes = AK_ATTRIBUTES & !0x0001_0000;
            hello.ak = laptop.chip.attestation_key_as(&public.bytes());
        },
    ),
    (
        "an AK with another scheme",
        Code::AkAlgorithm,
        |hello, laptop, _| {
            let mut public = EccPublic::ak(laptop.chip.ak.public());
            public.scheme = vec![0x00, 0x18, 0x00, 0x0c];
            hello.ak = laptop.chip.attestation_key_as(&public.bytes());
        },
    ),
    (
        "another AK's creation",
        Code::AkCreation,
        |hello, _, world| {
            let site = &world.fleet.first().site;
            let other = world.fleet.new_laptop(site, EkKind::P256);
            hello.ak.creation = other.chip.attestation_key().creation;
        },
    ),
    (
        "a TPM structure cut short",
        Code::TpmStructure,
        |hello, _, _| {
            let public = hello.ak.public.as_slice();
            let cut = public.split_last().map(|(_, rest)| rest.to_vec());
            hello.ak.public = cut.unwrap().into();
        },
    ),
];

#[tokio::test]
pub(crate) async fn a_laptops_chip_is_genuine_and_its_keys_are_made_as_they_should_be() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let laptop = fleet.new_laptop(&people.site, EkKind::P256);
        let registrations = "select count(*) from registration";
        let before = world.database.number(registrations).await;
        for (what, code, spoil) in SPOILED {
            let opened = offer(world, &laptop, lead, |hello| spoil(hello, &laptop, world));
            assert_eq!(refused(opened.await), code, "{what}");
        }
        assert_eq!(world.database.number(registrations).await, before);

        let theirs = offer(world, &laptop, lead, |_| ()).await.unwrap();
        let mut public = EccPublic::device(laptop.chip.device.public());
        public.attributes = DEVICE_ATTRIBUTES & !0x0000_0010;
        let public = public.bytes();
        let completed = complete(world, &laptop, lead, &theirs, |draft| {
            let attest = draft.certify.attest.as_slice();
            let binding: [u8; 32] = attest[44..76].try_into().unwrap();
            draft.certify = laptop
                .chip
                .certify(&wardkey_schemas::bytes::Sha256::new(binding), &public);
            draft.approval.certify = draft.certify.attest.sha256();
            draft.device_public = public;
        });
        assert_eq!(refused(completed.await), Code::DeviceKeyAttributes);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_registration_belongs_to_the_ca_that_opened_it_and_goes_one_way() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (caller, lead) = (&fleet.caller, &people.leads[0]);
        let site = fleet.installation.site(&people.site);
        let far = fleet.installation.site(&fleet.second().site);
        let laptop = fleet.new_laptop(&people.site, EkKind::P256);
        let hello = laptop.hello(&fleet.installation.tpm_maker, lead);
        let (enrolment, nonce) = fleet.enrolment();
        let open = site.open_laptop(enrolment, nonce, hello);

        // Another site's ca, and somebody who is no ca at all.
        assert_eq!(
            refused(caller.open_laptop(&far.seal(&open)).await),
            Code::SiteMismatch
        );
        let nobody = lead.sign(&open);
        let nobody = wardkey_schemas::jws::Sealed::new(nobody);
        assert_eq!(
            refused(caller.open_laptop(&nobody).await),
            Code::SignerUnknown
        );

        let opened = caller.open_laptop(&site.seal(&open)).await.unwrap();
        let theirs = fleet.keys.open(&opened.message).unwrap().into_message();
        let twice = caller.open_laptop(&site.seal(&open)).await;
        assert_eq!(
            refused(twice),
            Code::RegistrationState,
            "a number used twice"
        );
        let signed = certificates(world, &laptop, &theirs);
        let report = site.report(theirs.registration, &signed);
        let early = caller.report_issued(&site.seal(&report)).await;
        assert_eq!(
            refused(early),
            Code::NotRegistered,
            "before it was announced"
        );

        let (completion, _) = laptop.draft(&theirs, lead).sign(lead);
        let mut stolen = far.announce_laptop(theirs.registration, completion.clone(), &signed);
        let answer = caller.announce_laptop(&far.seal(&stolen)).await;
        assert_eq!(refused(answer), Code::RegistrationUnknown);
        stolen.registration = RegistrationId::from_random([1; 16]);
        let answer = caller.announce_laptop(&far.seal(&stolen)).await;
        assert_eq!(refused(answer), Code::RegistrationUnknown);

        announce(world, &people.site, &theirs, completion.clone(), &signed)
            .await
            .unwrap();
        // Announced once; another announcement is another matter.
        let [device, ak] = certificates(world, &laptop, &theirs);
        let mut other = device.clone();
        other.announced.tbs = ak.announced.tbs.clone();
        let answer = announce(world, &people.site, &theirs, completion, &[other, ak]).await;
        assert_eq!(refused(answer), Code::RegistrationState);

        // Signed is exactly what was announced, by the authority itself.
        let mut wrong = site.report(theirs.registration, &signed);
        wrong.certificates.reverse();
        let answer = caller.report_issued(&site.seal(&wrong)).await;
        assert_eq!(refused(answer), Code::NotRegistered);
        let mut wrong = site.report(theirs.registration, &signed);
        wrong.certificates[0] = lead.certificate.clone();
        let answer = caller.report_issued(&site.seal(&wrong)).await;
        assert_eq!(refused(answer), Code::NotRegistered);
        let mut wrong = site.report(theirs.registration, &signed);
        let mut forged = wrong.certificates[0].as_slice().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        wrong.certificates[0] = forged.into();
        let answer = caller.report_issued(&site.seal(&wrong)).await;
        assert_eq!(refused(answer), Code::CertificateSignature);
        let mut wrong = site.report(theirs.registration, &signed);
        wrong.certificates[0] = vec![0x30, 0x00].into();
        let answer = caller.report_issued(&site.seal(&wrong)).await;
        assert_eq!(refused(answer), Code::CertificateMalformed);
        let stolen = far.report(theirs.registration, &signed);
        let answer = caller.report_issued(&far.seal(&stolen)).await;
        assert_eq!(refused(answer), Code::RegistrationUnknown);

        // Revoked before the ca has signed: it never becomes pending.
        let target = Target::Laptop {
            device: theirs.device,
        };
        stop(world, target, HoldClass::Revoked, Mode::Immediate).await;
        let report = site.report(theirs.registration, &signed);
        let answer = caller.report_issued(&site.seal(&report)).await;
        assert_eq!(refused(answer), Code::RegistrationState);
    })
    .await;
}
