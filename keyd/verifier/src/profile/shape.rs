//! What a certificate of ours must say: put together piece by piece, then compared at once.

use wardkey_schemas::bundle::Profile as Installation;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::subject::Subtree;
use wardkey_schemas::{Code, Refusal, oid};

use crate::certificate::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, Certificate,
    EXTENDED_KEY_USAGE, KEY_USAGE, KeyUsage, NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME,
    SUBJECT_KEY_IDENTIFIER, SubjectKey,
};
use crate::der;

const COMMON_NAME: &str = "2.5.4.3";

/// One extension that must be there.
struct Wanted {
    oid: &'static str,
    critical: bool,
    value: Vec<u8>,
    /// What it says, for people.
    says: String,
    /// The refusal if it is absent or says something else.
    code: Code,
}

/// What a certificate must say, put together piece by piece, then compared at once.
pub(crate) struct Shape<'a> {
    certificate: &'a Certificate,
    identifier: Vec<u8>,
    subject: Vec<u8>,
    wanted: Vec<Wanted>,
}

impl<'a> Shape<'a> {
    /// An end entity that may use its key for `usage` and `purposes`.
    pub(crate) fn end_entity(
        certificate: &'a Certificate,
        usage: KeyUsage,
        purposes: &[&str],
    ) -> Self {
        let identifiers: Vec<Vec<u8>> = purposes
            .iter()
            .map(|purpose| der::object_identifier(purpose))
            .collect();
        Self::new(certificate)
            .with(
                EXTENDED_KEY_USAGE,
                false,
                der::element(der::SEQUENCE, &identifiers.concat()),
                format!("the purposes {}", purposes.join(", ")),
                Code::CertificatePurpose,
            )
            .usage(usage)
            .basic(&[], "no authority")
    }

    /// An authority below which paths have at most `path_length` further authorities.
    pub(crate) fn authority(certificate: &'a Certificate, path_length: u8) -> Self {
        let fields = [
            der::element(der::BOOLEAN, &[0xff]),
            der::element(der::INTEGER, &[path_length]),
        ];
        Self::new(certificate)
            .basic(
                &fields.concat(),
                &format!("an authority with path length {path_length}"),
            )
            .usage(KeyUsage::KEY_CERT_SIGN)
    }

    fn new(certificate: &'a Certificate) -> Self {
        let identifier = key_identifier(certificate);
        let value = der::element(der::OCTET_STRING, &identifier);
        Self {
            certificate,
            identifier,
            subject: Certificate::EMPTY_NAME.to_vec(),
            wanted: Vec::new(),
        }
        .with(
            SUBJECT_KEY_IDENTIFIER,
            false,
            value,
            "the identifier of its key".to_owned(),
            Code::CertificateProfile,
        )
    }

    /// The first 160 bits of SHA-256 over its key.
    pub(crate) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// Its only common name; without this its subject is empty.
    pub(crate) fn named(mut self, common_name: &str) -> Self {
        let attribute = der::sequence(&[
            &der::object_identifier(COMMON_NAME),
            &der::element(der::UTF8_STRING, common_name.as_bytes()),
        ]);
        self.subject = der::sequence(&[&der::element(der::SET, &attribute)]);
        self
    }

    /// Issued by another certificate than itself.
    pub(crate) fn issued_by(self, issuer: &Certificate) -> Self {
        let identifier = der::element(der::context(0), &key_identifier(issuer));
        self.with(
            AUTHORITY_KEY_IDENTIFIER,
            false,
            der::sequence(&[&identifier]),
            "the identifier of its issuer's key".to_owned(),
            Code::CertificateProfile,
        )
    }

    /// The policies under which it was issued, with the mark of a test installation in one.
    pub(crate) fn policies(self, installation: Installation, policies: &[&str]) -> Self {
        let mut policies = policies.to_vec();
        match installation {
            Installation::Production => {}
            Installation::Test => policies.push(oid::POLICY_TEST),
        }
        if policies.is_empty() {
            return self;
        }
        let values: Vec<Vec<u8>> = policies
            .iter()
            .map(|policy| der::sequence(&[&der::object_identifier(policy)]))
            .collect();
        self.with(
            CERTIFICATE_POLICIES,
            false,
            der::element(der::SEQUENCE, &values.concat()),
            format!("the policies {}", policies.join(", ")),
            Code::CertificateProfile,
        )
    }

