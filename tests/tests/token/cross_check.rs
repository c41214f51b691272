//! Second opinions: what tools by other hands make of the virtual token, and of our key in it.
//!
//! `yubico-piv-tool` and `opensc-tool` are Debian packages of the lab. `ykman` is not (it is at
//! `PyPI`, as `yubikey-manager`): where somebody has installed it, it is asked as well, because it
//! is what operators have at hand.

use std::process::Command;

use wardkey_tests::reader::again::{ReaderLab, client_of};
use wardkey_token::Slot;
use x509_parser::pem::parse_x509_pem;

use super::{provisioned_token, sha256, verified, verifies};

/// Runs a tool that sees the lab's readers; what it printed, or `None` where there is no such
/// tool.
fn run(lab: &ReaderLab, tool: &str, arguments: &[&str]) -> Option<String> {
    let mut command: Command = client_of(&lab.desk, tool);
    let Ok(output) = command.args(arguments).output() else {
        eprintln!("skipped: there is no {tool}");
        return None;
    };
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {text}");
    Some(text)
}

fn assert_says(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

with_readers! {
    fn yubico_piv_tool_reads_the_token_and_its_attestation(lab) {
        let (token, key) = provisioned_token(lab);
        let reader = ["--reader", token.reader()];
        let Some(status) = run(lab, "yubico-piv-tool", &[&reader[..], &["-a", "status"]].concat())
        else {
            return;
        };
        assert_says(&status, &["5.7.4", "11111111", "PIN tries left:\t5"]);
        let attest = [&reader[..], &["-a", "attest", "-s", "9c"]].concat();
        let pem = run(lab, "yubico-piv-tool", &attest).unwrap();
        let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
        assert_eq!(pem.parse_x509().unwrap().public_key().raw, key.spki);
        // Our layer works on after theirs.
        let signature =
            verified(&token).sign(Slot::Signature, &sha256(b"after"), || ()).unwrap();
        assert!(verifies(&signature, b"after", &key.spki));
    }
}

with_readers! {
    fn yubico_piv_tool_can_use_the_key_with_the_pin(lab) {
        let (token, key) = provisioned_token(lab);
        let (message, signature) = (lab.folder().join("message"), lab.folder().join("signature"));
        std::fs::write(&message, b"by other hands").unwrap();
        let files = ["-i", message.to_str().unwrap(), "-o", signature.to_str().unwrap()];
        let pin = ["--reader", token.reader(), "-a", "verify-pin", "-P", super::PIN];
        let sign = ["--sign", "-s", "9c", "-A", "ECCP256", "-H", "SHA256"];
        let arguments = [&pin[..], &sign, &files].concat();
        if run(lab, "yubico-piv-tool", &arguments).is_none() {
            return;
        }
        let der = std::fs::read(signature).unwrap();
        let ecdsa = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1;
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(ecdsa, super::point(&key.spki));
        key.verify(b"by other hands", &der).unwrap();
    }
}

with_readers! {
    fn opensc_takes_it_for_a_piv_card(lab) {
        provisioned_token(lab);
        let Some(name) = run(lab, "opensc-tool", &["--reader", "0", "--name"]) else { return };
        assert_says(&name, &["Personal Identity Verification Card"]);
    }
}

with_readers! {
    fn ykman_takes_it_for_a_yubikey(lab) {
        provisioned_token(lab);
        let Some(list) = run(lab, "ykman", &["list"]) else { return };
        assert_says(&list, &["YubiKey 5A (5.7.4)", "Serial: 11111111"]);
        let info = run(lab, "ykman", &["--device", "11111111", "piv", "info"]).unwrap();
        assert_says(&info, &["PIN tries remaining:      5/5", "PUK tries remaining:      3/3"]);
        assert!(!info.contains("WARNING: Using default"), "{info}");
        let key = ["--device", "11111111", "piv", "keys", "info", "9c"];
        let key = run(lab, "ykman", &key).unwrap();
        assert_says(
            &key,
            &["GENERATED", "PIN required for use:   ALWAYS", "Touch required for use: ALWAYS"],
        );
    }
}
