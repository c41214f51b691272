//! Lets several programs use one TPM at once, as the kernel's resource manager behind
//! `/dev/tpmrm0` does.
//!
//! swtpm serves one connection, and a TPM has three places for keys. Here each program has a
//! connection of its own and sees only its own keys, under handles of its own; what does not fit
//! is swapped out (`TPM2_ContextSave`) and in again when it is needed. When a program hangs up or
//! dies, its keys are forgotten. Commands and answers are otherwise passed on as they are.

use std::{
    collections::BTreeMap,
    io::Write,
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tpm2_protocol::{data::TpmCc, frame::TpmCommand};

use super::{
    VirtualTpmError,
    chip::{Chip, HEADER, answer_code, read_frame},
};

/// Handles given to programs count up from here; a TPM's own start at 0x80000000.
const FIRST_HANDLE: u32 = 0x80F0_0000;

/// No TPM ever gives out this handle: what a program gets that names a key it does not have.
const NO_KEY: u32 = 0x80FE_FFFF;

/// `TPM_RC_OBJECT_MEMORY`.
const NO_PLACE: u32 = 0x902;

/// Places for keys in a TPM, and so the most that can ever have to make room.
const PLACES: usize = 3;

const SUCCESS: [u8; HEADER] = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0];

/// One connection, by its number since the laptop was switched on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Program(u64);

/// A key of a program.
#[derive(Debug)]
struct Key {
    program: Program,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// In the TPM, under this handle.
    Inside(u32),
    /// Swapped out: a `TPMS_CONTEXT`.
    Outside(Vec<u8>),
}

/// The TPM and everyone who uses it.
#[derive(Debug)]
pub(super) struct Broker {
    chip: Chip,
    programs: BTreeMap<Program, UnixStream>,
    keys: BTreeMap<u32, Key>,
    sessions: BTreeMap<u32, Program>,
    next_program: u64,
    next_handle: u32,
}

impl Broker {
    pub(super) fn new(chip: Chip) -> Self {
        Self {
            chip,
            programs: BTreeMap::new(),
            keys: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_program: 0,
            next_handle: FIRST_HANDLE,
        }
    }

    pub(super) fn chip(&mut self) -> &mut Chip {
        &mut self.chip
    }

    /// Puts another chip in the place of this one, which is taken out first.
    pub(super) fn exchange_chip(&mut self, chip: Chip) {
        self.chip = chip;
    }

