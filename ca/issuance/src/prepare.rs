//! From a profile to the bytes to be signed.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyIdMethod, KeyUsagePurpose, NameConstraints, SerialNumber,
};
use time::OffsetDateTime;
use wardkey_schemas::bundle::Profile as Installation;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::subject::{self, Subtree};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{limits, oid};
use x509_parser::certificate::TbsCertificate;
use x509_parser::prelude::FromDer as _;

use crate::authority_key::AuthorityKey;
use crate::error::IssuanceError;
use crate::extension;
use crate::issuer::{Authority, Issuer};
use crate::profile::{BACKDATED, Fields, Profile, ROOT_LIFETIME, Usage};
use crate::template;

/// DNS names that one TLS server may have.
const MOST_NAMES: usize = 8;

/// A certificate that passed its profile and is ready to be signed, once.
///
/// Not `Clone`: [`sign`](crate::sign) consumes it, so one preparation is one signature.
#[derive(Debug)]
pub struct Prepared {
    tbs: Vec<u8>,
    signer: AuthorityKey,
}

impl Prepared {
    /// The exact bytes that the signature will cover (`TBSCertificate`, RFC 5280 §4.1).
    pub fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// SHA-256 of those bytes: what is registered and journalled before anything is signed.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.tbs)
    }

    /// The key that must sign it.
    pub const fn signer(&self) -> &AuthorityKey {
        &self.signer
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, AuthorityKey) {
        (self.tbs, self.signer)
    }
}

/// Prepares the certificate of a root, which signs itself: P-384, one level of authorities below.
///
/// `serial` are 16 random bytes.
///
/// # Errors
///
/// [`IssuanceError::RootKey`] for a key on P-256, [`IssuanceError::Serial`] or
/// [`IssuanceError::Encoding`].
pub fn prepare_root(
    key: &AuthorityKey,
    installation: Installation,
    serial: [u8; 16],
    now: Timestamp,
) -> Result<Prepared, IssuanceError> {
    if !matches!(key, AuthorityKey::P384(_)) {
        return Err(IssuanceError::RootKey);
    }
    let name = subject::authority_name("root", &key.key_identifier());
    let subject = Subject {
        is_ca: IsCa::Ca(BasicConstraints::Constrained(1)),
        ..Subject::named(name.clone())
    };
    let fields = Fields {
        name: "a root",
        lifetime: ROOT_LIFETIME,
        usage: Usage::Certificates,
        purposes: &[],
        policies: &[],
    };
    let mut params = params(subject, &fields, installation, key, serial)?;
    (params.not_before, params.not_after) = validity(now, ROOT_LIFETIME, Timestamp::MAX)?;
    let tbs = template::certificate(&params, key, &name, key)?;
    Ok(Prepared {
        tbs,
        signer: key.clone(),
    })
}

/// Prepares a certificate of this profile for the key `subject`, to be signed by `issuer`.
///
/// `serial` are 16 random bytes. The certificate's time begins [`BACKDATED`] before `now` and ends
/// after the profile's lifetime or with the issuer's, whichever is sooner.
///
/// # Errors
///
/// [`IssuanceError`]: the authority does not issue this kind, its own time has not begun or is over,
/// a name lies outside its subtree, the key is its own, or the bytes are not random.
pub fn prepare(
    profile: &Profile,
    subject: &PublicKey,
    issuer: &Issuer,
    serial: [u8; 16],
    now: Timestamp,
) -> Result<Prepared, IssuanceError> {
    let key = AuthorityKey::P256(*subject);
    if key == *issuer.key() {
        return Err(IssuanceError::SameKey);
    }
    if now < issuer.not_before() || issuer.not_after() <= now {
        return Err(IssuanceError::IssuerNotInTime {
            from: issuer.not_before(),
            to: issuer.not_after(),
            now,
        });
    }
    let fields = profile.fields();
    let subject = describe(profile, &key, issuer)?;
    let mut params = params(subject, &fields, issuer.installation(), &key, serial)?;
    (params.not_before, params.not_after) = validity(now, fields.lifetime, issuer.not_after())?;
    params.use_authority_key_identifier_extension = true;
    let tbs = template::certificate(&params, &key, issuer.name(), issuer.key())?;
    // The library writes the issuer's name anew; a path holds only if it is the same bytes.
    let written = TbsCertificate::from_der(&tbs);
    if !written.is_ok_and(|(_, tbs)| tbs.issuer().as_raw() == issuer.raw_name()) {
        return Err(IssuanceError::Encoding(
            "the issuer's name would not be that of its certificate".to_owned(),
        ));
    }
    Ok(Prepared {
        tbs,
        signer: issuer.key().clone(),
    })
}

