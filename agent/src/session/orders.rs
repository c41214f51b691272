//! Orders of keyd: handed to the gate as soon as they come, and acknowledged when it has acted.
//!
//! The gate judges each order by itself. Here it only has to be genuine, so that nobody else can
//! keep the gate busy.

use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Request as GateRequest};
use wardkey_schemas::Code;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::order::{Command, Order, OrderResult};

use super::gate::{GateQuestion, refusal_of};
use super::{Action, Session, Turn};
use crate::answers::GenuineOrder;
use crate::control::protocol::Line;
use crate::limits;
use crate::outbox::{About, Fact, Item};

impl Session {
    /// Orders that came with an answer, oldest first.
    pub(super) fn orders_came(
        &mut self,
        mut orders: Vec<Jws<Order>>,
        from_poll: bool,
        turn: &mut Turn<'_>,
    ) {
        for order in orders.drain(..) {
            self.order_came(order, from_poll, turn);
        }
    }

    pub(super) fn order_came(
        &mut self,
        envelope: Jws<Order>,
        from_poll: bool,
        turn: &mut Turn<'_>,
    ) {
        let genuine = self
            .standing_ground()
            .and_then(|(laptop, trusted)| GenuineOrder::verify(envelope, trusted.trust(), laptop));
        let order = match genuine {
            Ok(order) => order,
            Err(refusal) => {
                tracing::warn!(refusal.code = %refusal.code(), %refusal, "An order is not believed");
                return self.fetching.hurry(turn.now);
            }
        };
        let id = order.order().order;
        let seq = order.order().seq;
        if !self.gate.is_ready() {
            // A poll brings it again, once there is a gate that can act on it.
            tracing::error!(order.seq = %seq, "An order waits for the gate");
            return;
        }
        if self.gate.has_in_hand(id) || self.outbox.holds(About::Order(id)) {
            return;
        }
        tracing::info!(
            order.seq = %seq,
            command = order.order().command.as_str(),
            "An order came"
        );
        let request = GateRequest::Order {
            order: order.envelope().clone(),
        };
        self.ask_gate(GateQuestion::Order { order, from_poll }, request, turn);
    }

    pub(super) fn order_answered(
        &mut self,
        order: &GenuineOrder,
        from_poll: bool,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) {
        self.ask_gate_status(turn);
        if let Answer::Obeyed(obeyed) = &answer
            && obeyed.order == order.order().order
        {
            let ago = |millis| Boottime::from_millis(turn.now.millis().saturating_sub(millis));
            let received_at = ago(obeyed.received_ago_ms);
            let acted_at = ago(obeyed.acted_ago_ms);
            if !from_poll {
                // It is not the gate alone that stands differently now: back from a loss, say, the
                // laptop is in quarantine. The poll that brings an order says so with it.
                self.polling.hurry(turn.now);
            }
            if let (OrderResult::Shown, Command::Message { by, text }) =
                (obeyed.result, &order.order().command)
            {
                let line = Line {
                    by: *by,
                    at: order.order().server_time,
                    text: text.clone(),
                };
                self.line = Some((line, turn.now));
            }
            return self.acknowledge(order, obeyed.result, received_at, acted_at, turn);
        }
        let refusal = refusal_of(answer, "an order that is obeyed");
        tracing::warn!(order.seq = %order.order().seq, %refusal, "The gate did not obey");
        let code = refusal.code();
        let is_final = matches!(code, Code::OrderApproval | Code::GateSealed)
            // Perhaps the stop that it lifts has not come; a poll brings all that wait.
            || (code == Code::HoldUnknown && from_poll);
        if is_final {
            self.acknowledge(order, OrderResult::Refused, turn.now, turn.now, turn);
        } else if from_poll {
            self.polling.later(turn.later(limits::POLL_EVERY, 10));
        } else {
            self.polling.hurry(turn.now);
        }
    }

    /// What somebody wants to tell staff, as long as it is shown.
    pub(super) fn line_at(&self, now: Boottime) -> Option<Line> {
        let (line, came) = self.line.as_ref()?;
        (now.millis_since(*came) < limits::LINE_SHOWN).then(|| line.clone())
    }

    /// Writes the receipt down; it is sent from there.
    fn acknowledge(
        &mut self,
        order: &GenuineOrder,
        result: OrderResult,
        received_at: Boottime,
        at: Boottime,
        turn: &mut Turn<'_>,
    ) {
        let Some(laptop) = &self.laptop else {
            return;
        };
        let generation = laptop.generation;
        let (envelope, order) = (order.envelope(), order.order());
        self.outbox.put(Item {
            fact: Fact::Obeyed {
                order: order.order,
                seq: order.seq,
                order_sha256: envelope.sha256(),
                result,
                received_at,
            },
            at,
            boot: self.boot.clone(),
            generation,
        });
        turn.push(Action::SaveOutbox(self.outbox.clone()));
    }
}
