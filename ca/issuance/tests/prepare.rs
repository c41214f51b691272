//! What is not prepared, what is not signed, and which requests are not taken.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise"
)]

mod keys;

use keys::{Hierarchy, Key, now, realm, serial, site};
use proptest::prelude::*;
use wardkey_issuance::{
    AuthorityKey, EcdsaSignature, IssuanceError, Issuer, Profile, Request, RequestError, SignError,
    Signer, prepare, prepare_request, prepare_root, sign, sign_request,
};
use wardkey_schemas::bundle::{Function, Profile as Installation};
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

fn profiles() -> Vec<Profile> {
    let device = DeviceId::from_bytes([1; 16]);
    let person = PersonId::from_bytes([2; 16]);
    vec![
        Profile::BundleSigner,
        Profile::ServiceAuthority { realm: realm() },
        Profile::SiteAuthority {
            site: site(),
            realm: realm(),
        },
        Profile::ServiceKey {
            function: Function::Order,
        },
        Profile::Device { device },
        Profile::AttestationKey { device },
        Profile::PersonSigning {
            person,
            role: Role::Lead,
        },
        Profile::PersonAuthentication { person },
    ]
}

#[test]
fn each_authority_issues_its_own_kinds_and_no_others() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let subject = Key::p256().public();
    let issuers = [
        hierarchy.root.issuer(),
        hierarchy.service.issuer(),
        hierarchy.site.issuer(),
    ];
    for (profile, owner) in profiles().into_iter().zip([0, 0, 0, 1, 2, 2, 2, 2]) {
        for (place, issuer) in issuers.iter().enumerate() {
            let result = prepare(&profile, &subject, issuer, serial(1), now());
            if place == owner {
                assert!(result.is_ok(), "{profile:?}: {result:?}");
            } else {
                assert!(
                    matches!(result, Err(IssuanceError::WrongIssuer { .. })),
                    "{profile:?}: {result:?}"
                );
            }
        }
    }
    let server = Profile::TlsServer {
        names: vec!["a.keyd.wardkey.example".to_owned()],
    };
    let result = prepare(&server, &subject, &issuers[0], serial(1), now());
    assert!(matches!(result, Err(IssuanceError::WrongIssuer { .. })));
}

#[test]
fn a_server_is_named_within_its_authority_and_by_dns_names_only() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let subject = Key::p256().public();
    let issuer = hierarchy.site.issuer();
    let mut cases: Vec<Vec<String>> = [
        "ca.hmp-y.wardkey.example",
        "evilhmp-x.wardkey.example",
        "wardkey.example",
        "*.hmp-x.wardkey.example",
        "CA.hmp-x.wardkey.example",
        ".hmp-x.wardkey.example",
        "127.0.0.1",
        "localhost",
        "",
    ]
    .iter()
    .map(|name| vec![(*name).to_owned()])
    .collect();
    let good = "ca.hmp-x.wardkey.example".to_owned();
    cases.push(vec![]);
    cases.push(vec![good.clone(), "ca.hmp-y.wardkey.example".to_owned()]);
    cases.push(vec![good.clone(); 9]);
    for names in cases {
        let profile = Profile::TlsServer {
            names: names.clone(),
        };
        let result = prepare(&profile, &subject, &issuer, serial(1), now());
        assert!(
            matches!(result, Err(IssuanceError::Name { .. })),
            "{names:?}: {result:?}"
        );
    }
    let profile = Profile::TlsServer { names: vec![good] };
    assert!(prepare(&profile, &subject, &issuer, serial(1), now()).is_ok());
}

#[test]
fn no_site_gets_the_name_of_the_service() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let profile = Profile::SiteAuthority {
        site: "keyd".parse().unwrap(),
        realm: realm(),
    };
    let subject = Key::p256().public();
    let result = prepare(
        &profile,
        &subject,
        &hierarchy.root.issuer(),
        serial(1),
        now(),
    );
    assert!(matches!(result, Err(IssuanceError::Name { .. })));
}

