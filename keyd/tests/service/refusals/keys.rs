//! Security keys that are not registered, and charters that do not fit.

use wardkey_fleet::x509::{Spec, common_name, integer};
use wardkey_fleet::{Seed, Token, TokenMaker};
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::bundle::{FirstKey, SiteCharter};
use wardkey_schemas::ids::{CharterId, PersonId};
use wardkey_schemas::jws;
use wardkey_schemas::key_enrolment::{Consent, Holder, Voucher};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::registration::SiteHello;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use super::standing::stop;
use crate::enrolment::{announce_key, complete_key, key_offer, new_holder};
use crate::running::{World, engines, on_each_engine, refused};

const FIRMWARE: &str = "1.3.6.1.4.1.41482.3.3";
const SERIAL: &str = "1.3.6.1.4.1.41482.3.7";
const POLICY: &str = "1.3.6.1.4.1.41482.3.8";
const FORM_FACTOR: &str = "1.3.6.1.4.1.41482.3.9";

type Spoil = (&'static str, Code, fn(Spec) -> Spec);

const SPOILED: [Spoil; 9] = [
    ("old firmware", Code::TokenTooOld, |spec| {
        spec.with((FIRMWARE, false, vec![5, 6, 9]))
    }),
    ("PIN once", Code::TokenPinPolicy, |spec| {
        spec.with((POLICY, false, vec![2, 2]))
    }),
    ("touch cached", Code::TokenTouchPolicy, |spec| {
        spec.with((POLICY, false, vec![3, 3]))
    }),
    (
        "a form factor of the future",
        Code::TokenFormFactor,
        |spec| spec.with((FORM_FACTOR, false, vec![0x7f])),
    ),
    ("another serial number", Code::TokenSerial, |spec| {
        spec.with((SERIAL, false, integer(&[1, 2, 3])))
    }),
    ("another slot", Code::TokenSlot, |spec| Spec {
        subject: common_name("YubiKey PIV Attestation 9a"),
        ..spec
    }),
    ("no policy", Code::AttestationMalformed, |mut spec| {
        spec.extensions.retain(|(kind, _, _)| *kind != POLICY);
        spec
    }),
    (
        "a policy of three bytes",
        Code::AttestationMalformed,
        |spec| spec.with((POLICY, false, vec![3, 2, 1])),
    ),
    ("another issuer", Code::TokenNotGenuine, |spec| Spec {
        issuer: common_name("somebody else"),
        ..spec
    }),
];

#[tokio::test]
pub(crate) async fn a_security_key_is_genuine_and_set_up_as_the_policy_wants() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let serial = TokenSerial::new(77_000_000);
        let enrol = async |token: &Token| {
            let hello = new_holder(Role::Staff, lead);
            let theirs = key_offer(world, &people.site, hello).await.unwrap();
            complete_key(world, &theirs, Role::Staff, token, Some(lead), |_| ()).await
        };
        let maker = &fleet.installation.token_maker;
        for (what, code, spoil) in SPOILED {
            let (_, seed) = fleet.fresh();
            let token = maker.token_with(&seed, serial, |spec| *spec = spoil(spec.clone()));
            assert_eq!(refused(enrol(&token).await), code, "{what}");
        }
        let (_, seed) = fleet.fresh();
        let other = TokenMaker::new(&Seed::new(u64::MAX));
        let token = other.token(&seed, serial);
        assert_eq!(refused(enrol(&token).await), Code::TokenNotGenuine);
        let mut imported = maker.token(&seed, serial);
        imported.attestation = b"none".to_vec();
        assert_eq!(refused(enrol(&imported).await), Code::AttestationMalformed);

        // One token, one key, one person.
        let token = maker.token(&seed, serial);
        enrol(&token).await.unwrap();
        assert_eq!(refused(enrol(&token).await), Code::TokenDuplicate);
        let (_, seed) = fleet.fresh();
        let new_key = maker.token(&seed, serial);
        assert_eq!(refused(enrol(&new_key).await), Code::TokenDuplicate);
        let target = Target::Key {
            key: token.key.public().thumbprint(),
        };
        stop(world, target, HoldClass::Revoked, Mode::Immediate).await;
        enrol(&new_key).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn each_line_vouches_for_its_own_people_and_nobody_for_themselves() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        // People of the reserved site vouch there, and nowhere else.
        let vouchers = Role::ALL.into_iter();
        for voucher in vouchers.filter(|role| *role != Role::NationalAdministrator) {
            for new in Role::ALL {
                let may = matches!(
                    (voucher, new),
                    (Role::Lead, Role::Staff | Role::Lead)
                        | (Role::SecurityOfficer, Role::SecurityOfficer | Role::Auditor)
                );
                let by = people.with(voucher);
                let theirs = key_offer(world, &people.site, new_holder(new, by))
                    .await
                    .unwrap();
                let token = fleet.token();
                let done = complete_key(world, &theirs, new, &token, Some(by), |_| ()).await;
                if may {
                    done.unwrap();
                } else {
                    assert_eq!(refused(done), Code::KeyRole, "{voucher} for {new}");
                }
            }
        }
        let lead = &people.leads[0];
        let mut own = new_holder(Role::Lead, lead);
        own.holder = Holder::Known { person: lead.id };
        let theirs = key_offer(world, &people.site, own.clone()).await.unwrap();
        let token = fleet.token();
        let done = complete_key(world, &theirs, Role::Lead, &token, Some(lead), |_| ()).await;
        assert_eq!(refused(done), Code::ApprovalSelf);
        own.holder = Holder::Known {
            person: PersonId::from_random([5; 16]),
        };
        let unknown = key_offer(world, &people.site, own).await;
        assert_eq!(refused(unknown), Code::NotFound);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_charter_certifies_its_own_first_keys_once() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let known = |site: &wardkey_schemas::names::SiteCode| {
            let people = fleet.people_of(site);
            let key = people.leads[0].key();
            let role = Role::Lead;
            let charter = fleet
                .installation
                .charter(site, vec![FirstKey { key, role }]);
            fleet.installation.sign_charter(&charter)
        };
        let by = |site| {
            let mut hello = new_holder(Role::Lead, &people.leads[0]);
            hello.voucher = Voucher::Charter {
                charter: known(site),
            };
            hello
        };
        let far = &fleet.second().site;
        let stolen = key_offer(world, &people.site, by(far)).await;
        assert_eq!(refused(stolen), Code::CharterInvalid);

        // Somebody whom the charter does not name, and a first key that has come before.
        let stranger = fleet.token();
        let theirs = key_offer(world, &people.site, by(&people.site))
            .await
            .unwrap();
        let done = complete_key(world, &theirs, Role::Lead, &stranger, None, |_| ()).await;
        assert_eq!(refused(done), Code::CharterInvalid);
        let theirs = key_offer(world, &people.site, by(&people.site))
            .await
            .unwrap();
        let token = &people.leads[0].token;
        let done = complete_key(world, &theirs, Role::Lead, token, None, |_| ()).await;
        assert_eq!(refused(done), Code::CharterUsed);
        // A first key in another role than the charter gives it.
        let mut officer = by(&people.site);
        officer.role = Role::SecurityOfficer;
        let theirs = key_offer(world, &people.site, officer).await.unwrap();
        let role = Role::SecurityOfficer;
        let done = complete_key(world, &theirs, role, token, None, |_| ()).await;
        assert_eq!(refused(done), Code::CharterInvalid);

        // A person vouched, and the charter is shown; and the other way round.
        let lead = &people.leads[0];
        let hello = new_holder(Role::Staff, lead);
        let theirs = key_offer(world, &people.site, hello).await.unwrap();
        let done = complete_key(world, &theirs, Role::Staff, &stranger, None, |_| ()).await;
        assert_eq!(refused(done), Code::ApproverMissing);
        let theirs = key_offer(world, &people.site, by(&people.site))
            .await
            .unwrap();
        let draft = wardkey_fleet::KeyDraft::new(&theirs, Role::Lead, &stranger, Some(lead));
        let (completion, _) = draft.sign(&stranger, Some(lead));
        assert!(matches!(completion.consent, Consent::Person { .. }));
        let done = announce_key(world, &theirs, Role::Lead, &stranger, completion).await;
        assert_eq!(refused(done), Code::ApproverMissing);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_site_is_known_by_a_genuine_charter_of_its_own() {
    for database in engines().await {
        let mut world = World::without_people(database).await;
        let fleet = &world.fleet;
        let site = &fleet.installation.sites[0];
        let token = fleet.token();
        let first = FirstKey {
            key: token.key.public().thumbprint(),
            role: Role::Lead,
        };
        let honest = fleet.installation.charter(&site.code, vec![first.clone()]);
        let show = async |charter: jws::Jws<SiteCharter>| {
            fleet.caller.welcome_site(&SiteHello { charter }).await
        };
        let forged = jws::sign(&honest, &site.key).unwrap();
        assert_eq!(refused(show(forged).await), Code::CharterInvalid);
        let spoilt = |change: &dyn Fn(&mut SiteCharter)| {
            let mut charter = honest.clone();
            change(&mut charter);
            fleet.installation.sign_charter(&charter)
        };
        let far = &fleet.installation.sites[1];
        for (code, charter) in [
            (
                Code::SiteUnknown,
                spoilt(&|c| c.site = "hmp-nowhere".parse().unwrap()),
            ),
            (Code::CharterInvalid, spoilt(&|c| c.site = far.code.clone())),
            (
                Code::CharterInvalid,
                spoilt(&|c| c.realm = "elsewhere.test".parse().unwrap()),
            ),
            (Code::CharterInvalid, spoilt(&|c| c.first_keys.clear())),
            (
                Code::CharterInvalid,
                spoilt(&|c| c.first_keys.push(first.clone())),
            ),
            (
                Code::CharterInvalid,
                spoilt(&|c| c.registrar = *site.authority.key().public()),
            ),
        ] {
            assert_eq!(refused(show(charter).await), code);
        }
        let sites = "select count(*) from site";
        assert_eq!(world.database.number(sites).await, 0);
        // Said twice is how a ca starts.
        let charter = fleet.installation.sign_charter(&honest);
        for _ in 0..2 {
            let welcome = show(charter.clone()).await.unwrap();
            assert_eq!(welcome.site, site.code);
        }
        assert_eq!(world.database.number(sites).await, 1);
        // Another site cannot take this one's registrar, nor its charter's number.
        let theirs = |change: &dyn Fn(&mut SiteCharter)| {
            let mut charter = fleet.installation.charter(&far.code, vec![first.clone()]);
            change(&mut charter);
            fleet.installation.sign_charter(&charter)
        };
        let registrar = *site.key.public();
        let refusal = show(theirs(&|c| c.registrar = registrar)).await;
        assert_eq!(refused(refusal), Code::CharterInvalid);
        let number = honest.charter;
        let refusal = show(theirs(&|c| c.charter = number)).await;
        assert_eq!(refused(refusal), Code::CharterInvalid);
        assert_eq!(world.database.number(sites).await, 1);
        world.check().await;
    }
}

#[tokio::test]
pub(crate) async fn a_newer_charter_takes_the_place_of_the_one_before_and_an_older_one_does_not() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let site = fleet.installation.site(&people.site);
        let token = fleet.token();
        let first = FirstKey {
            key: token.key.public().thumbprint(),
            role: Role::SecurityOfficer,
        };
        let (_, seed) = fleet.fresh();
        let (registrar, before) = (seed.key("new registrar"), &site.key);
        let mut charter = fleet.installation.charter(&people.site, vec![first]);
        charter.charter = CharterId::from_random(seed.id("newer charter"));
        charter.registrar = *registrar.public();
        let issued_at = charter.issued_at;
        let show = async |charter: &SiteCharter| {
            let charter = fleet.installation.sign_charter(charter);
            fleet.caller.welcome_site(&SiteHello { charter }).await
        };
        charter.issued_at = issued_at.minus(Seconds::new(1));
        assert_eq!(refused(show(&charter).await), Code::CharterInvalid, "older");
        charter.issued_at = issued_at;
        assert_eq!(
            refused(show(&charter).await),
            Code::CharterInvalid,
            "as old"
        );
        charter.issued_at = issued_at.plus(Seconds::new(1));
        show(&charter).await.unwrap();

        // From now on the new registrar speaks for the site, and the old one for nobody.
        let by_charter = Voucher::Charter {
            charter: fleet.installation.sign_charter(&charter),
        };
        let mut hello = new_holder(Role::SecurityOfficer, &people.leads[0]);
        hello.voucher = by_charter;
        let (enrolment, nonce) = fleet.enrolment();
        let open = site.open_key(enrolment, nonce, hello);
        let seal = |key| jws::Sealed::new(jws::sign(&open, key).unwrap());
        let old = fleet.caller.open_key(&seal(before)).await;
        assert_eq!(refused(old), Code::SignerUnknown);
        let offer = fleet.caller.open_key(&seal(&registrar)).await.unwrap();
        let offer = fleet.keys.open(&offer.message).unwrap().into_message();
        let draft = wardkey_fleet::KeyDraft::new(&offer, Role::SecurityOfficer, &token, None);
        let (completion, _) = draft.sign(&token, None);
        let now = wardkey_fleet::now();
        let role = Role::SecurityOfficer;
        let certified = site.certify_person(offer.person, role, token.key.public(), now);
        let announce = site.announce_key(offer.registration, completion, &certified);
        let announce = jws::Sealed::new(jws::sign(&announce, &registrar).unwrap());
        fleet.caller.announce_key(&announce).await.unwrap();
    })
    .await;
}