    /// Cuts every connection: the operating system goes down, or the lab is cleared away.
    pub(super) fn hang_up(&mut self) {
        for stream in std::mem::take(&mut self.programs).into_values() {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
        self.forget_all();
    }

    /// The TPM has lost all keys and sessions; programs find out when they use them.
    pub(super) fn forget_all(&mut self) {
        self.keys.clear();
        self.sessions.clear();
    }

    /// Takes all keys out, as the kernel does before the machine sleeps. Sessions are lost.
    pub(super) fn swap_out_all(&mut self) -> Result<(), VirtualTpmError> {
        self.sessions.clear();
        while self.swap_out_one(&[])? {}
        Ok(())
    }

    fn welcome(&mut self, stream: UnixStream) -> Program {
        let program = Program(self.next_program);
        self.next_program = self.next_program.saturating_add(1);
        self.programs.insert(program, stream);
        program
    }

    fn dismiss(&mut self, program: Program) {
        if self.programs.remove(&program).is_none() {
            return;
        }
        let keys: Vec<u32> = self
            .keys
            .iter()
            .filter(|(_, key)| key.program == program)
            .map(|(handle, _)| *handle)
            .collect();
        for key in keys
            .into_iter()
            .filter_map(|handle| self.keys.remove(&handle))
        {
            if let Place::Inside(handle) = key.place {
                // A TPM that has forgotten it by itself is as good.
                self.chip
                    .transact(&flush(handle))
                    .map(drop)
                    .unwrap_or_default();
            }
        }
        let sessions: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, owner)| **owner == program)
            .map(|(handle, _)| *handle)
            .collect();
        for handle in sessions {
            self.sessions.remove(&handle);
            self.chip
                .transact(&flush(handle))
                .map(drop)
                .unwrap_or_default();
        }
    }

    /// Does one command of a program.
    fn execute(&mut self, program: Program, frame: &[u8]) -> Result<Vec<u8>, VirtualTpmError> {
        if !self.programs.contains_key(&program) {
            // Hung up while the command waited for its turn.
            return Err(VirtualTpmError::Gone);
        }
        let code = answer_code(frame);
        if code == Some(TpmCc::FlushContext.value()) {
            return self.flush_for(program, frame);
        }
        let named = handles(frame);
        let mut command = frame.to_vec();
        for (position, handle) in (0_usize..).zip(&named) {
            if is_key(*handle) {
                let inside = self.swap_in(program, *handle, &named)?;
                put_handle(&mut command, position, inside.unwrap_or(NO_KEY));
            }
        }
        let mut answer = self.chip.transact(&command)?;
        for _ in 0..PLACES {
            if answer_code(&answer) != Some(NO_PLACE) || !self.swap_out_one(&named)? {
                break;
            }
            answer = self.chip.transact(&command)?;
        }
        if answer_code(&answer) == Some(0) && code.is_some_and(makes_a_handle) {
            self.adopt(program, &mut answer);
        }
        Ok(answer)
    }

    /// Notes the new key or session in an answer, and puts the key's outer handle there.
    fn adopt(&mut self, program: Program, answer: &mut [u8]) {
        let Some(handle) = handle_at(answer, 0) else {
            return;
        };
        if is_key(handle) {
            let outer = self.next_handle;
            self.next_handle = self.next_handle.saturating_add(1);
            self.keys.insert(
                outer,
                Key {
                    program,
                    place: Place::Inside(handle),
                },
            );
            put_handle(answer, 0, outer);
        } else {
            self.sessions.insert(handle, program);
        }
    }

    fn flush_for(&mut self, program: Program, frame: &[u8]) -> Result<Vec<u8>, VirtualTpmError> {
        let Some(handle) = handle_at(frame, 0) else {
            return self.chip.transact(frame);
        };
        let owner = self.keys.get(&handle).map(|key| key.program);
        if !is_key(handle) {
            if self.sessions.get(&handle) == Some(&program) {
                self.sessions.remove(&handle);
            }
            return self.chip.transact(frame);
        }
        if owner != Some(program) {
            return self.chip.transact(&flush(NO_KEY));
        }
        match self.keys.remove(&handle).map(|key| key.place) {
            Some(Place::Inside(handle)) => self.chip.transact(&flush(handle)),
            Some(Place::Outside(_)) | None => Ok(SUCCESS.to_vec()),
        }
    }

    /// The handle inside the TPM of a program's key, loaded if it was outside. `None` if the
    /// program has no such key, or the TPM does not take it back (it was reset meanwhile).
    fn swap_in(
        &mut self,
        program: Program,
        handle: u32,
        needed: &[u32],
    ) -> Result<Option<u32>, VirtualTpmError> {
        let context = match self.keys.get(&handle) {
            Some(key) if key.program != program => return Ok(None),
            None => return Ok(None),
            Some(Key {
                place: Place::Inside(inside),
                ..
            }) => return Ok(Some(*inside)),
            Some(Key {
                place: Place::Outside(context),
                ..
            }) => context.clone(),
        };
        let command = command(TpmCc::ContextLoad, &context);
        let mut answer = self.chip.transact(&command)?;
        while answer_code(&answer) == Some(NO_PLACE) && self.swap_out_one(needed)? {
            answer = self.chip.transact(&command)?;
        }
        let inside = handle_at(&answer, 0).filter(|_| answer_code(&answer) == Some(0));
        match (inside, self.keys.get_mut(&handle)) {
            (Some(inside), Some(key)) => key.place = Place::Inside(inside),
            _ => {
                self.keys.remove(&handle);
            }
        }
        Ok(inside)
    }

    /// Takes one key out that is not `needed`; false if there is none, or it cannot be saved.
    fn swap_out_one(&mut self, needed: &[u32]) -> Result<bool, VirtualTpmError> {
        let candidate = self
            .keys
            .iter_mut()
            .find_map(|(outer, key)| match key.place {
                Place::Inside(inside) if !needed.contains(outer) => Some((inside, key)),
                Place::Inside(_) | Place::Outside(_) => None,
            });
        let Some((inside, key)) = candidate else {
            return Ok(false);
        };
        let saved = self
            .chip
            .transact(&command(TpmCc::ContextSave, &inside.to_be_bytes()))?;
        if answer_code(&saved) != Some(0) {
            return Ok(false);
        }
        key.place = Place::Outside(saved.get(HEADER..).unwrap_or_default().to_vec());
        self.chip.demand("TPM2_FlushContext", &flush(inside))?;
        Ok(true)
    }
}

