//! People whose certificates were verified already, for challenges, activations and registrations.
//!
//! A member of staff's certificate is verified when it is first seen; while it is remembered, only
//! its time is looked at again. What else the verdict depends on is the certificate, byte for byte,
//! which is the name that it is kept under, and the bundle, which it is kept with: whoever takes up
//! another bundle begins with nobody. Whether a key may still be used is no matter of its
//! certificate: that is read from its row, each time.

use std::sync::{Arc, Mutex, PoisonError};

use hashlink::LruCache;
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::person::VerifiedPerson;

/// How many people are remembered; whoever was seen longest ago is forgotten first. A few hundred
/// bytes each.
const REMEMBERED: usize = 10_000;

/// The verified certificates under one bundle.
#[derive(Debug)]
pub(crate) struct People {
    bundle: Arc<VerifiedBundle>,
    seen: Mutex<LruCache<Sha256, VerifiedPerson>>,
}

impl People {
    /// Nobody yet.
    pub(crate) fn under(bundle: Arc<VerifiedBundle>) -> Self {
        let seen = Mutex::new(LruCache::new(REMEMBERED));
        Self { bundle, seen }
    }

    /// The person whom `certificate` (DER) certifies at `now`; nobody who is refused is remembered.
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedPerson::verify`].
    pub(crate) fn verify(
        &self,
        certificate: &[u8],
        now: Timestamp,
    ) -> Result<VerifiedPerson, Refusal> {
        let name = Sha256::of(certificate);
        if let Some(person) = self.find(&name) {
            person.verify_time(now)?;
            return Ok(person);
        }
        let person = VerifiedPerson::verify(certificate, &self.bundle, now)?;
        self.remember(name, person.clone());
        Ok(person)
    }

    fn find(&self, name: &Sha256) -> Option<VerifiedPerson> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name).cloned()
    }

    fn remember(&self, name: Sha256, person: VerifiedPerson) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(name, person);
    }
}

#[cfg(test)]
mod tests {
    use wardkey_fleet::{Installation, Seed, now};
    use wardkey_schemas::Code;
    use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
    use wardkey_schemas::bytes::Bytes;
    use wardkey_schemas::ids::PersonId;
    use wardkey_schemas::role::Role;

    use super::*;

    const DAY: i64 = 24 * 3600;

    /// A service with one site; another seed, other keys.
    fn found(seed: Seed) -> (Installation, BundlePackage) {
        let mut installation = Installation::found(seed, &["hmp-x"]);
        installation.certify_service_key(seed.key("service authority").public());
        let package = installation.publish();
        (installation, package)
    }

    fn people(installation: &Installation, package: &BundlePackage) -> People {
        let bundle =
            VerifiedBundle::verify(package, &installation.pin(), BundleVersion::new(0), now());
        People::under(Arc::new(bundle.unwrap()))
    }

    fn certify(installation: &Installation, name: &'static str) -> Bytes {
        let seed = Seed::new(16);
        let id = PersonId::from_random(seed.id(name));
        let site = installation.site(&"hmp-x".parse().unwrap());
        let key = seed.key(name);
        site.certify_person(id, Role::Staff, key.public(), now())
            .certificate
    }

    fn nurse() -> (People, Bytes) {
        let (installation, package) = found(Seed::new(16));
        let certificate = certify(&installation, "nurse");
        (people(&installation, &package), certificate)
    }

    #[test]
    fn a_person_who_was_seen_is_not_verified_again() {
        let (installation, package) = found(Seed::new(16));
        let people = people(&installation, &package);
        let [nurse, other] = ["nurse", "other"].map(|name| certify(&installation, name));
        let first = people.verify(nurse.as_slice(), now()).unwrap();
        assert_eq!(people.verify(nurse.as_slice(), now()), Ok(first.clone()));
        // What is kept under the name of the certificate is what is answered.
        let kept = people.verify(other.as_slice(), now()).unwrap();
        people.remember(nurse.sha256(), kept.clone());
        assert_eq!(people.verify(nurse.as_slice(), now()), Ok(kept.clone()));
        assert_ne!(kept, first);
    }

    #[test]
    fn a_person_who_was_seen_is_refused_outside_the_time_of_their_certificate() {
        let (people, certificate) = nurse();
        people.verify(certificate.as_slice(), now()).unwrap();
        for (days, code) in [(-2, Code::CertificateNotYet), (366, Code::KeyExpired)] {
            let then = Timestamp::from_seconds(now().seconds() + days * DAY).unwrap();
            let refusal = people.verify(certificate.as_slice(), then);
            assert_eq!(refusal.unwrap_err().code(), code);
        }
        // A clock that was wrong for a while has cost nobody anything.
        people.verify(certificate.as_slice(), now()).unwrap();
    }

    #[test]
    fn a_certificate_that_differs_by_one_bit_is_judged_anew_and_not_remembered() {
        let (people, certificate) = nurse();
        people.verify(certificate.as_slice(), now()).unwrap();
        let mut other = certificate.into_vec();
        *other.last_mut().unwrap() ^= 1;
        let refusal = people.verify(&other, now()).unwrap_err();
        assert_eq!(refusal.code(), Code::CertificateSignature);
        assert!(people.find(&Sha256::of(&other)).is_none());
    }

    #[test]
    fn a_person_who_was_seen_under_one_bundle_is_nobody_under_another() {
        let (before, certificate) = nurse();
        before.verify(certificate.as_slice(), now()).unwrap();
        let (installation, package) = found(Seed::new(17));
        let after = people(&installation, &package);
        let refusal = after.verify(certificate.as_slice(), now()).unwrap_err();
        assert_eq!(refusal.code(), Code::CertificateIssuer);
    }

    #[test]
    fn whoever_was_seen_longest_ago_is_forgotten_first() {
        let (people, certificate) = nurse();
        let person = people.verify(certificate.as_slice(), now()).unwrap();
        let name = |number: usize| Sha256::of(&number.to_be_bytes());
        for number in 1..REMEMBERED {
            people.remember(name(number), person.clone());
        }
        // The nurse came first, and is here again.
        assert!(people.find(&certificate.sha256()).is_some());
        people.remember(name(REMEMBERED), person);
        assert!(people.find(&certificate.sha256()).is_some());
        assert!(people.find(&name(1)).is_none());
        assert!(people.find(&name(2)).is_some());
    }
}
