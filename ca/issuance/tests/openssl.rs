//! An independent validator: OpenSSL accepts what we issue, strictly, and refuses what lies outside
//! a name constraint.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise, and says what it skipped"
)]

mod keys;

use std::path::{Path, PathBuf};
use std::process::Command;

use keys::{Authority, Hierarchy, Key, realm};
use tempfile::TempDir;
use wardkey_issuance::{Profile, prepare, sign};
use wardkey_schemas::bundle::{Function, Profile as Installation};
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::role::Role;

/// Seconds since 1970 at which OpenSSL is to judge: ten minutes after issuing.
const AT: &str = "1795356727";

fn write_pem(folder: &Path, name: &str, certificates: &[&[u8]]) -> PathBuf {
    let path = folder.join(name);
    let mut text = String::new();
    for der in certificates {
        let der_path = folder.join("one.der");
        std::fs::write(&der_path, der).unwrap();
        let output = Command::new("openssl")
            .args(["x509", "-inform", "DER", "-in"])
            .arg(&der_path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        text.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    std::fs::write(&path, text).unwrap();
    path
}

/// What `openssl verify` says; an empty text is yes.
fn verify(root: &[u8], between: &[&[u8]], leaf: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let root = write_pem(folder.path(), "root.pem", &[root]);
    let leaf = write_pem(folder.path(), "leaf.pem", &[leaf]);
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-check_ss_sig", "-attime", AT]);
    command
        .args(["-no-CApath", "-no-CAstore", "-CAfile"])
        .arg(root);
    if !between.is_empty() {
        let between = write_pem(folder.path(), "between.pem", between);
        command.arg("-untrusted").arg(between);
    }
    let output = command.arg(&leaf).output().unwrap();
    if output.status.success() {
        return String::new();
    }
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("skipped: openssl is not installed");
    }
    found
}

fn person(byte: u8) -> PersonId {
    PersonId::from_bytes([byte; 16])
}

#[test]
fn openssl_accepts_every_kind_of_certificate_strictly() {
    if !has_openssl() {
        return;
    }
    for installation in [Installation::Production, Installation::Test] {
        let mut hierarchy = Hierarchy::new(installation);
        let root = hierarchy.root.certificate.clone();
        assert_eq!(verify(&root, &[], &root), "");
        let signer = hierarchy
            .root
            .issue(&Profile::BundleSigner, &Key::p256().public());
        assert_eq!(verify(&root, &[], &signer), "");

        let device = DeviceId::from_bytes([3; 16]);
        let below_site = [
            Profile::Device { device },
            Profile::AttestationKey { device },
            Profile::PersonSigning {
                person: person(1),
                role: Role::Staff,
            },
            Profile::PersonAuthentication { person: person(1) },
            Profile::TlsServer {
                names: vec!["ca.hmp-x.wardkey.example".to_owned()],
            },
        ];
        for profile in below_site {
            let leaf = hierarchy.site.issue(&profile, &Key::p256().public());
            let authority = hierarchy.site.certificate.clone();
            assert_eq!(verify(&root, &[&authority], &leaf), "", "{profile:?}");
        }
        let below_service = [
            Profile::ServiceKey {
                function: Function::Lease,
            },
            Profile::TlsServer {
                names: vec!["keyd.wardkey.example".to_owned()],
            },
        ];
        for profile in below_service {
            let leaf = hierarchy.service.issue(&profile, &Key::p256().public());
            let authority = hierarchy.service.certificate.clone();
            assert_eq!(verify(&root, &[&authority], &leaf), "", "{profile:?}");
        }
    }
}

/// A site authority's key with a certificate under another root that lets it name another site:
/// what it issues has the same issuer name and key, and a name outside the genuine constraint.
#[test]
fn openssl_refuses_a_name_outside_the_site_of_its_authority() {
    if !has_openssl() {
        return;
    }
    let mut hierarchy = Hierarchy::new(Installation::Test);
    let root = hierarchy.root.certificate.clone();
    let genuine = hierarchy.site.certificate.clone();
    let leaf = outside(&mut hierarchy);
    let answer = verify(&root, &[&genuine], &leaf);
    // X509_V_ERR_PERMITTED_VIOLATION
    assert!(answer.contains("error 47"), "{answer}");
}

/// A person's certificate for `hmp-y`, signed with the key of the authority of `hmp-x` and under its
/// name.
fn outside(hierarchy: &mut Hierarchy) -> Vec<u8> {
    let elsewhere = Profile::SiteAuthority {
        site: "hmp-y".parse().unwrap(),
        realm: realm(),
    };
    let forged = hierarchy
        .root
        .issue(&elsewhere, &hierarchy.site.key.public());
    let mut forged = Authority {
        key: std::mem::replace(&mut hierarchy.site.key, Key::p256()),
        certificate: forged,
    };
    let profile = Profile::PersonSigning {
        person: person(9),
        role: Role::Lead,
    };
    let prepared = prepare(
        &profile,
        &Key::p256().public(),
        &forged.issuer(),
        keys::serial(3),
        keys::now(),
    )
    .unwrap();
    let der = sign(prepared, &mut forged.key).unwrap();
    rename(&der, &mut forged.key)
}

/// Replaces the issuer's name `Wardkey site hmp-y …` by that of `hmp-x` and signs again.
fn rename(der: &[u8], key: &mut Key) -> Vec<u8> {
    use wardkey_issuance::{EcdsaSignature, Signer as _};
    let tbs = yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            let tbs = reader.next().read_der()?;
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(tbs)
        })
    })
    .unwrap();
    let mut tbs = tbs;
    let from = b"Wardkey site hmp-y";
    let place = tbs
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    tbs[place..place + from.len()].copy_from_slice(b"Wardkey site hmp-x");
    let EcdsaSignature::Der(signature) = key.sign(&tbs).unwrap() else {
        panic!("a key on P-256 gives DER");
    };
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(&tbs);
            writer.next().write_sequence(|writer| {
                let oid = yasna::models::ObjectIdentifier::from_slice(&[1, 2, 840, 10045, 4, 3, 2]);
                writer.next().write_oid(&oid);
            });
            let bits = signature.len() * 8;
            writer.next().write_bitvec_bytes(&signature, bits);
        });
    })
}
