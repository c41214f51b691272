//! The management application, as far as `ykman list` and `ykman info` read it.

use crate::apdu::{Answer, Command, Status};
use crate::memory::Memory;
use crate::tlv;

/// AID of the management application.
pub(crate) const AID: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];

/// Capability bit of PIV.
const PIV: [u8; 2] = [0x00, 0x10];

/// Answers SELECT: firmware as text.
pub(crate) fn select(memory: &Memory) -> Answer {
    Answer::with(format!("Virtual mgr - FW version {}", memory.firmware).into_bytes())
}

/// Answers any other command; there is only READ CONFIG.
pub(crate) fn run(memory: &Memory, command: &Command) -> Answer {
    match (command.instruction, command.p1, command.p2) {
        (0x1d, 0x00, 0x00) => Answer::with(device_information(memory)),
        (0x1d, _, _) => Status::INCORRECT_PARAMETERS.into(),
        _ => Status::UNKNOWN_INSTRUCTION.into(),
    }
}

fn device_information(memory: &Memory) -> Vec<u8> {
    let elements = [
        tlv::element(0x01, &PIV),
        tlv::element(0x02, &memory.serial.to_be_bytes()),
        tlv::element(0x03, &PIV),
        tlv::element(0x04, &[memory.form_factor.octet()]),
        tlv::element(0x05, &memory.firmware.octets()),
        tlv::element(0x0a, &[0]),
    ]
    .concat();
    let length = u8::try_from(elements.len()).unwrap_or(u8::MAX);
    [&[length], elements.as_slice()].concat()
}
