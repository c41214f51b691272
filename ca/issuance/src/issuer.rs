//! The certificate of an authority, read for what issuing under it needs.

use wardkey_schemas::bundle::Profile as Installation;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::subject::{SERVICE_LABEL, Subtree};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{limits, oid};
use x509_parser::asn1_rs::Utf8String;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use crate::authority_key::AuthorityKey;
use crate::error::IssuerError;

/// Which authority it is, and what it may name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authority {
    /// The root.
    Root,
    /// The authority for keyd's own keys.
    Service {
        /// Where its names lie.
        subtree: Subtree,
    },
    /// The authority of a site.
    Site {
        /// The site.
        site: SiteCode,
        /// Where its names lie.
        subtree: Subtree,
    },
}

impl Authority {
    /// The kind, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Root => "the root",
            Self::Service { .. } => "a service authority",
            Self::Site { .. } => "a site authority",
        }
    }
}

/// An authority whose certificate was read.
///
/// Reading is not believing: that the certificate stands under the right root is for the verifier
/// to say.
#[derive(Clone, Debug)]
pub struct Issuer {
    authority: Authority,
    installation: Installation,
    name: String,
    raw_name: Vec<u8>,
    key: AuthorityKey,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Issuer {
    /// Reads the certificate (DER) of a root, a service authority or a site authority of ours.
    ///
    /// # Errors
    ///
    /// [`IssuerError`] for any other certificate.
    pub fn parse(der: &[u8]) -> Result<Self, IssuerError> {
        if der.len() > limits::CERTIFICATE_BYTES {
            return Err(IssuerError::Malformed);
        }
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| IssuerError::Malformed)?;
        if !rest.is_empty() {
            return Err(IssuerError::Malformed);
        }
        let basic = certificate
            .basic_constraints()
            .map_err(|_| IssuerError::Malformed)?;
        if !basic.is_some_and(|basic| basic.value.ca) {
            return Err(IssuerError::Profile("it may not issue certificates"));
        }
        let key = AuthorityKey::of(certificate.public_key())?;
        if find(&certificate, "2.5.29.14")
            != Some(&ParsedExtension::SubjectKeyIdentifier(
                x509_parser::extensions::KeyIdentifier(&key.key_identifier()),
            ))
        {
            return Err(IssuerError::Profile(
                "its key identifier is not that of its key",
            ));
        }
        Ok(Self {
            authority: authority(&certificate, &key)?,
            installation: installation(&certificate),
            name: common_name(&certificate)?,
            raw_name: certificate.subject().as_raw().to_vec(),
            key,
            not_before: time(certificate.validity().not_before.timestamp()),
            not_after: time(certificate.validity().not_after.timestamp()),
        })
    }

    /// Which authority it is.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What the installation is for: a test authority marks everything that it issues.
    pub const fn installation(&self) -> Installation {
        self.installation
    }

    /// The authority's key.
    pub const fn key(&self) -> &AuthorityKey {
        &self.key
    }

    /// The last second of its own time.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The first second of its own time.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Its common name, the only part of its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its name as DER: the issuer field of what it issues, byte for byte.
    pub(crate) fn raw_name(&self) -> &[u8] {
        &self.raw_name
    }
}

fn find<'a, 'b>(
    certificate: &'b X509Certificate<'a>,
    wanted: &str,
) -> Option<&'b ParsedExtension<'a>> {
    certificate
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == wanted)
        .map(x509_parser::extensions::X509Extension::parsed_extension)
}

/// Which authority a certificate is of: the root is self-issued on P-384; a site's authority names
/// its site; the service authority is constrained to keyd's own label.
fn authority(
    certificate: &X509Certificate<'_>,
    key: &AuthorityKey,
) -> Result<Authority, IssuerError> {
    let permitted = permitted_name(certificate)?;
    let site = site(certificate)?;
    match (key, site, permitted) {
        (AuthorityKey::P384(_), None, None)
            if certificate.subject().as_raw() == certificate.issuer().as_raw() =>
        {
            Ok(Authority::Root)
        }
        (AuthorityKey::P256(_), site, Some(permitted)) => below_root(site, permitted),
        _ => Err(IssuerError::Profile(
            "it is neither a root nor constrained to one subtree",
        )),
    }
}

fn below_root(site: Option<SiteCode>, permitted: &str) -> Result<Authority, IssuerError> {
    const WRONG: IssuerError = IssuerError::Profile("its site and its subtree do not fit");
    let (label, realm) = permitted.split_once('.').ok_or(WRONG)?;
    let realm: Realm = realm.parse().map_err(|_| WRONG)?;
    match site {
        None if label == SERVICE_LABEL => Ok(Authority::Service {
            subtree: Subtree::of_service(&realm),
        }),
        Some(site) if label == site.as_str() => {
            let subtree = Subtree::of_site(&site, &realm).ok_or(WRONG)?;
            Ok(Authority::Site { site, subtree })
        }
        None | Some(_) => Err(WRONG),
    }
}

/// The one dNSName that the name constraints permit.
fn permitted_name<'a>(
    certificate: &'a X509Certificate<'_>,
) -> Result<Option<&'a str>, IssuerError> {
    const WRONG: IssuerError = IssuerError::Profile("its name constraints are not of our profile");
    match find(certificate, "2.5.29.30") {
        None => Ok(None),
        Some(ParsedExtension::NameConstraints(constraints)) => {
            let Some([subtree]) = constraints.permitted_subtrees.as_deref() else {
                return Err(WRONG);
            };
            if let GeneralName::DNSName(name) = subtree.base {
                Ok(Some(name))
            } else {
                Err(WRONG)
            }
        }
        Some(_) => Err(WRONG),
    }
}

fn site(certificate: &X509Certificate<'_>) -> Result<Option<SiteCode>, IssuerError> {
    const WRONG: IssuerError = IssuerError::Profile("its site cannot be read");
    let Some(extension) = certificate
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == oid::EXT_SITE)
    else {
        return Ok(None);
    };
    let (rest, text) = Utf8String::from_der(extension.value).map_err(|_| WRONG)?;
    let site = text.string().parse().map_err(|_| WRONG)?;
    if rest.is_empty() {
        Ok(Some(site))
    } else {
        Err(WRONG)
    }
}

fn installation(certificate: &X509Certificate<'_>) -> Installation {
    let marked = match find(certificate, "2.5.29.32") {
        Some(ParsedExtension::CertificatePolicies(policies)) => policies
            .iter()
            .any(|policy| policy.policy_id.to_id_string() == oid::POLICY_TEST),
        _ => false,
    };
    if marked {
        Installation::Test
    } else {
        Installation::Production
    }
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<String, IssuerError> {
    const WRONG: IssuerError = IssuerError::Profile("its name is not one common name");
    let mut attributes = certificate.subject().iter_attributes();
    match (attributes.next(), attributes.next()) {
        (Some(only), None) if only.attr_type().to_id_string() == "2.5.4.3" => {
            only.as_str().map(str::to_owned).map_err(|_| WRONG)
        }
        _ => Err(WRONG),
    }
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds.max(0)).unwrap_or(Timestamp::MAX)
}
