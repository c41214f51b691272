//! Handing out a challenge (`docs/walkthroughs/activation.md`): the early, clear no comes here,
//! before anybody types a PIN.

use wardkey_edge::problem::No;
use wardkey_schemas::challenge::{Challenge, ChallengeRequest, Purpose, RoomChoice};
use wardkey_schemas::ids::{ChallengeId, RoomId, SessionId};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::failure::Failure;
use crate::standing::{self, For};
use crate::store::challenges::StoredChallenge;
use crate::store::devices::Device;
use crate::store::sessions::RunningVisit;
use crate::store::{Lane, StoreError, Tx, Work};
use crate::{clock, random};

impl App {
    /// Answers a request for a challenge.
    ///
    /// # Errors
    ///
    /// A refusal, signed once the laptop is known.
    pub async fn challenge(&self, body: Sealed<ChallengeRequest>) -> Result<Sealed<Challenge>, No> {
        let now = clock::now();
        let (device, opened) = self.open_from_device(&body.message).await?;
        let request = opened.into_message();
        let nonce = request.gate_nonce;
        match self.give_challenge(&device, request, now).await {
            Ok(challenge) => Ok(challenge),
            Err(failure) => Err(self
                .deny(
                    &device,
                    nonce,
                    failure,
                    "give a challenge",
                    "challenge.refused",
                )
                .await),
        }
    }

    async fn give_challenge(
        &self,
        device: &Device,
        request: ChallengeRequest,
        now: Timestamp,
    ) -> Result<Sealed<Challenge>, Failure> {
        Self::require_same_device(device, request.device, request.generation)?;
        // More time for a running visit is asked for as a new one is: a stop that waits for the end
        // of the call lets it finish, not grow.
        self.require_standing(device, For::Starting).await?;
        standing::require_certified(device, now)?;
        self.require_recovered()?;
        let trust = self.trust();
        let person = trust.verify_person(request.staff_certificate.as_slice(), now)?;
        person.verify_site(&device.site)?;
        person.verify_may_activate()?;
        let key = self
            .registered_key(&device.site, person.thumbprint(), person.certificate())
            .await?;
        let room = self
            .choose_room(device, key.key, request.purpose, request.room)
            .await?;
        let nonce = random::nonce()?;
        let waits = self.policy_for(device).await?.nonce_waits;
        let stored = StoredChallenge {
            id: ChallengeId::from_random(random::bytes()?),
            nonce: nonce.sha256(),
            purpose: request.purpose,
            moves: room.moves,
            device: device.id,
            generation: device.generation,
            site: device.site.clone(),
            room: room.id,
            room_is_new: room.is_new,
            key: key.key,
            certificate: person.certificate(),
            gate_nonce: request.gate_nonce,
            event_log: request.event_log,
            event_log_wanted: !self.store.knows_event_log(&request.event_log).await?,
            pcrs: trust.bundle.policy_floor().pcrs.clone(),
            issued_at: now,
            expires_at: now.plus(waits),
            consumed_at: None,
        };
        let challenge = Challenge {
            challenge: stored.id,
            nonce,
            gate_nonce: stored.gate_nonce,
            device: device.id,
            site: device.site.clone(),
            room: stored.room,
            pcrs: stored.pcrs.clone(),
            event_log_wanted: stored.event_log_wanted,
            expires_in: waits,
            server_time: now,
        };
        let answer = self.signers.answer(&challenge)?;
        self.store.write(Lane::Ordinary, Give(stored)).await?;
        metrics::counter!("wardkey_challenges_total").increment(1);
        Ok(Sealed::new(answer))
    }

    /// The room of the visit: a new one, or an open one of the laptop's site; for an extension and
    /// for a visit that moves the room of the running visit.
    async fn choose_room(
        &self,
        device: &Device,
        key: Thumbprint,
        purpose: Purpose,
        choice: RoomChoice,
    ) -> Result<Room, Failure> {
        let mut moves = None;
        let id = match (purpose, choice) {
            (Purpose::Activate, RoomChoice::New) => {
                let id = RoomId::from_random(random::bytes()?);
                return Ok(Room {
                    id,
                    is_new: true,
                    moves,
                });
            }
            (Purpose::Move, RoomChoice::New) => {
                let visit = self.visit_to_move(device, key).await?;
                moves = Some(visit.session);
                visit.room
            }
            (Purpose::Move, RoomChoice::Existing { room }) => {
                let wanted = "the room of the visit that moves";
                return Err(Refusal::new(Code::ContextRoom, room, wanted).into());
            }
            (Purpose::Activate, RoomChoice::Existing { room }) => room,
            (Purpose::Extend { session }, choice) => {
                let running = self.store.find_session(session).await?;
                let running = running
                    .filter(|s| s.device.id == device.id)
                    .ok_or_else(|| {
                        Refusal::new(Code::SessionUnknown, session, "a visit on this laptop")
                    })?;
                if let Some(at) = running.ended_at {
                    let found = format!("ended at {at}");
                    return Err(Refusal::new(Code::SessionEnded, found, "a running visit").into());
                }
                match choice {
                    RoomChoice::Existing { room } if room == running.room => room,
                    RoomChoice::Existing { room } => {
                        return Err(Refusal::new(Code::ContextRoom, room, running.room).into());
                    }
                    RoomChoice::New => {
                        let refusal = Refusal::new(Code::ContextRoom, "a new room", running.room);
                        return Err(refusal.into());
                    }
                }
            }
        };
        let wanted = "an open room of this site";
        match self.store.find_room(id).await? {
            None => Err(Refusal::new(Code::RoomUnknown, id, wanted).into()),
            Some((site, _)) if site != device.site => {
                Err(Refusal::new(Code::RoomNotSite, "a room of another site", wanted).into())
            }
            Some((_, false)) => Err(Refusal::new(Code::RoomClosed, "a closed room", wanted).into()),
            Some((_, true)) => Ok(Room {
                id,
                is_new: false,
                moves,
            }),
        }
    }

    /// The running visit of this key, at the laptop's site.
    async fn visit_to_move(
        &self,
        device: &Device,
        key: Thumbprint,
    ) -> Result<RunningVisit, Failure> {
        let found = self.store.running_visit_of(key).await?;
        let visit = found.ok_or_else(|| {
            let wanted = "a running visit of this security key";
            Refusal::new(Code::SessionUnknown, "none", wanted)
        })?;
        if visit.site != device.site {
            let found = format!("a visit at {}", visit.site);
            return Err(Refusal::new(Code::SiteMismatch, found, &device.site).into());
        }
        Ok(visit)
    }
}

struct Room {
    id: RoomId,
    is_new: bool,
    /// The visit that moves into it.
    moves: Option<SessionId>,
}

struct Give(StoredChallenge);

impl Work for Give {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.insert_challenge(&self.0).await
    }
}
