//! A card in a slot: a thread that answers the virtual reader.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::net::sockopt::set_tcp_quickack;
use vpicc::{Connection, VSmartCard};

use super::{HubError, daemon};
use crate::apdu::{Answer, Command, Status, Transport};
use crate::card::Card;
use crate::management;
use crate::touch::{TOUCH_TIMEOUT, TouchMode, TouchSensor};
use crate::yubikey::YubiKey;

/// Answer to reset of a YubiKey 5: T=1, and the name in the historical octets.
const ATR: &[u8] = &[
    0x3b, 0xfd, 0x13, 0x00, 0x00, 0x81, 0x31, 0xfe, 0x15, 0x80, 0x73, 0xc0, 0x21, 0xc0, 0x57, 0x59,
    0x75, 0x62, 0x69, 0x4b, 0x65, 0x79, 0x40,
];

/// First octets of PIV's AID, as YubiKeys accept them.
const PIV_AID: &[u8] = &[0xa0, 0x00, 0x00, 0x03, 0x08];

/// A card that sits in a slot until [`Self::unplug`].
#[derive(Debug)]
pub(super) struct Plugged {
    pub(super) slot: usize,
    pub(super) reader: String,
    pub(super) serial: u32,
    pub(super) touch: Arc<TouchSensor>,
    stream: TcpStream,
    thread: JoinHandle<()>,
}

impl Plugged {
    /// Takes the card in `folder` and puts it into `slot`.
    pub(super) fn plug(folder: &Path, slot: usize) -> Result<Self, HubError> {
        let card = Card::open(folder)?;
        let serial = card.memory.serial;
        let (port, reader) = daemon::address(slot);
        let failed = |source| HubError::Slot { slot, source };
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let touch = Arc::new(TouchSensor::new(TouchMode::Auto, TOUCH_TIMEOUT));
        let line = stream.try_clone().map_err(failed)?;
        let sensor = Arc::clone(&touch);
        let thread = thread::Builder::new()
            .name(format!("card in slot {slot}"))
            .spawn(move || serve(card, &line, &sensor))
            .map_err(failed)?;
        Ok(Self {
            slot,
            reader,
            serial,
            touch,
            stream,
            thread,
        })
    }

    /// Takes the card out of its reader; once this returns, its folder is free.
    pub(super) fn unplug(self) {
        self.touch.unplug();
        // The card may have gone by itself; then there is nothing to shut.
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.thread.join();
    }
}

/// Answers the reader, power cycle after power cycle, until the line is cut.
fn serve(mut card: Card, stream: &TcpStream, touch: &TouchSensor) {
    let Ok(line) = stream.try_clone() else { return };
    let mut connection = Connection::from(line);
    let mut selected = Selected::None;
    while let Ok(Ok(next)) = card.power(touch, |yubikey| {
        power_cycle(yubikey, selected, &mut connection, stream)
    }) {
        selected = next;
    }
}

/// One power cycle; which application stays selected in the next.
fn power_cycle(
    yubikey: YubiKey<'_, '_>,
    selected: Selected,
    connection: &mut Connection,
    stream: &TcpStream,
) -> io::Result<Selected> {
    let mut powered = Powered {
        yubikey,
        selected,
        transport: Transport::default(),
        used: false,
        over: None,
    };
    loop {
        // vpcd sends length and command apart, which costs 40 ms a command otherwise.
        set_tcp_quickack(stream, true)?;
        connection.poll(&mut powered)?;
        if let Some(selected) = powered.over {
            return Ok(selected);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Selected {
    None,
    Piv,
    Management,
}

struct Powered<'chip, 'card> {
    yubikey: YubiKey<'chip, 'card>,
    selected: Selected,
    transport: Transport,
    used: bool,
    over: Option<Selected>,
}

impl Powered<'_, '_> {
    fn power_changed(&mut self) {
        if self.used {
            self.over = Some(Selected::None);
        }
    }
}

impl VSmartCard for Powered<'_, '_> {
    fn atr(&self) -> &[u8] {
        ATR
    }

    fn power_on(&mut self) {
        self.power_changed();
    }

    fn power_off(&mut self) {
        self.power_changed();
    }

    fn reset(&mut self) {
        self.power_changed();
    }

    fn execute(&mut self, message: &[u8]) -> Vec<u8> {
        self.used = true;
        let Self {
            yubikey,
            selected,
            transport,
            ..
        } = self;
        let reply = transport.exchange(message, |command| run(yubikey, selected, command));
        if self.yubikey.is_reset() {
            self.over = Some(self.selected);
        }
        reply
    }
}

fn run(yubikey: &mut YubiKey<'_, '_>, selected: &mut Selected, command: &Command) -> Answer {
    match (command.instruction, command.p1, *selected) {
        (0xa4, 0x04, _) if command.data.starts_with(PIV_AID) => {
            *selected = Selected::Piv;
            yubikey.select()
        }
        (0xa4, 0x04, _) if command.data == management::AID => {
            *selected = Selected::Management;
            management::select(yubikey.memory())
        }
        (0xa4, _, _) => Status::NOT_FOUND.into(),
        (_, _, Selected::Piv) => yubikey.run(command),
        (_, _, Selected::Management) => management::run(yubikey.memory(), command),
        (_, _, Selected::None) => Status::UNKNOWN_INSTRUCTION.into(),
    }
}
