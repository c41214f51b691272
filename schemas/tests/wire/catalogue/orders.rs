//! Orders, how they arrive, and no.

use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::ids::{Generation, OrderSeq};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::link::{Frame, Heartbeat, LinkChallenge, LinkHello};
use wardkey_schemas::order::{Command, Hold, HoldClass, Mode, Order, OrderReceipt, OrderResult};
use wardkey_schemas::problem::Problem;
use wardkey_schemas::role::Role;
use wardkey_schemas::status::{ObjectState, Status, StatusRequest};
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use super::things::{at, device, hold_id, keyd_nonce, laptop_nonce, note, order_id, session};
use super::{Cases, Signer, acts, visits};

pub(super) const fn hold() -> Hold {
    Hold {
        id: hold_id(),
        class: HoldClass::Lost,
        mode: Mode::Immediate,
        by: Role::SecurityOfficer,
    }
}

fn order(command: Command) -> Order {
    Order {
        order: order_id(),
        seq: OrderSeq::new(3),
        device: device(),
        device_key: Signer::Device.thumbprint(),
        generation: Generation::FIRST,
        command,
        server_time: at(0),
    }
}

fn stop() -> Order {
    order(Command::Stop {
        holds: vec![hold()],
    })
}

pub(super) fn orders() -> Cases<Order> {
    vec![
        ("stop", stop()),
        (
            "end-session",
            order(Command::EndSession { session: session() }),
        ),
        (
            "resume",
            order(Command::Resume {
                holds: vec![hold_id()],
                approvals: vec![acts::signed_act()],
            }),
        ),
        (
            "message",
            order(Command::Message {
                text: note("Please bring this laptop to the office after the visit."),
            }),
        ),
    ]
}

pub(super) fn receipt() -> OrderReceipt {
    OrderReceipt {
        device: device(),
        generation: Generation::FIRST,
        order: order_id(),
        seq: OrderSeq::new(3),
        order_sha256: Signer::Order.seals(&stop()).sha256(),
        nonce: laptop_nonce(),
        result: OrderResult::Stopped,
        received_ago_ms: 412,
        acted_ago_ms: 387,
    }
}

pub(super) const fn link_challenge() -> LinkChallenge {
    LinkChallenge {
        nonce: keyd_nonce(),
    }
}

pub(super) const fn link_hello() -> LinkHello {
    LinkHello {
        device: device(),
        generation: Generation::FIRST,
        nonce: keyd_nonce(),
        link_nonce: laptop_nonce(),
        last_order: OrderSeq::new(2),
    }
}

pub(super) fn heartbeat() -> Heartbeat {
    Heartbeat {
        device: device(),
        link_nonce: laptop_nonce(),
        beat: 7,
        last_order: OrderSeq::new(3),
        next_within: Seconds::new(20),
        server_time: at(0),
    }
}

pub(super) fn frames() -> Cases<Frame> {
    vec![
        (
            "heartbeat",
            Frame::Heartbeat(Signer::Answer.seals(&heartbeat())),
        ),
        ("order", Frame::Order(Signer::Order.seals(&stop()))),
    ]
}

pub(super) const fn status_request() -> StatusRequest {
    StatusRequest {
        device: device(),
        generation: Generation::FIRST,
        nonce: laptop_nonce(),
        last_order: OrderSeq::NONE,
    }
}

pub(super) fn status() -> Status {
    Status {
        device: device(),
        nonce: laptop_nonce(),
        state: ObjectState::Active,
        holds: vec![hold()],
        orders: vec![Signer::Order.seals(&stop())],
        bundle: BundleVersion::new(2),
        poll_every: Seconds::new(20),
        server_time: at(0),
    }
}

fn lost() -> Refusal {
    Refusal::new(Code::DeviceLost, "held since 14:02:07", "no hold")
}

pub(super) fn denial() -> Denial {
    Denial {
        device: device(),
        nonce: laptop_nonce(),
        verdict: Code::DeviceLost.verdict(),
        refusal: lost(),
        retry_after: Seconds::new(30),
        orders: vec![Signer::Order.seals(&stop())],
        server_time: at(0),
    }
}

pub(super) fn problems() -> Cases<Problem> {
    let problem = Problem::new(&lost(), 403);
    vec![
        ("plain", problem.clone()),
        (
            "signed",
            problem.with_denial(Signer::Answer.seals(&denial())),
        ),
    ]
}

pub(super) fn sealed() -> Sealed<wardkey_schemas::session::SessionEnd> {
    Sealed::new(Signer::Device.seals(&visits::session_end()))
}