#[test]
fn no_certificate_outlives_its_issuer() {
    let mut hierarchy = Hierarchy::new(Installation::Test);
    let issuer = hierarchy.site.issuer();
    let subject = Key::p256().public();
    let profile = Profile::PersonAuthentication {
        person: PersonId::from_bytes([2; 16]),
    };
    // Ten days before the authority's end, a year is cut to ten days.
    let late = issuer.not_after().minus(Seconds::new(10 * 24 * 3600));
    let prepared = prepare(&profile, &subject, &issuer, serial(1), late).unwrap();
    let der = sign(prepared, &mut hierarchy.site.key).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(
        certificate.validity().not_after.timestamp(),
        issuer.not_after().seconds()
    );
    for wrong in [
        issuer.not_after(),
        issuer.not_after().plus(Seconds::new(1)),
        issuer.not_before().minus(Seconds::new(1)),
    ] {
        let result = prepare(&profile, &subject, &issuer, serial(1), wrong);
        assert!(
            matches!(result, Err(IssuanceError::IssuerNotInTime { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn bytes_that_were_not_drawn_at_random_are_noticed() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let subject = Key::p256().public();
    let profile = Profile::BundleSigner;
    for wrong in [[0; 16], [0xff; 16]] {
        let result = prepare(&profile, &subject, &hierarchy.root.issuer(), wrong, now());
        assert!(matches!(result, Err(IssuanceError::Serial)));
    }
}

#[test]
fn an_authority_does_not_certify_its_own_key() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let profile = Profile::PersonAuthentication {
        person: PersonId::from_bytes([2; 16]),
    };
    let own = hierarchy.site.key.public();
    let result = prepare(&profile, &own, &hierarchy.site.issuer(), serial(1), now());
    assert!(matches!(result, Err(IssuanceError::SameKey)));
}

#[test]
fn a_root_has_a_key_on_p384() {
    let key = Key::p256();
    let result = prepare_root(key.public_key(), Installation::Test, serial(1), now());
    assert!(matches!(result, Err(IssuanceError::RootKey)));
}

/// A keeper that claims to have one key and signs with another.
struct Liar {
    claimed: AuthorityKey,
    key: Key,
}

impl Signer for Liar {
    type Error = std::convert::Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.claimed
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Self::Error> {
        self.key.sign(message)
    }
}

/// A keeper that fails.
struct Broken(AuthorityKey);

impl Signer for Broken {
    type Error = std::io::Error;

    fn public_key(&self) -> &AuthorityKey {
        &self.0
    }

    fn sign(&mut self, _: &[u8]) -> Result<EcdsaSignature, Self::Error> {
        Err(std::io::Error::other("the drawer is locked"))
    }
}

#[test]
fn only_the_issuers_key_signs_and_only_what_verifies_is_given_out() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let issuer = hierarchy.root.issuer();
    let subject = Key::p256().public();
    let prepared = || prepare(&Profile::BundleSigner, &subject, &issuer, serial(1), now()).unwrap();

    let mut other = Key::p384();
    assert!(matches!(
        sign(prepared(), &mut other),
        Err(SignError::OtherKey)
    ));
    let mut liar = Liar {
        claimed: issuer.key().clone(),
        key: Key::p384(),
    };
    assert!(matches!(
        sign(prepared(), &mut liar),
        Err(SignError::Signature)
    ));
    let mut broken = Broken(issuer.key().clone());
    assert!(matches!(
        sign(prepared(), &mut broken),
        Err(SignError::Signer(_))
    ));
}

#[test]
fn what_was_announced_is_what_was_signed() {
    let mut hierarchy = Hierarchy::new(Installation::Test);
    let subject = Key::p256().public();
    let issuer = hierarchy.root.issuer();
    let prepared = prepare(&Profile::BundleSigner, &subject, &issuer, serial(1), now()).unwrap();
    let announced = prepared.tbs().to_vec();
    let hash = prepared.sha256();
    let der = sign(prepared, &mut hierarchy.root.key).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.tbs_certificate.as_ref(), announced);
    assert_eq!(wardkey_schemas::bytes::Sha256::of(&announced), hash);
}

#[test]
fn the_same_arguments_prepare_the_same_bytes() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let subject = Key::p256().public();
    for profile in profiles().split_off(4) {
        let once = prepare(
            &profile,
            &subject,
            &hierarchy.site.issuer(),
            serial(1),
            now(),
        );
        let twice = prepare(
            &profile,
            &subject,
            &hierarchy.site.issuer(),
            serial(1),
            now(),
        );
        assert_eq!(once.unwrap().tbs(), twice.unwrap().tbs());
    }
}

#[test]
fn a_request_gives_its_key_and_nothing_else() {
    for mut key in [Key::p256(), Key::p384()] {
        let prepared = prepare_request("site hmp-x", key.public_key()).unwrap();
        let der = sign_request(prepared, &mut key).unwrap();
        let request = Request::verify(&der).unwrap();
        assert_eq!(request.key(), key.public_key());

        for place in 0..der.len() {
            let mut changed = der.clone();
            changed[place] ^= 1;
            assert!(Request::verify(&changed).is_err(), "byte {place}");
        }
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(Request::verify(&longer), Err(RequestError::Malformed));
    }
}

/// A library takes the curve from the signature's algorithm; the key itself says which it is.
#[test]
fn the_curve_of_a_request_is_that_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let openssl = |args: &[&str]| {
        std::process::Command::new("openssl")
            .args(args)
            .current_dir(folder.path())
            .output()
    };
    if openssl(&["version"]).is_err() {
        return;
    }
    let made = openssl(&[
        "ecparam",
        "-name",
        "secp384r1",
        "-genkey",
        "-noout",
        "-out",
        "k.pem",
    ]);
    assert!(made.unwrap().status.success());
    let made = openssl(&[
        "req", "-new", "-key", "k.pem", "-subj", "/CN=x", "-sha256", "-outform", "DER", "-out",
        "r.der",
    ]);
    assert!(made.unwrap().status.success());
    let der = std::fs::read(path("r.der")).unwrap();
    let request = Request::verify(&der).unwrap();
    assert!(matches!(request.key(), AuthorityKey::P384(_)));
}