/// Takes the broker for one step. A thread that panicked with it leaves it usable: at worst a
/// command was not answered.
pub(super) fn lock(broker: &Mutex<Broker>) -> MutexGuard<'_, Broker> {
    broker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one program until it hangs up.
pub(super) fn serve(broker: &Arc<Mutex<Broker>>, mut stream: UnixStream) {
    let Ok(second) = stream.try_clone() else {
        return;
    };
    let program = lock(broker).welcome(second);
    while let Ok(Some(frame)) = read_frame(&mut stream) {
        let answer = lock(broker).execute(program, &frame);
        if answer.is_err() || answer.is_ok_and(|answer| stream.write_all(&answer).is_err()) {
            break;
        }
    }
    stream.shutdown(Shutdown::Both).unwrap_or_default();
    lock(broker).dismiss(program);
}

const fn is_key(handle: u32) -> bool {
    handle >> 24 == 0x80
}

fn makes_a_handle(code: u32) -> bool {
    [
        TpmCc::CreatePrimary,
        TpmCc::CreateLoaded,
        TpmCc::ContextLoad,
        TpmCc::HashSequenceStart,
        TpmCc::HmacStart,
        TpmCc::Load,
        TpmCc::LoadExternal,
        TpmCc::StartAuthSession,
    ]
    .iter()
    .any(|known| known.value() == code)
}

/// The handles that a command names; none if it is malformed, which the TPM will say.
fn handles(frame: &[u8]) -> Vec<u32> {
    TpmCommand::cast(frame)
        .and_then(TpmCommand::handles)
        .unwrap_or_default()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|handle| u32::from_be_bytes(*handle))
        .collect()
}

/// Where the handle at `position` is in a frame.
fn handle_field(position: usize) -> std::ops::Range<usize> {
    let start = position.saturating_mul(4).saturating_add(HEADER);
    start..start.saturating_add(4)
}

fn handle_at(frame: &[u8], position: usize) -> Option<u32> {
    let field = frame.get(handle_field(position))?;
    field.try_into().ok().map(u32::from_be_bytes)
}

fn put_handle(frame: &mut [u8], position: usize, handle: u32) {
    if let Some(field) = frame.get_mut(handle_field(position)) {
        field.copy_from_slice(&handle.to_be_bytes());
    }
}

/// A command without sessions.
fn command(code: TpmCc, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 0x01, 0, 0, 0, 0];
    frame.extend(code.value().to_be_bytes());
    frame.extend(body);
    let size = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(field) = frame.get_mut(2..6) {
        field.copy_from_slice(&size);
    }
    frame
}

fn flush(handle: u32) -> Vec<u8> {
    command(TpmCc::FlushContext, &handle.to_be_bytes())
}
