//! What a laptop obeys (`docs/gate.md`, *The latch*).
//!
//! A stop needs keyd's signature and nothing more, whatever the order before it was. A resume needs
//! the people: each hold that it lifts must stand, and the acts in it must be signed by people whose
//! roles may lift it. So a broken keyd can close every laptop and free none.

use wardkey_schemas::action::{Act, Target};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::HoldId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::order::{Command, Hold, Order, SignedAct};
use wardkey_schemas::{Code, Refusal, limits};

use crate::act::VerifiedAct;
use crate::bundle::VerifiedBundle;
use crate::laptop::LaptopIdentity;
use crate::lifting::{Approver, verify_lifting};
use crate::service::VerifiedServiceKeys;

/// An order that this laptop obeys.
#[derive(Clone, Debug)]
pub struct VerifiedOrder {
    order: Order,
    sha256: Sha256,
    approvers: Vec<Approver>,
}

impl VerifiedOrder {
    /// The order.
    pub const fn order(&self) -> &Order {
        &self.order
    }

    /// SHA-256 of its envelope, as the receipt names it.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Who agreed to a resume; empty for every other command.
    pub fn approvers(&self) -> &[Approver] {
        &self.approvers
    }
}

/// Verifies that `order` was given by keyd to this laptop and, if it is a resume, that people with
/// the right roles agreed to lift each of its holds, all of which are among `standing`.
///
/// Certificates of approvers are judged at the order's `server_time`.
///
/// # Errors
///
/// `ORDER_SIGNER`, `ORDER_DEVICE`, `MESSAGE_MALFORMED`, `CERTIFICATE_…` of the signing key; for a
/// resume `HOLD_UNKNOWN`, and `ORDER_APPROVAL` for everything that is wrong with its approvals.
pub fn verify_order(
    order: &Jws<Order>,
    bundle: &VerifiedBundle,
    keys: &VerifiedServiceKeys,
    laptop: &LaptopIdentity,
    standing: &[Hold],
) -> Result<VerifiedOrder, Refusal> {
    let sha256 = order.sha256();
    let order = keys.open(order)?.into_message();
    verify_addressee(&order, laptop)?;
    let approvers = match &order.command {
        Command::Stop { .. } | Command::EndSession { .. } | Command::Message { .. } => Vec::new(),
        Command::Resume { holds, approvals } => {
            verify_resume(&order, holds, approvals, bundle, laptop, standing)?
        }
    };
    Ok(VerifiedOrder {
        order,
        sha256,
        approvers,
    })
}

fn verify_addressee(order: &Order, laptop: &LaptopIdentity) -> Result<(), Refusal> {
    let refuse =
        |found: String, wanted: String| Err(Refusal::new(Code::OrderDevice, found, wanted));
    if order.device_key != laptop.device_key {
        let wanted = laptop.device_key.to_string();
        return refuse(format!("device key {}", order.device_key), wanted);
    }
    if order.device != laptop.device {
        return refuse(
            format!("laptop {}", order.device),
            laptop.device.to_string(),
        );
    }
    if order.generation != laptop.generation {
        let wanted = laptop.generation.to_string();
        return refuse(format!("enrolment {}", order.generation), wanted);
    }
    Ok(())
}

/// One approval: who, and which holds they agreed to lift.
struct Approval {
    approver: Approver,
    holds: Vec<HoldId>,
    /// SHA-256 of the envelope of what they signed.
    sha256: Sha256,
}

