//! People whose certificates were verified already.
//!
//! A member of staff's certificate is verified when their security key is first seen, and after
//! that only its time is looked at. What else the verdict depends on is the certificate, byte for
//! byte, and the bundle: the first is the name under which the verdict is kept, and with another
//! bundle all of them are forgotten, since they are kept beside it. Whether the key may still be used
//! is no matter of its certificate: that is read from its row, each time.

use std::sync::{Mutex, PoisonError};

use hashlink::LruCache;
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::person::VerifiedPerson;

/// How many people are remembered; whoever was seen longest ago is forgotten first. A few hundred
/// bytes each.
const REMEMBERED: usize = 10_000;

/// The verified certificates, all under one bundle.
#[derive(Debug)]
pub(crate) struct People(Mutex<LruCache<Sha256, VerifiedPerson>>);

impl People {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }

    /// The person whom `certificate` (DER) certifies at `now`; nobody who is refused is remembered.
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedPerson::verify`].
    pub(crate) fn verify(
        &self,
        certificate: &[u8],
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<VerifiedPerson, Refusal> {
        let name = Sha256::of(certificate);
        if let Some(person) = self.find(&name) {
            person.verify_time(now)?;
            return Ok(person);
        }
        let person = VerifiedPerson::verify(certificate, bundle, now)?;
        self.remember(name, person.clone());
        Ok(person)
    }

    fn find(&self, name: &Sha256) -> Option<VerifiedPerson> {
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        people.get(name).cloned()
    }

    fn remember(&self, name: Sha256, person: VerifiedPerson) {
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        people.insert(name, person);
    }
}

#[cfg(test)]
mod tests {
    use wardkey_fleet::{Installation, Seed, now};
    use wardkey_schemas::Code;
    use wardkey_schemas::bundle::BundleVersion;
    use wardkey_schemas::bytes::Bytes;
    use wardkey_schemas::ids::PersonId;
    use wardkey_schemas::role::Role;

    use super::*;

    const DAY: i64 = 24 * 3600;

    fn nurse() -> (VerifiedBundle, Bytes) {
        let seed = Seed::new(16);
        let mut installation = Installation::found(seed, &["hmp-x"]);
        installation.certify_service_key(seed.key("service authority").public());
        let package = installation.publish();
        let bundle =
            VerifiedBundle::verify(&package, &installation.pin(), BundleVersion::new(0), now());
        let id = PersonId::from_random(seed.id("nurse"));
        let site = installation.site(&"hmp-x".parse().unwrap());
        let key = seed.key("nurse");
        let certified = site.certify_person(id, Role::Staff, key.public(), now());
        (bundle.unwrap(), certified.certificate)
    }

    #[test]
    fn a_person_who_was_seen_is_the_person_who_was_verified() {
        let (bundle, certificate) = nurse();
        let people = People::new();
        let verified = VerifiedPerson::verify(certificate.as_slice(), &bundle, now()).unwrap();
        for _ in 0..2 {
            let person = people.verify(certificate.as_slice(), &bundle, now());
            assert_eq!(person.unwrap(), verified);
        }
        assert!(people.find(&certificate.sha256()).is_some());
    }

    #[test]
    fn a_person_who_was_seen_is_refused_outside_the_time_of_their_certificate() {
        let (bundle, certificate) = nurse();
        let people = People::new();
        people
            .verify(certificate.as_slice(), &bundle, now())
            .unwrap();
        for (days, code) in [(-2, Code::CertificateNotYet), (366, Code::KeyExpired)] {
            let then = Timestamp::from_seconds(now().seconds() + days * DAY).unwrap();
            let refusal = people.verify(certificate.as_slice(), &bundle, then);
            assert_eq!(refusal.unwrap_err().code(), code);
        }
        // A clock that was wrong for a while has cost nobody anything.
        people
            .verify(certificate.as_slice(), &bundle, now())
            .unwrap();
    }

    #[test]
    fn a_certificate_that_differs_by_one_bit_is_judged_anew_and_not_remembered() {
        let (bundle, certificate) = nurse();
        let people = People::new();
        people
            .verify(certificate.as_slice(), &bundle, now())
            .unwrap();
        let mut other = certificate.into_vec();
        *other.last_mut().unwrap() ^= 1;
        let refusal = people.verify(&other, &bundle, now()).unwrap_err();
        assert_eq!(refusal.code(), Code::CertificateSignature);
        assert!(people.find(&Sha256::of(&other)).is_none());
    }

    #[test]
    fn whoever_was_seen_longest_ago_is_forgotten_first() {
        let (bundle, certificate) = nurse();
        let people = People::new();
        let person = people
            .verify(certificate.as_slice(), &bundle, now())
            .unwrap();
        for number in 0..=REMEMBERED {
            people.remember(Sha256::of(&number.to_be_bytes()), person.clone());
        }
        assert!(people.find(&certificate.sha256()).is_none());
        assert_eq!(people.0.lock().unwrap().len(), REMEMBERED);
    }
}
