//! The names in certificates of ours: what is written by who issues and read by who verifies.
//!
//! Each authority below the root may name things in one DNS subtree only: a site's authority in
//! `<site>.<realm>`, keyd's service authority in `keyd.<realm>`. No name resolves; they are
//! dNSNames because name constraints on dNSNames are enforced everywhere (RFC 5280 §4.2.1.10).

use std::fmt;

use crate::bundle::Function;
use crate::ids::{DeviceId, PersonId};
use crate::names::{Realm, SiteCode};

/// The label of keyd's subtree: no site may have it as its code.
pub const SERVICE_LABEL: &str = "keyd";

/// A DNS subtree in which one authority may name things.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Subtree(String);

impl Subtree {
    /// The subtree of a site; `None` for the one code that no site may have.
    pub fn of_site(site: &SiteCode, realm: &Realm) -> Option<Self> {
        (site.as_str() != SERVICE_LABEL).then(|| Self(format!("{site}.{realm}")))
    }

    /// The subtree of keyd's service authority.
    pub fn of_service(realm: &Realm) -> Self {
        Self(format!("{SERVICE_LABEL}.{realm}"))
    }

    /// The name at its top: the dNSName of the name constraint.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a laptop: `d-<32 hexadecimal digits>.dev.<site>.<realm>`.
    pub fn device_name(&self, device: DeviceId) -> String {
        format!("{}.dev.{self}", device_label(device))
    }

    /// The name of a person: `s-<32 hexadecimal digits>.staff.<site>.<realm>`.
    pub fn person_name(&self, person: PersonId) -> String {
        format!("{}.staff.{self}", person_label(person))
    }

    /// The name of one of keyd's keys: `<function>.keyd.<realm>`.
    pub fn function_name(&self, function: Function) -> String {
        format!("{}.{self}", function.as_str())
    }

    /// The laptop with this name, if it is a laptop's name in this subtree.
    pub fn find_device(&self, name: &str) -> Option<DeviceId> {
        let device = DeviceId::from_bytes(number(name.strip_prefix("d-")?)?);
        (self.device_name(device) == name).then_some(device)
    }

    /// The person with this name, if it is a person's name in this subtree.
    pub fn find_person(&self, name: &str) -> Option<PersonId> {
        let person = PersonId::from_bytes(number(name.strip_prefix("s-")?)?);
        (self.person_name(person) == name).then_some(person)
    }

    /// Whether `name` is the top of the subtree or lies below it.
    pub fn contains(&self, name: &str) -> bool {
        name.strip_suffix(&self.0)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The common name of a laptop's certificate, and the first label of its DNS name.
pub fn device_label(device: DeviceId) -> String {
    format!("d-{}", hex::encode(device.as_bytes()))
}

/// The common name of a person's certificate, and the first label of their DNS name.
pub fn person_label(person: PersonId) -> String {
    format!("s-{}", hex::encode(person.as_bytes()))
}

/// The common name of an authority: what it is, for which site if it has one, and the first four
/// bytes of its key identifier, so that the authority of a new key has a new name.
pub fn authority_name(what: &str, key_identifier: &[u8]) -> String {
    let short: Vec<u8> = key_identifier.iter().copied().take(4).collect();
    format!("Wardkey {what} {}", hex::encode(short))
}

/// The 16 bytes that the first label of `rest` spells in lower-case hexadecimal.
fn number(rest: &str) -> Option<[u8; 16]> {
    let (digits, _) = rest.split_once('.')?;
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subtree() -> Subtree {
        let site = "hmp-x".parse().unwrap();
        Subtree::of_site(&site, &"wardkey.example".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_name_is_found_again() {
        let device = DeviceId::from_bytes([0xab; 16]);
        let name = subtree().device_name(device);
        assert_eq!(
            name,
            "d-abababababababababababababababab.dev.hmp-x.wardkey.example"
        );
        assert_eq!(subtree().find_device(&name), Some(device));
        let person = PersonId::from_bytes([1; 16]);
        let name = subtree().person_name(person);
        assert_eq!(subtree().find_person(&name), Some(person));
    }

    #[test]
    fn a_name_of_another_kind_place_or_spelling_is_not_found() {
        let good = "d-abababababababababababababababab.dev.hmp-x.wardkey.example";
        assert!(subtree().find_device(good).is_some());
        for wrong in [
            "d-ABababababababababababababababab.dev.hmp-x.wardkey.example",
            "d-abababababababababababababababab.dev.hmp-y.wardkey.example",
            "d-abababababababababababababababab.staff.hmp-x.wardkey.example",
            "d-abababababababababababababababab.dev.hmp-x.wardkey.example.",
            "d-ababababababababababababababab.dev.hmp-x.wardkey.example",
            "s-abababababababababababababababab.dev.hmp-x.wardkey.example",
            "abababababababababababababababab.dev.hmp-x.wardkey.example",
            "",
        ] {
            assert_eq!(subtree().find_device(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_subtree_ends_at_a_dot() {
        let subtree = subtree();
        assert!(subtree.contains("hmp-x.wardkey.example"));
        assert!(subtree.contains("ca.hmp-x.wardkey.example"));
        for wrong in [
            "evilhmp-x.wardkey.example",
            "wardkey.example",
            "hmp-x.wardkey.example.com",
            "",
        ] {
            assert!(!subtree.contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn no_site_may_have_the_name_of_the_service() {
        let realm = "wardkey.example".parse().unwrap();
        assert_eq!(Subtree::of_site(&"keyd".parse().unwrap(), &realm), None);
    }

    #[test]
    fn the_longest_authority_name_is_a_common_name() {
        let name = authority_name(&format!("site {}", "x".repeat(32)), &[0xff; 20]);
        // ub-common-name of RFC 5280 appendix A.
        assert!(name.len() <= 64, "{name}");
    }
}
