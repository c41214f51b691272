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
        Command::Stop { .. } | Command::EndSession { .. } => Vec::new(),
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
    let approvals: Vec<Approval> = approvals
        .iter()
        .map(|act| verify_approval(act, order, holds, bundle, laptop))
        .collect::<Result<_, _>>()
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

/// An act of a person of this site, to resume exactly this laptop and lift some of these holds.
fn verify_approval(
    act: &SignedAct,
    order: &Order,
    holds: &[HoldId],
    bundle: &VerifiedBundle,
    laptop: &LaptopIdentity,
) -> Result<Approval, Refusal> {
    let verified = VerifiedAct::verify(act, bundle, order.server_time)?;
    verified.person().verify_site(&laptop.site)?;
    let mismatch =
        |found: String, wanted: String| Err(Refusal::new(Code::ApprovalMismatch, found, wanted));
    let Act::Resume {
        target,
        holds: agreed,
        ..
    } = &verified.action().act
    else {
        let found = verified.action().act.as_str().to_owned();
        return mismatch(found, "resume".to_owned());
    };
    let wanted = Target::Laptop {
        device: laptop.device,
    };
    if *target != wanted {
        let found = match target {
            Target::Laptop { device } => format!("laptop {device}"),
            Target::Key { key } => format!("security key {key}"),
        };
        return mismatch(found, format!("laptop {}", laptop.device));
    }
    if !agreed.iter().any(|id| holds.contains(id)) {
        let found = "an approval for other holds".to_owned();
        return mismatch(found, "one of the holds that are lifted".to_owned());
    }
    Ok(Approval {
        approver: verified.person().into(),
        holds: agreed.clone(),
    })
}

/// What is wrong with an approval, told as what is wrong with the order that carries it.
fn as_order_approval(refusal: &Refusal) -> Refusal {
    Refusal::new(
        Code::OrderApproval,
        format!("{}: {}", refusal.code(), refusal.found()),
        refusal.wanted(),
    )
}