#[test]
fn a_certificate_of_another_kind_is_no_issuer() {
    let mut hierarchy = Hierarchy::new(Installation::Test);
    let signer = hierarchy
        .root
        .issue(&Profile::BundleSigner, &Key::p256().public());
    assert!(Issuer::parse(&signer).is_err());
    let mut longer = hierarchy.site.certificate.clone();
    longer.push(0);
    assert!(Issuer::parse(&longer).is_err());
    assert!(Issuer::parse(&[]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Issuer::parse(&bytes);
        let _ = Request::verify(&bytes);
    }

    #[test]
    fn every_serial_number_is_positive_and_of_full_length(random in any::<[u8; 16]>()) {
        prop_assume!(random.iter().any(|octet| *octet != random[0]));
        let hierarchy = shared();
        let prepared = prepare(
            &Profile::BundleSigner,
            &hierarchy.1,
            &hierarchy.0,
            random,
            now(),
        ).unwrap();
        // [0] version, then INTEGER of 16 octets with the two highest bits 01.
        let tbs = prepared.tbs();
        let place = tbs.windows(5).position(|window| window == [0xa0, 3, 2, 1, 2]).unwrap();
        prop_assert_eq!(&tbs[place + 5..place + 7], &[2, 16]);
        prop_assert_eq!(tbs[place + 7] & 0xc0, 0x40);
        prop_assert_eq!(&tbs[place + 8..place + 23], &random[1..]);
    }
}

fn shared() -> &'static (Issuer, wardkey_schemas::key::PublicKey) {
    static SHARED: std::sync::OnceLock<(Issuer, wardkey_schemas::key::PublicKey)> =
        std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let hierarchy = Hierarchy::new(Installation::Production);
        (hierarchy.root.issuer(), Key::p256().public())
    })
}
