//! Extensions that the certificate library cannot express, byte by byte.

use rcgen::CustomExtension;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::oid;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

const SUBJECT_ALTERNATIVE_NAME: &[u64] = &[2, 5, 29, 17];
const CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];

fn write_oid(writer: DERWriter<'_>, text: &str) {
    writer.write_oid(&ObjectIdentifier::new(oid::arcs(text).unwrap_or_default()));
}

/// Certificate policies without qualifiers (RFC 5280 §4.2.1.4), not critical; `None` if there are
/// none, as the extension may not be empty.
pub(crate) fn policies(policies: &[&str]) -> Option<CustomExtension> {
    if policies.is_empty() {
        return None;
    }
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for policy in policies {
                writer
                    .next()
                    .write_sequence(|writer| write_oid(writer.next(), policy));
            }
        });
    });
    Some(CustomExtension::from_oid_content(
        CERTIFICATE_POLICIES,
        content,
    ))
}

/// An extension of ours that holds one `UTF8String`, not critical.
pub(crate) fn text(oid: &str, text: &str) -> CustomExtension {
    let content = yasna::construct_der(|writer| writer.write_utf8_string(text));
    CustomExtension::from_oid_content(&oid::arcs(oid).unwrap_or_default(), content)
}

/// Subject alternative names (RFC 5280 §4.2.1.6): dNSNames, then the laptop's permanentIdentifier
/// (RFC 4043 §2) where there is one.
pub(crate) fn alternative_names(
    names: &[String],
    permanent: Option<DeviceId>,
    critical: bool,
) -> CustomExtension {
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for name in names {
                writer
                    .next()
                    .write_tagged_implicit(Tag::context(2), |writer| writer.write_ia5_string(name));
            }
            if let Some(device) = permanent {
                writer
                    .next()
                    .write_tagged_implicit(Tag::context(0), |writer| {
                        write_permanent_identifier(writer, device);
                    });
            }
        });
    });
    let mut extension = CustomExtension::from_oid_content(SUBJECT_ALTERNATIVE_NAME, content);
    extension.set_criticality(critical);
    extension
}

/// `OtherName` with a `PermanentIdentifier` that has a value and no assigner.
fn write_permanent_identifier(writer: DERWriter<'_>, device: DeviceId) {
    writer.write_sequence(|writer| {
        write_oid(writer.next(), oid::NAME_PERMANENT_IDENTIFIER);
        writer.next().write_tagged(Tag::context(0), |writer| {
            writer.write_sequence(|writer| writer.next().write_utf8_string(&device.to_string()));
        });
    });
}