/// What is special to one certificate.
struct Subject {
    common_name: Option<String>,
    names: Vec<String>,
    permanent: Option<DeviceId>,
    is_ca: IsCa,
    subtree: Option<Subtree>,
    own: Vec<CustomExtension>,
}

impl Subject {
    /// An end entity with a common name and nothing else.
    const fn named(common_name: String) -> Self {
        Self {
            common_name: Some(common_name),
            names: Vec::new(),
            permanent: None,
            is_ca: IsCa::ExplicitNoCa,
            subtree: None,
            own: Vec::new(),
        }
    }

    /// An authority that may name things in `subtree` only, with end entities right below it.
    fn authority(what: &str, key: &AuthorityKey, subtree: Subtree) -> Self {
        Self {
            is_ca: IsCa::Ca(BasicConstraints::Constrained(0)),
            subtree: Some(subtree),
            ..Self::named(subject::authority_name(what, &key.key_identifier()))
        }
    }
}

/// The table of who issues what, and under which name.
fn describe(
    profile: &Profile,
    key: &AuthorityKey,
    issuer: &Issuer,
) -> Result<Subject, IssuanceError> {
    let site_extension = |site: &SiteCode| extension::text(oid::EXT_SITE, site.as_str());
    match (profile, issuer.authority()) {
        (Profile::BundleSigner, Authority::Root) => {
            let name = subject::authority_name("bundle signer", &key.key_identifier());
            Ok(Subject::named(name))
        }
        (Profile::ServiceAuthority { realm }, Authority::Root) => Ok(Subject::authority(
            "service",
            key,
            Subtree::of_service(realm),
        )),
        (Profile::SiteAuthority { site, realm }, Authority::Root) => {
            let subtree = Subtree::of_site(site, realm).ok_or_else(|| IssuanceError::Name {
                name: site.to_string(),
            })?;
            Ok(Subject {
                own: vec![site_extension(site)],
                ..Subject::authority(&format!("site {site}"), key, subtree)
            })
        }
        (Profile::ServiceKey { function }, Authority::Service { subtree }) => Ok(Subject {
            names: vec![subtree.function_name(*function)],
            ..Subject::named(function.as_str().to_owned())
        }),
        (Profile::TlsServer { names }, Authority::Service { subtree }) => {
            tls_server(names, subtree, Vec::new())
        }
        (Profile::TlsServer { names }, Authority::Site { site, subtree }) => {
            tls_server(names, subtree, vec![site_extension(site)])
        }
        (Profile::Device { device }, Authority::Site { site, subtree }) => Ok(Subject {
            names: vec![subtree.device_name(*device)],
            permanent: Some(*device),
            own: vec![site_extension(site)],
            ..Subject::named(subject::device_label(*device))
        }),
        // Without a subject, with critical names: WebAuthn's rule for attestation keys (§8.3.1).
        (Profile::AttestationKey { device }, Authority::Site { site, subtree }) => Ok(Subject {
            common_name: None,
            names: vec![subtree.device_name(*device)],
            permanent: Some(*device),
            own: vec![site_extension(site)],
            ..Subject::named(String::new())
        }),
        (Profile::PersonSigning { person, role }, Authority::Site { site, subtree }) => {
            Ok(Subject {
                names: vec![subtree.person_name(*person)],
                own: vec![
                    site_extension(site),
                    extension::text(oid::EXT_ROLE, role.as_str()),
                ],
                ..Subject::named(subject::person_label(*person))
            })
        }
        (Profile::PersonAuthentication { person }, Authority::Site { site, subtree }) => {
            Ok(Subject {
                names: vec![subtree.person_name(*person)],
                own: vec![site_extension(site)],
                ..Subject::named(subject::person_label(*person))
            })
        }
        (
            Profile::BundleSigner
            | Profile::ServiceAuthority { .. }
            | Profile::SiteAuthority { .. }
            | Profile::ServiceKey { .. }
            | Profile::TlsServer { .. }
            | Profile::Device { .. }
            | Profile::AttestationKey { .. }
            | Profile::PersonSigning { .. }
            | Profile::PersonAuthentication { .. },
            authority,
        ) => Err(IssuanceError::WrongIssuer {
            profile: profile.name(),
            issuer: authority.name(),
        }),
    }
}