    /// Its only DNS name, and the laptop's permanentIdentifier (RFC 4043 §2) where it has one.
    pub(crate) fn dns_name(self, name: &str, permanent: Option<DeviceId>) -> Self {
        let mut names = vec![der::element(der::context(2), name.as_bytes())];
        if let Some(device) = permanent {
            let value = der::sequence(&[&der::element(
                der::UTF8_STRING,
                device.to_string().as_bytes(),
            )]);
            let other = [
                der::object_identifier(oid::NAME_PERMANENT_IDENTIFIER),
                der::element(der::context_constructed(0), &value),
            ];
            names.push(der::element(der::context_constructed(0), &other.concat()));
        }
        // RFC 5280 §4.2.1.6: critical if there is no subject.
        let critical = self.subject == Certificate::EMPTY_NAME;
        self.with(
            SUBJECT_ALTERNATIVE_NAME,
            critical,
            der::element(der::SEQUENCE, &names.concat()),
            format!("the name {name}"),
            Code::CertificateName,
        )
    }

    /// May name things in one DNS subtree only, and no IP address (RFC 5280 §4.2.1.10).
    pub(crate) fn constrained_to(self, subtree: &Subtree) -> Self {
        let tree = |tag: u8, base: &[u8]| der::sequence(&[&der::element(tag, base)]);
        let permitted = tree(der::context(2), subtree.as_str().as_bytes());
        let excluded = [
            tree(der::context(7), &[0; 8]),
            tree(der::context(7), &[0; 32]),
        ];
        let value = der::sequence(&[
            &der::element(der::context_constructed(0), &permitted),
            &der::element(der::context_constructed(1), &excluded.concat()),
        ]);
        self.with(
            NAME_CONSTRAINTS,
            true,
            value,
            format!("names in {subtree} only"),
            Code::CertificateName,
        )
    }

    /// An extension of ours with a text.
    pub(crate) fn text(self, oid: &'static str, text: &str) -> Self {
        self.with(
            oid,
            false,
            der::element(der::UTF8_STRING, text.as_bytes()),
            format!("the text {text}"),
            Code::CertificateProfile,
        )
    }

    fn usage(self, usage: KeyUsage) -> Self {
        let [high, _] = usage.bits().to_be_bytes();
        let unused = u8::try_from(high.trailing_zeros()).unwrap_or(0);
        self.with(
            KEY_USAGE,
            true,
            der::element(der::BIT_STRING, &[unused, high]),
            format!("the key usage {high:#04x}"),
            Code::CertificatePurpose,
        )
    }

    fn basic(self, fields: &[u8], says: &str) -> Self {
        self.with(
            BASIC_CONSTRAINTS,
            true,
            der::element(der::SEQUENCE, fields),
            says.to_owned(),
            Code::CertificateProfile,
        )
    }

    fn with(
        mut self,
        oid: &'static str,
        critical: bool,
        value: Vec<u8>,
        says: String,
        code: Code,
    ) -> Self {
        self.wanted.push(Wanted {
            oid,
            critical,
            value,
            says,
            code,
        });
        self
    }

    /// Compares the purposes alone: a certificate for something else is told as that, before
    /// anything is missed in it.
    ///
    /// # Errors
    ///
    /// `CERTIFICATE_PURPOSE`.
    pub(crate) fn verify_purpose(&self) -> Result<(), Refusal> {
        self.wanted
            .iter()
            .filter(|wanted| wanted.oid == EXTENDED_KEY_USAGE)
            .try_for_each(|wanted| verify_extension(self.certificate, wanted))
    }

