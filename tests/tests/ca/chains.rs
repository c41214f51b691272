//! What ca has issued, in the eyes of another implementation: OpenSSL, strictly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wardkey_ca::open;
use wardkey_fleet::now;
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::x509::{Spec, common_name};

use crate::desk::enrol_laptop;
use crate::house::House;

/// Writes certificates as PEM.
fn pem(path: &Path, ders: &[&[u8]]) -> PathBuf {
    let mut text = String::new();
    for der in ders {
        let file = path.with_extension("der");
        fs::write(&file, der).unwrap();
        let output = Command::new("openssl")
            .args(["x509", "-inform", "DER", "-in"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success());
        text.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    fs::write(path, text).unwrap();
    path.to_owned()
}

/// What `openssl verify` says of a certificate below a site's authority.
fn verify(house: &House, authority: &[u8], leaf: &[u8], strict: bool) -> (bool, String) {
    let folder = house.folder();
    let mut command = Command::new("openssl");
    command.arg("verify");
    if strict {
        command.arg("-x509_strict");
    }
    command
        .arg("-CAfile")
        .arg(pem(
            &folder.join("root.pem"),
            &[&house.fleet.installation.root],
        ))
        .arg("-untrusted")
        .arg(pem(&folder.join("authority.pem"), &[authority]))
        .arg(pem(&folder.join("leaf.pem"), &[leaf]));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn every_certificate_of_a_site_stands_up_to_openssl() {
    let house = House::new().await;
    let [lead, _] = house.leads().await;
    let app = house.app().await;
    let mut laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let enrolled = enrol_laptop(&app, &house, &mut laptop, &lead)
        .await
        .unwrap();
    let keys = house.config.keys();
    let (tls, _) = keys.load_tls().unwrap();
    let chain = app
        .listener_chain(&house.config.name(), tls.public(), now())
        .await
        .unwrap();
    let authority = app.trust().authority(&house.site).unwrap();
    assert_eq!(chain[1], authority);
    for (what, der) in [
        ("lead", lead.certificate.as_slice()),
        ("device key", enrolled.device_certificate.as_slice()),
        ("attestation key", enrolled.ak_certificate.as_slice()),
        ("listener", chain[0].as_slice()),
    ] {
        let (good, said) = verify(&house, &authority, der, true);
        assert!(good, "{what}: {said}");
    }
    // The listener keeps its certificate while it has time left.
    let again = app
        .listener_chain(&house.config.name(), tls.public(), now())
        .await
        .unwrap();
    assert_eq!(again, chain);
}

#[tokio::test]
async fn a_name_outside_the_site_is_refused_for_the_authoritys_name_constraint() {
    let house = House::new().await;
    let keeper = open::keeper(&house.config).unwrap();
    drop(keeper);
    let site = house.fleet.installation.site(&house.site);
    let authority = site.authority.certificate.clone();
    let subject = x509_parser::parse_x509_certificate(&authority).unwrap().1;
    let issuer = subject.subject().as_raw().to_vec();
    let named = |name: &str| {
        let leaf = Spec {
            issuer: issuer.clone(),
            subject: common_name("a laptop"),
            not_after: "20270101000000Z",
            extensions: vec![dns_name(name)],
            ..Spec::authority("", "", &wardkey_fleet::Seed::new(3).key("leaf"))
        };
        leaf.signed(site.authority.key())
    };
    let own = named("laptop.hmp-a.wardkey.test");
    let (good, said) = verify(&house, &authority, &own, false);
    assert!(good, "{said}");
    let other = named("laptop.hmp-b.wardkey.test");
    let (good, said) = verify(&house, &authority, &other, false);
    assert!(
        !good && said.contains("permitted subtree violation"),
        "{said}"
    );
}

/// A subject alternative name that is one DNS name.
fn dns_name(name: &str) -> wardkey_fleet::x509::Extension {
    let length = u8::try_from(name.len()).unwrap();
    let outer = length.checked_add(2).unwrap();
    let value = [&[0x30, outer, 0x82, length], name.as_bytes()].concat();
    ("2.5.29.17", false, value)
}