fn tls_server(
    names: &[String],
    subtree: &Subtree,
    own: Vec<CustomExtension>,
) -> Result<Subject, IssuanceError> {
    let wrong = |name: &str| IssuanceError::Name {
        name: name.chars().take(limits::NAME_CHARS).collect(),
    };
    let first = names.first().ok_or_else(|| wrong(""))?;
    for name in names {
        // A realm follows the rule of DNS names in lower case.
        let is_dns_name = name.len() <= 253 && name.split('.').all(is_label);
        if !is_dns_name || !subtree.contains(name) {
            return Err(wrong(name));
        }
    }
    if names.len() > MOST_NAMES {
        return Err(wrong(&format!("{} names", names.len())));
    }
    Ok(Subject {
        names: names.to_vec(),
        own,
        // A common name has at most 64 characters (RFC 5280 appendix A); the first label always fits.
        ..Subject::named(first.split('.').take(1).collect())
    })
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The fields of a certificate, without its times.
fn params(
    subject: Subject,
    fields: &Fields,
    installation: Installation,
    key: &AuthorityKey,
    serial: [u8; 16],
) -> Result<CertificateParams, IssuanceError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial_number(serial)?);
    params.distinguished_name = template::name(subject.common_name.as_deref());
    params.is_ca = subject.is_ca;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.key_identifier());
    params.key_usages = match fields.usage {
        Usage::Certificates => vec![KeyUsagePurpose::KeyCertSign],
        Usage::Messages => vec![KeyUsagePurpose::DigitalSignature],
        Usage::Commitments => vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::ContentCommitment,
        ],
    };
    params.extended_key_usages = fields
        .purposes
        .iter()
        .map(|purpose| ExtendedKeyUsagePurpose::Other(oid::arcs(purpose).unwrap_or_default()))
        .collect();
    params.name_constraints = subject.subtree.map(|subtree| constraints(&subtree));
    if !subject.names.is_empty() {
        // RFC 5280 §4.2.1.6: critical if there is no subject.
        params.custom_extensions.push(extension::alternative_names(
            &subject.names,
            subject.permanent,
            subject.common_name.is_none(),
        ));
    }
    let mut policies = fields.policies.to_vec();
    match installation {
        Installation::Production => {}
        Installation::Test => policies.push(oid::POLICY_TEST),
    }
    params
        .custom_extensions
        .extend(extension::policies(&policies));
    params.custom_extensions.extend(subject.own);
    Ok(params)
}

/// One DNS subtree, and no IP address at all: a constraint says nothing of kinds of names that it
/// does not mention (RFC 5280 §4.2.1.10).
fn constraints(subtree: &Subtree) -> NameConstraints {
    NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(subtree.as_str().to_owned())],
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    }
}

/// 16 octets, positive and of full length, so that 126 random bits are left of 128
/// (RFC 5280 §4.1.2.2 wants a positive number of at most 20 octets).
fn serial_number(mut random: [u8; 16]) -> Result<SerialNumber, IssuanceError> {
    let [first, rest @ ..] = &mut random;
    if rest.iter().all(|octet| octet == first) {
        return Err(IssuanceError::Serial);
    }
    *first = (*first & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&random))
}

/// From when to when, in the library's dates.
fn validity(
    now: Timestamp,
    lifetime: Seconds,
    latest: Timestamp,
) -> Result<(OffsetDateTime, OffsetDateTime), IssuanceError> {
    let date = |time: Timestamp| {
        OffsetDateTime::from_unix_timestamp(time.seconds())
            .map_err(|error| IssuanceError::Encoding(error.to_string()))
    };
    Ok((
        date(now.minus(BACKDATED))?,
        date(now.plus(lifetime).min(latest))?,
    ))
}
