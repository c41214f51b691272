//! Whether a laptop or a key may be used now: its state, and the holds on it.
//!
//! One reading of the rules for the challenge, the activation, the renewal and the poll.

use wardkey_schemas::order::{Hold, HoldClass, Mode};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::store::devices::Device;
use crate::store::keys::StaffKey;
use crate::store::reach::{Above, Held};

/// What it is to be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum For {
    /// A new visit: every hold stands in the way.
    Starting,
    /// A running visit: a hold that waits for its end does not.
    GoingOn,
}

impl For {
    fn stands_in_the_way(self, hold: &Hold) -> bool {
        match self {
            Self::Starting => true,
            Self::GoingOn => hold.mode == Mode::Immediate,
        }
    }

    const fn is_kept_by(self, held: Held) -> bool {
        match self {
            Self::Starting => !held.is_free(),
            Self::GoingOn => held.holds > 0,
        }
    }
}

/// Refuses a laptop that may not be used.
///
/// # Errors
///
/// `DEVICE_REVOKED`, `DEVICE_LOST`, `DEVICE_SUSPENDED`, `NATION_SUSPENDED`, `SITE_SUSPENDED`,
/// `DEVICE_QUARANTINED`, `DEVICE_PENDING`.
pub fn require_device(device: &Device, holds: &[Hold], use_for: For) -> Result<(), Refusal> {
    require_laptop(device.state, holds, use_for)?;
    require_site(device.site_held, device.nation_held, use_for)
}

/// The same by its state alone.
///
/// # Errors
///
/// Those of [`require_device`].
pub fn require_laptop(state: ObjectState, holds: &[Hold], use_for: For) -> Result<(), Refusal> {
    let wanted = "an active laptop that nobody has stopped";
    let refuse = |code, found: String| Err(Refusal::new(code, found, wanted));
    if state == ObjectState::Revoked {
        return refuse(Code::DeviceRevoked, state.to_string());
    }
    // The laptop's own holds first: *lost* says more than that its site was stopped.
    if let Some(held) = Holding::by(holds, use_for) {
        let code = if held.lost {
            Code::DeviceLost
        } else {
            Code::DeviceSuspended
        };
        return refuse(code, held.classes);
    }
    match state {
        ObjectState::Active => Ok(()),
        ObjectState::Announced | ObjectState::Pending => {
            refuse(Code::DevicePending, state.to_string())
        }
        ObjectState::Quarantine => refuse(Code::DeviceQuarantined, state.to_string()),
        ObjectState::Revoked => refuse(Code::DeviceRevoked, state.to_string()),
    }
}

/// Refuses a key that may not be used.
///
/// # Errors
///
/// `KEY_REVOKED`, `KEY_LOST`, `KEY_SUSPENDED`, `PERSON_SUSPENDED`, `KEY_PENDING`.
pub fn require_key(key: &StaffKey, holds: &[Hold], use_for: For) -> Result<(), Refusal> {
    let state = if key.revoked {
        ObjectState::Revoked
    } else {
        key.state
    };
    require_grant(state, holds, use_for)?;
    require_person(key.person_held, use_for)
}

/// The same by its state alone.
///
/// # Errors
///
/// Those of [`require_key`].
pub fn require_grant(state: ObjectState, holds: &[Hold], use_for: For) -> Result<(), Refusal> {
    let wanted = "an active security key that nobody has stopped";
    let refuse = |code, found: String| Err(Refusal::new(code, found, wanted));
    if state == ObjectState::Revoked {
        return refuse(Code::KeyRevoked, ObjectState::Revoked.to_string());
    }
    if let Some(held) = Holding::by(holds, use_for) {
        let code = if held.lost {
            Code::KeyLost
        } else {
            Code::KeySuspended
        };
        return refuse(code, held.classes);
    }
    match state {
        ObjectState::Active => Ok(()),
        ObjectState::Announced | ObjectState::Pending => {
            refuse(Code::KeyPending, state.to_string())
        }
        // A key that was lost does not come back; the token is enrolled again with a new one.
        ObjectState::Quarantine => refuse(Code::KeyLost, state.to_string()),
        ObjectState::Revoked => refuse(Code::KeyRevoked, state.to_string()),
    }
}

/// Refuses while a hold stands on the site or the nation.
///
/// # Errors
///
/// `SITE_SUSPENDED`, `NATION_SUSPENDED`.
pub fn require_site(site: Held, nation: Held, use_for: For) -> Result<(), Refusal> {
    let wanted = "a site that nobody has stopped";
    if use_for.is_kept_by(nation) {
        return Err(Refusal::new(Code::NationSuspended, "stopped", wanted));
    }
    if use_for.is_kept_by(site) {
        return Err(Refusal::new(Code::SiteSuspended, "stopped", wanted));
    }
    Ok(())
}

/// Refuses while a hold stands on the person whose key it is.
///
/// # Errors
///
/// `PERSON_SUSPENDED`.
pub fn require_person(person: Held, use_for: For) -> Result<(), Refusal> {
    if use_for.is_kept_by(person) {
        let wanted = "a person whom nobody has stopped";
        return Err(Refusal::new(Code::PersonSuspended, "stopped", wanted));
    }
    Ok(())
}

/// Refuses while anything stands above a laptop and a key.
///
/// # Errors
///
/// Those of [`require_site`] and [`require_person`].
pub fn require_above(above: Above, use_for: For) -> Result<(), Refusal> {
    require_site(above.site, above.nation, use_for)?;
    require_person(above.person, use_for)
}

/// Holds that stand in the way.
struct Holding {
    classes: String,
    lost: bool,
}

impl Holding {
    fn by(holds: &[Hold], use_for: For) -> Option<Self> {
        let mut classes: Vec<&str> = holds
            .iter()
            .filter(|hold| use_for.stands_in_the_way(hold))
            .map(|hold| hold.class.as_str())
            .collect();
        classes.sort_unstable();
        classes.dedup();
        let lost = [HoldClass::Lost, HoldClass::Stolen]
            .iter()
            .any(|class| classes.contains(&class.as_str()));
        let classes = (!classes.is_empty()).then(|| classes.join(", "))?;
        Some(Self {
            classes: format!("stopped: {classes}"),
            lost,
        })
    }
}
/// The end of a laptop's certificates: no visit goes past it.
///
/// # Errors
///
/// `CERTIFICATE_EXPIRED` if it has come, or the laptop has no certificates.
pub fn require_certified(device: &Device, now: Timestamp) -> Result<Timestamp, Refusal> {
    let found = match device.certified_until {
        Some(until) if now < until => return Ok(until),
        Some(until) => format!("the laptop's certificates ended at {until}"),
        None => "a laptop without certificates".to_owned(),
    };
    let wanted = format!("certificates that are good at {now}");
    Err(Refusal::new(Code::CertificateExpired, found, wanted))
}
