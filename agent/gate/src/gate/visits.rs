//! Trusting, opening and renewing.

use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::{Code, Refusal};

use super::{Gate, Ruled, closed, nobody_trusted, not_enrolled};
use crate::causes::on_one_line;
use crate::chip::Chip;
use crate::clock::Clock;
use crate::folder::Folder;
use crate::picture::Picture;
use crate::protocol::{Answer, FromGate};
use crate::root_pin;
use crate::trust::Trust;

impl<F: Folder, K: Chip, P: Picture, C: Clock> Gate<F, K, P, C> {
    pub(super) fn trust(&mut self, package: &BundlePackage, keys: &ServiceKeys) -> Ruled<Answer> {
        let pin = match root_pin::load(&self.files.root_sha256, self.files.writers) {
            Ok(pin) => pin,
            Err(error) => {
                return Ok(Err(Refusal::new(
                    Code::RootNotPinned,
                    on_one_line(&error),
                    "the root's hash in a file that the agent cannot write",
                )));
            }
        };
        let trust = match Trust::verify(package, keys, &pin, self.newest.as_ref()) {
            Ok(trust) => trust,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let newest = trust.note();
        if self.newest != Some(newest) {
            // A bundle is used only once no restart can bring an older one back.
            self.write_bundle(newest)?;
        }
        self.trust = Some(trust);
        Ok(Ok(Answer::Trusted {
            version: newest.version,
        }))
    }

    pub(super) fn open(
        &mut self,
        lease: &Jws<Lease>,
        activation: &Jws<Activation>,
        certificate: &Bytes,
        said: &mut Vec<FromGate>,
    ) -> Ruled<Answer> {
        let identity = match self.read_identity() {
            Ok(identity) => identity,
            Err(error) if error.is_missing() => return Ok(Err(not_enrolled())),
            Err(error) => return Err(error.into()),
        };
        self.settle(&identity);
        if let Err(refusal) = self.machine.latch().permits_opening() {
            return Ok(Err(refusal));
        }
        let Some(trust) = &self.trust else {
            return Ok(Err(nobody_trusted()));
        };
        let opening = match trust.verify_opening(lease, activation, certificate, &identity) {
            Ok(opening) => opening,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let deeds = match self.machine.open(opening, self.clock.read()) {
            Ok(deeds) => deeds,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.perform(&deeds, said)?;
        Ok(self.told_of_visit().map(Answer::Opened))
    }

    pub(super) fn renew(&mut self, lease: &Jws<Lease>, said: &mut Vec<FromGate>) -> Ruled<Answer> {
        let Some(identity) = self.known_identity() else {
            return Ok(Err(not_enrolled()));
        };
        let Some(trust) = &self.trust else {
            return Ok(Err(nobody_trusted()));
        };
        let Some(visit) = self.machine.visit() else {
            return Ok(Err(closed()));
        };
        let renewed = match trust.verify_renewal(lease, visit.opening(), &identity) {
            Ok(renewed) => renewed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let deeds = match self.machine.renew(&renewed, self.clock.read()) {
            Ok(deeds) => deeds,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.perform(&deeds, said)?;
        Ok(self.told_of_visit().map(Answer::Renewed))
    }
}
