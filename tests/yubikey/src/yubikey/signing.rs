//! The use of a private key: policies first, then the applet.

use super::{YubiKey, touched};
use crate::apdu::Status;
use crate::memory::{PinPolicy, TouchPolicy};
use crate::tlv;

/// The slot whose key the applet uses only just after VERIFY.
const SIGNATURE_SLOT: u8 = 0x9c;

impl YubiKey<'_, '_> {
    /// GENERAL AUTHENTICATE with a key pair (SP 800-73-4 part 2 §3.2.4).
    ///
    /// A missing PIN and a missing touch are both 6982, as on a YubiKey.
    pub(super) fn sign(
        &mut self,
        algorithm: u8,
        slot: u8,
        data: &[u8],
        pin_fresh: bool,
    ) -> Result<Vec<u8>, Status> {
        let key = self
            .card
            .memory
            .keys
            .get(&slot)
            .ok_or(Status::REFERENCE_NOT_FOUND)?;
        if algorithm != key.algorithm {
            return Err(Status::INCORRECT_DATA);
        }
        let (home, policies) = (key.home, key.policies);
        let pin_was_given = match policies.pin {
            PinPolicy::Never => true,
            PinPolicy::Once => self.session.pin_verified,
            PinPolicy::Always => pin_fresh,
        };
        if !pin_was_given {
            return Err(Status::SECURITY_STATUS_NOT_SATISFIED);
        }
        match policies.touch {
            TouchPolicy::Never => {}
            TouchPolicy::Always => touched(self.touch.demand())?,
            TouchPolicy::Cached => touched(self.touch.demand_unless_cached())?,
        }
        let weaker_than_applet = match policies.pin {
            PinPolicy::Never => true,
            PinPolicy::Once => home == SIGNATURE_SLOT,
            PinPolicy::Always => false,
        };
        if weaker_than_applet {
            self.demand(0x20, 0x00, 0x80, &self.card.memory.codes.pin.clone())?;
        }
        let answer = self.demand(0x87, algorithm, home, &padded(algorithm, data));
        if !self.session.pin_verified {
            self.log_out();
        }
        answer
    }
}

/// The template with a digest shorter than the curve padded on the left, as a YubiKey takes it
/// and the applet does not.
fn padded(algorithm: u8, data: &[u8]) -> Vec<u8> {
    let size = if algorithm == 0x14 { 48 } else { 32 };
    let digest = tlv::find(data, 0x7c).and_then(|template| tlv::find(template, 0x81));
    match digest {
        Some(digest) if digest.len() < size => {
            let zeros = vec![0; size.saturating_sub(digest.len())];
            let digest = [zeros.as_slice(), digest].concat();
            tlv::element(
                0x7c,
                &[tlv::element(0x82, &[]), tlv::element(0x81, &digest)].concat(),
            )
        }
        _ => data.to_vec(),
    }
}