    /// Compares everything.
    ///
    /// # Errors
    ///
    /// `CERTIFICATE_PURPOSE` for the key usages, `CERTIFICATE_NAME` for names and constraints,
    /// `CERTIFICATE_PROFILE` for everything else.
    pub(crate) fn verify(self) -> Result<(), Refusal> {
        let certificate = self.certificate;
        self.verify_purpose()?;
        for wanted in &self.wanted {
            verify_extension(certificate, wanted)?;
        }
        if let Some(stray) = certificate
            .extensions()
            .iter()
            .find(|extension| self.wanted.iter().all(|w| w.oid != extension.oid()))
        {
            let critical = if stray.is_critical() { "critical " } else { "" };
            return Err(Refusal::new(
                Code::CertificateProfile,
                format!("{critical}extension {}", stray.oid()),
                "the extensions of the profile and no others",
            ));
        }
        if certificate.subject() != self.subject {
            return Err(Refusal::new(
                Code::CertificateProfile,
                format!("the subject {}", hex(certificate.subject())),
                format!("the subject {}", hex(&self.subject)),
            ));
        }
        if certificate.version() != 3 {
            return Err(Refusal::new(
                Code::CertificateProfile,
                format!("version {}", certificate.version()),
                "version 3",
            ));
        }
        verify_serial(certificate.serial())
    }
}

fn verify_extension(certificate: &Certificate, wanted: &Wanted) -> Result<(), Refusal> {
    let Some(extension) = certificate.find_extension(wanted.oid) else {
        return Err(Refusal::new(
            wanted.code,
            format!("no extension {}", wanted.oid),
            &wanted.says,
        ));
    };
    if extension.value() != wanted.value {
        return Err(Refusal::new(
            wanted.code,
            format!(
                "extension {}: {}",
                wanted.oid,
                says(certificate, wanted.oid)
            ),
            &wanted.says,
        ));
    }
    if extension.is_critical() != wanted.critical {
        let word = |critical: bool| if critical { "critical" } else { "not critical" };
        return Err(Refusal::new(
            Code::CertificateProfile,
            format!("extension {} {}", wanted.oid, word(extension.is_critical())),
            word(wanted.critical),
        ));
    }
    Ok(())
}

/// What an extension says, in words where there are any.
fn says(certificate: &Certificate, oid: &str) -> String {
    let words = match oid {
        EXTENDED_KEY_USAGE => certificate.extended_key_usages().ok().flatten(),
        CERTIFICATE_POLICIES => certificate.policies().ok().flatten(),
        SUBJECT_ALTERNATIVE_NAME => certificate.dns_names().ok(),
        _ => None,
    };
    words.map_or_else(
        || {
            certificate
                .find_extension(oid)
                .map_or_else(String::new, |extension| hex(extension.value()))
        },
        |words| words.join(", "),
    )
}

/// RFC 5280 §4.1.2.2: positive, at most 20 octets; ours have 64 random bits or more.
fn verify_serial(serial: &[u8]) -> Result<(), Refusal> {
    let positive = serial.first().is_some_and(|first| first & 0x80 == 0);
    if positive && (8..=20).contains(&serial.len()) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::CertificateProfile,
        format!("the serial number {}", hex(serial)),
        "a positive number of 8 to 20 octets",
    ))
}

fn hex(bytes: &[u8]) -> String {
    // More would be cut from the refusal anyway.
    bytes.iter().take(64).fold(String::new(), |mut text, byte| {
        text.extend(
            [byte >> 4, byte & 0x0f]
                .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('?')),
        );
        text
    })
}

/// The key identifier of a key: the first 160 bits of SHA-256 over the contents of its BIT STRING
/// (RFC 7093 §2, method 1).
fn key_identifier(certificate: &Certificate) -> Vec<u8> {
    let point: &[u8] = match certificate.key() {
        SubjectKey::P256(key) => key.point(),
        SubjectKey::P384(point) | SubjectKey::P521(point) => point,
        SubjectKey::Rsa(_) | SubjectKey::Other { .. } => &[],
    };
    let digest = Sha256::of(point);
    digest.as_bytes().iter().copied().take(20).collect()
}
