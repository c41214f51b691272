//! A certificate taken apart, changed, and signed again by a key that should not have.

use wardkey_schemas::key::SigningKey;
use wardkey_verifier::der::{self, Reader};

use crate::world::RootKey;

/// One extension: identifier, criticality, contents of `extnValue`.
#[derive(Clone)]
pub(crate) struct Extension {
    pub(crate) oid: String,
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

/// The fields of a `TBSCertificate`, each as DER.
#[derive(Clone)]
pub(crate) struct Forgery {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) validity: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

impl Forgery {
    pub(crate) fn of(certificate: &[u8]) -> Self {
        let mut frame = Reader::new(der::only(certificate, der::SEQUENCE).unwrap());
        Self::of_tbs(frame.element().unwrap().whole)
    }

    pub(crate) fn of_tbs(tbs: &[u8]) -> Self {
        let mut fields = Reader::new(der::only(tbs, der::SEQUENCE).unwrap());
        let mut next = || fields.element().unwrap().whole.to_vec();
        let mut forgery = Self {
            version: next(),
            serial: next(),
            algorithm: next(),
            issuer: next(),
            validity: next(),
            subject: next(),
            key: next(),
            extensions: Vec::new(),
        };
        let extensions = fields.expect(der::context_constructed(3)).unwrap();
        let mut extensions = Reader::new(der::only(extensions, der::SEQUENCE).unwrap());
        while !extensions.is_empty() {
            let mut extension = Reader::new(extensions.expect(der::SEQUENCE).unwrap());
            let oid = extension.expect(der::OBJECT_IDENTIFIER).unwrap();
            let critical = extension.peek() == Some(der::BOOLEAN);
            if critical {
                extension.expect(der::BOOLEAN).unwrap();
            }
            forgery.extensions.push(Extension {
                oid: der::oid_text(oid).unwrap(),
                critical,
                value: extension.expect(der::OCTET_STRING).unwrap().to_vec(),
            });
        }
        forgery
    }

    /// The extension with this identifier.
    pub(crate) fn extension(&mut self, oid: &str) -> &mut Extension {
        self.extensions
            .iter_mut()
            .find(|extension| extension.oid == oid)
            .unwrap()
    }

    pub(crate) fn remove(&mut self, oid: &str) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    pub(crate) fn add(&mut self, oid: &str, critical: bool, value: &[u8]) {
        self.extensions.push(Extension {
            oid: oid.to_owned(),
            critical,
            value: value.to_vec(),
        });
    }

    pub(crate) fn tbs(&self) -> Vec<u8> {
        let extensions: Vec<Vec<u8>> = self
            .extensions
            .iter()
            .map(|extension| {
                let critical = if extension.critical {
                    der::element(der::BOOLEAN, &[0xff])
                } else {
                    Vec::new()
                };
                der::sequence(&[
                    &der::object_identifier(&extension.oid),
                    &critical,
                    &der::element(der::OCTET_STRING, &extension.value),
                ])
            })
            .collect();
        let extensions = der::element(der::SEQUENCE, &extensions.concat());
        der::sequence(&[
            &self.version,
            &self.serial,
            &self.algorithm,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.key,
            &der::element(der::context_constructed(3), &extensions),
        ])
    }

    /// Signs with a key on P-256.
    pub(crate) fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let signature = key.sign(&self.tbs()).unwrap();
        let (r, s) = signature.as_bytes().split_at(32);
        self.frame(&der::sequence(&[&integer(r), &integer(s)]))
    }

    /// Signs with the root's key.
    pub(crate) fn sign_by_root(&self, root: &RootKey) -> Vec<u8> {
        self.frame(&root.sign_der(&self.tbs()))
    }

    fn frame(&self, signature: &[u8]) -> Vec<u8> {
        let bits = [&[0], signature].concat();
        der::sequence(&[
            &self.tbs(),
            &self.algorithm,
            &der::element(der::BIT_STRING, &bits),
        ])
    }
}

/// A positive INTEGER in its shortest form.
fn integer(magnitude: &[u8]) -> Vec<u8> {
    let significant: Vec<u8> = magnitude
        .iter()
        .copied()
        .skip_while(|octet| *octet == 0)
        .collect();
    let padded = match significant.first() {
        Some(first) if first & 0x80 == 0 => significant,
        _ => [&[0], significant.as_slice()].concat(),
    };
    der::element(der::INTEGER, &padded)
}

/// The contents of an extension that lists these object identifiers.
pub(crate) fn identifiers(oids: &[&str]) -> Vec<u8> {
    let oids: Vec<Vec<u8>> = oids.iter().map(|oid| der::object_identifier(oid)).collect();
    der::element(der::SEQUENCE, &oids.concat())
}

/// The contents of a subject alternative name extension with these DNS names.
pub(crate) fn dns_names(names: &[&str]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = names
        .iter()
        .map(|name| der::element(der::context(2), name.as_bytes()))
        .collect();
    der::element(der::SEQUENCE, &names.concat())
}

/// A `UTF8String`.
pub(crate) fn text(text: &str) -> Vec<u8> {
    der::element(der::UTF8_STRING, text.as_bytes())
}
