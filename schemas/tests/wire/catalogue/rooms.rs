//! What keyd and a video platform say to each other.

use wardkey_schemas::room::{RoomAnswer, RoomCommand, RoomOrder, RoomTicket, RoomWord};
use wardkey_schemas::time::Seconds;

use super::Cases;
use super::things::{at, keyd_nonce, room, session};

pub(super) fn orders() -> Cases<RoomOrder> {
    let order = |command| RoomOrder {
        nonce: keyd_nonce(),
        room: room(),
        command,
        server_time: at(0),
    };
    let participant = session().into();
    let lasts = Seconds::new(60);
    vec![
        ("create", order(RoomCommand::Create)),
        ("mint", order(RoomCommand::Mint { participant, lasts })),
        ("cut", order(RoomCommand::Cut { participant })),
        ("list", order(RoomCommand::List)),
        ("close", order(RoomCommand::Close)),
    ]
}

pub(super) fn answers() -> Cases<RoomAnswer> {
    let answer = |word| RoomAnswer {
        nonce: keyd_nonce(),
        room: room(),
        word,
    };
    let ticket = RoomTicket::new("b2xkIHRva2Vu".to_owned()).unwrap();
    let reason = "the room is on another server".to_owned();
    vec![
        ("done", answer(RoomWord::Done)),
        ("ticket", answer(RoomWord::Ticket(ticket))),
        (
            "participants",
            answer(RoomWord::Participants(vec![session().into()])),
        ),
        ("refused", answer(RoomWord::Refused { reason })),
    ]
}
