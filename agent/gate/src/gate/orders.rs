//! Obeying orders: written down first, then done, then told.

use wardkey_schemas::Code;
use wardkey_schemas::ids::OrderId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::order::{Command, Order};

use super::{Gate, Ruled, Times, nobody_trusted, not_enrolled};
use crate::boottime::Boottime;
use crate::chip::Chip;
use crate::clock::Clock;
use crate::folder::Folder;
use crate::latch::Seal;
use crate::limits;
use crate::machine::Deed;
use crate::picture::Picture;
use crate::protocol::{Answer, FromGate, Obeyed};

impl<F: Folder, K: Chip, P: Picture, C: Clock> Gate<F, K, P, C> {
    pub(super) fn obey(
        &mut self,
        envelope: &Jws<Order>,
        received: Boottime,
        said: &mut Vec<FromGate>,
    ) -> Ruled<Answer> {
        let Some(identity) = self.known_identity() else {
            return Ok(Err(not_enrolled()));
        };
        self.settle(&identity);
        let Some(trust) = &self.trust else {
            return Ok(Err(nobody_trusted()));
        };
        let known = self.machine.known_holds();
        let order = match trust.verify_order(envelope, &identity, &known) {
            Ok(order) => order,
            Err(refusal) => {
                // With the holds out of sight, that one is unknown says nothing.
                let seal = self.machine.latch().seal();
                let seal = seal.filter(|_| refusal.code() == Code::HoldUnknown);
                return Ok(Err(seal.map_or(refusal, Seal::refusal)));
            }
        };
        let ruling = match self.machine.rule(&order, received) {
            Ok(ruling) => ruling,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let written = self.write_latch(&ruling.latch);
        if matches!(order.order().command, Command::Resume { .. }) {
            // What is not certainly lifted stands.
            written?;
            self.machine.adopt(&order, &ruling, received);
        } else {
            // A stop that could not be written down is acted on, and not acknowledged.
            self.machine.adopt(&order, &ruling, received);
            self.perform(&ruling.deeds, said)?;
            written?;
        }
        let order = order.order();
        tracing::info!(
            order.id = %order.order,
            order.seq = %order.seq,
            result = ruling.result.as_str(),
            "Obeyed an order"
        );
        let times = self.times_of(order.order, received, &ruling.deeds);
        let now = self.clock.read().now;
        Ok(Ok(Answer::Obeyed(Obeyed {
            order: order.order,
            seq: order.seq,
            order_sha256: envelope.sha256(),
            result: ruling.result,
            received_ago_ms: now.millis_since(times.received),
            acted_ago_ms: now.millis_since(times.acted),
        })))
    }

    /// When the order came first and was acted on last: one that comes again and changes nothing
    /// keeps its times.
    fn times_of(&mut self, order: OrderId, received: Boottime, deeds: &[Deed]) -> Times {
        let before = self
            .times
            .iter()
            .find(|times| times.order == order)
            .copied();
        let times = match before {
            Some(before) if deeds.is_empty() => return before,
            Some(before) => before,
            None => Times {
                order,
                received,
                acted: received,
            },
        };
        let times = Times {
            acted: self.clock.read().now,
            ..times
        };
        self.times.retain(|times| times.order != order);
        while self.times.len() >= limits::OUTCOMES {
            self.times.pop_front();
        }
        self.times.push_back(times);
        times
    }
}
