//! A site with its people and one laptop, on a network that can be broken.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use wardkey_fleet::Platform;
use wardkey_schemas::ids::{RoomId, SessionId};
use wardkey_schemas::time::Timestamp;

use crate::frames::{Frames, Picture, boottime_ms, wall_minus_boottime_ms};
use crate::net::{Net, SERVICES, Weather};
use crate::process::Said;
use crate::world::{Key, Laptop, LaptopOptions, Options, Role, SITE, World, WorldError, file};

/// The tag on the laptop's lid.
pub const TAG: &str = "HMP-X-11";

/// Longer than any bound: what takes longer is told as that.
const LONGEST: Duration = Duration::from_mins(2);

/// Everybody and everything.
#[derive(Debug)]
pub struct Ward {
    /// The laptop.
    pub laptop: Laptop,
    /// The services.
    pub world: World,
    /// The team lead's key.
    pub lead: Key,
    /// The key of a member of staff.
    pub staff: Key,
    /// The security officer's key.
    pub officer: Key,
    /// What is between laptop and services. Gone last: they are in it.
    pub net: Net,
}

impl Ward {
    /// A ward in a network of its own, into which this thread moves; its laptop runs.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn set(folder: &Path, policy: &[&str]) -> Result<Self, WorldError> {
        fs::create_dir_all(folder).map_err(file(folder))?;
        let net = Net::lay(folder)?;
        Self::build(folder, policy, net, None)
    }

    /// The same with a video platform at the services' end.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn set_with_platform(
        folder: &Path,
        policy: &[&str],
    ) -> Result<(Self, Platform), WorldError> {
        fs::create_dir_all(folder).map_err(file(folder))?;
        let net = Net::lay(folder)?;
        // In the network that was just entered.
        let platform = Platform::start();
        let ward = Self::build(folder, policy, net, Some(platform.clone()))?;
        Ok((ward, platform))
    }

    fn build(
        folder: &Path,
        policy: &[&str],
        net: Net,
        platform: Option<Platform>,
    ) -> Result<Self, WorldError> {
        let options = Options {
            policy: policy.iter().map(|line| (*line).to_owned()).collect(),
            listen: Some(SERVICES),
            platform,
            ..Options::default()
        };
        let mut world = World::ready(folder, options)?;
        let lead = world.first_key(SITE, "lead", Role::Lead)?;
        let officer = world.first_key(SITE, "officer", Role::SecurityOfficer)?;
        let pending = world.enrol_key(&lead, "staff", Role::Staff)?;
        let staff = world.confirm_key(&officer, &pending)?;
        let laptop = world.laptop(LaptopOptions {
            network: Some(net.laptop().to_owned()),
            ..LaptopOptions::new(TAG, SITE)
        })?;
        let phrase = world.enrol_laptop(&laptop, &lead)?;
        world.confirm_laptop(&officer, &laptop, &phrase)?;
        let mut ward = Self {
            laptop,
            world,
            lead,
            staff,
            officer,
            net,
        };
        ward.laptop.start()?;
        Ok(ward)
    }

    /// Waits until the laptop's link stands, or does not.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn await_linked(&self, linked: bool) -> Result<(), WorldError> {
        let what = if linked { "linked" } else { "without a link" };
        let is = |status: &Value| status.get("linked") == Some(&linked.into());
        self.laptop.await_status(what, is).map(drop)
    }

    /// Opens a visit and takes the key away, as before a patient.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn open(&self) -> Result<(), WorldError> {
        let frames = Frames::of(&self.laptop)?;
        let began = boottime_ms();
        let said = self.try_to_open()?;
        if said.code() != 0 {
            let words = format!("`activate`: {}: {}{}", said.code(), said.out, said.err);
            return Err(WorldError::Unexpected(words));
        }
        frames.await_after(began)
    }

    /// The open visit and its room.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn visit(&self) -> Result<(SessionId, RoomId), WorldError> {
        let status = self.laptop.status()?;
        let text = |name| status.pointer(name).and_then(Value::as_str);
        let session = text("/visit/session").and_then(|text| text.parse().ok());
        let room = text("/visit/room").and_then(|text| text.parse().ok());
        session
            .zip(room)
            .ok_or_else(|| WorldError::Unexpected(format!("`{status}` names no visit")))
    }

    /// The same, where it should be refused.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn try_to_open(&self) -> Result<Said, WorldError> {
        self.laptop.plug(&self.staff)?;
        let said = self.world.activate(&self.laptop, &self.staff);
        self.laptop.unplug(&self.staff)?;
        said
    }

    /// How many of the tries to open a visit brought a picture: there should be none.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn starts(&self) -> Result<u64, WorldError> {
        let said = self.try_to_open()?;
        let started = said.code() == 0 || Picture::runs(&self.laptop)?;
        Ok(u64::from(started))
    }

    /// Stops a laptop or key; when that was committed, on the clock of frames.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn stop(&mut self, target: &str, class: &str) -> Result<i64, WorldError> {
        let officer = self.officer.clone();
        let answer = self
            .world
            .wardkey_done(&officer, &["stop", target, class])?;
        let committed = answer
            .get("committed_at")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Timestamp>().ok())
            .ok_or_else(|| WorldError::Unexpected(format!("`{answer}` names no time of commit")))?;
        Ok(committed.millis().saturating_sub(wall_minus_boottime_ms()))
    }

    /// Stops the laptop, and waits until its picture is gone; milliseconds from the commit.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn stop_and_watch(&mut self, class: &str) -> Result<u64, WorldError> {
        let picture = Picture::of(&self.laptop)?;
        let committed = self.stop(TAG, class)?;
        gone_after(&picture, committed)
    }

    /// Lifts the stop of a laptop or key, by as many people as it takes.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn resume(&mut self, target: &str) -> Result<(), WorldError> {
        let (officer, lead) = (self.officer.clone(), self.lead.clone());
        let asked = self.world.wardkey(&officer, &["resume", target])?;
        let answer = asked.json();
        let request = answer.pointer("/outcome/request").and_then(Value::as_str);
        match (asked.code(), request) {
            (0, _) => {}
            (3, Some(request)) => {
                let agree = ["agree", request];
                self.world.wardkey_done(&lead, &agree)?;
            }
            (code, _) => {
                let words = format!("`resume`: {code}: {}{}", asked.out, asked.err);
                return Err(WorldError::Unexpected(words));
            }
        }
        Ok(())
    }

    /// Lifts the stop of the laptop, on a network that works, and waits until it may be used again.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn resume_laptop(&mut self) -> Result<(), WorldError> {
        self.net.set(Weather::FINE);
        self.laptop.await_latch()?;
        self.resume(TAG)?;
        self.laptop.await_state("locked").map(drop)
    }
}

/// Waits until a picture is gone; milliseconds since `cause`, zero if it was gone before.
///
/// # Errors
///
/// [`WorldError`].
pub fn gone_after(picture: &Picture, cause: i64) -> Result<u64, WorldError> {
    let ended = picture.await_end(LONGEST)?;
    Ok(u64::try_from(ended.saturating_sub(cause)).unwrap_or(0))
}