fn verify_resume(
    order: &Order,
    holds: &[HoldId],
    approvals: &[SignedAct],
    bundle: &VerifiedBundle,
    laptop: &LaptopIdentity,
    standing: &[Hold],
) -> Result<Vec<Approver>, Refusal> {
    if holds.is_empty() || holds.len() > limits::HOLDS {
        return Err(Refusal::new(
            Code::MessageMalformed,
            format!("a resume that lifts {} holds", holds.len()),
            format!("1 to {}", limits::HOLDS),
        ));
    }
    let lifted: Vec<&Hold> = holds
        .iter()
        .map(|id| find_standing(*id, standing))
        .collect::<Result<_, _>>()?;
    let approvals = verify_approvals(approvals, order, holds, bundle, laptop)
        .map_err(|refusal| as_order_approval(&refusal))?;
    for hold in lifted {
        let agreed: Vec<Approver> = approvals
            .iter()
            .filter(|approval| approval.holds.contains(&hold.id))
            .map(|approval| approval.approver)
            .collect();
        verify_lifting(hold, &agreed).map_err(|refusal| as_order_approval(&refusal))?;
    }
    Ok(approvals
        .into_iter()
        .map(|approval| approval.approver)
        .collect())
}

fn find_standing(id: HoldId, standing: &[Hold]) -> Result<&Hold, Refusal> {
    standing.iter().find(|hold| hold.id == id).ok_or_else(|| {
        Refusal::new(
            Code::HoldUnknown,
            format!("hold {id}"),
            format!("one of the {} holds that stand", standing.len()),
        )
    })
}

/// The acts of people of this site, or of the nation: each asks to let exactly this laptop work
/// again, or agrees to an act before it that does.
fn verify_approvals(
    acts: &[SignedAct],
    order: &Order,
    holds: &[HoldId],
    bundle: &VerifiedBundle,
    laptop: &LaptopIdentity,
) -> Result<Vec<Approval>, Refusal> {
    let mut approvals: Vec<Approval> = Vec::with_capacity(acts.len());
    for act in acts {
        let verified = VerifiedAct::verify(act, bundle, order.server_time)?;
        // People of the reserved site act at every site.
        if !verified.site().is_national() {
            verified.person().verify_site(&laptop.site)?;
        }
        let agreed = agreed_holds(&verified.action().act, laptop, &approvals)?;
        if !agreed.iter().any(|id| holds.contains(id)) {
            let wanted = "one of the holds that are lifted";
            return Err(mismatch("an approval for other holds", wanted));
        }
        approvals.push(Approval {
            approver: verified.person().into(),
            holds: agreed,
            sha256: verified.sha256(),
        });
    }
    Ok(approvals)
}

/// The holds that an act lifts from this laptop.
fn agreed_holds(
    act: &Act,
    laptop: &LaptopIdentity,
    before: &[Approval],
) -> Result<Vec<HoldId>, Refusal> {
    match act {
        Act::Resume { target, holds, .. } => {
            let wanted = Target::Laptop {
                device: laptop.device,
            };
            if *target == wanted {
                return Ok(holds.clone());
            }
            let found = "an approval for something else";
            Err(mismatch(found, format!("laptop {}", laptop.device)))
        }
        // It names no laptop; a hold has one number, and stands on one thing.
        Act::Undo { hold, .. } => Ok(vec![*hold]),
        Act::Agree { act: agreed, .. } => before
            .iter()
            .find(|approval| approval.sha256 == *agreed)
            .map(|approval| approval.holds.clone())
            .ok_or_else(|| mismatch("consent to another act", "the act before it")),
        Act::ConfirmLaptop { .. }
        | Act::ConfirmKey { .. }
        | Act::Stop { .. }
        | Act::ReportLost { .. }
        | Act::MarkSpare { .. }
        | Act::Leaver { .. }
        | Act::Revoke { .. }
        | Act::EndSession { .. }
        | Act::Message { .. }
        | Act::OpenReader { .. } => Err(mismatch(act.as_str(), "resume")),
    }
}

fn mismatch(found: impl std::fmt::Display, wanted: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::ApprovalMismatch, found, wanted)
}

/// What is wrong with an approval, told as what is wrong with the order that carries it.
fn as_order_approval(refusal: &Refusal) -> Refusal {
    Refusal::new(
        Code::OrderApproval,
        format!("{}: {}", refusal.code(), refusal.found()),
        refusal.wanted(),
    )
}
