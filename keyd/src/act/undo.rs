//! Taking a stop back: one step, for whoever placed it, soon after, and never for what was lost,
//! stolen, part of an incident or revoked.

use std::sync::Arc;

use wardkey_schemas::action::Outcome;
use wardkey_schemas::ids::HoldId;
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use super::resume::Lifting;
use super::{Permitted, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::store::holds::PlacedHold;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

/// How long a stop can be taken back.
const UNDO_WITHIN: Seconds = Seconds::new(600);

impl App {
    pub(super) async fn undo(
        self: &Arc<Self>,
        permitted: &Permitted,
        hold: HoldId,
    ) -> Result<(Outcome, Committed), Failure> {
        let work = Undo {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            hold,
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }
}

struct Undo {
    app: Arc<App>,
    permitted: Permitted,
    hold: HoldId,
}

impl Work for Undo {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        let unknown = || Refusal::new(Code::HoldUnknown, self.hold, "a hold that stands");
        let Some(placed) = tx.placed_hold(self.hold).await? else {
            return refuse(unknown());
        };
        let site = self.permitted.require_reach(tx, &placed.target).await?;
        if placed.lifted {
            return refuse(unknown());
        }
        self.require_own_and_recent(&placed)?;
        let holds = vec![self.hold];
        let permitted = self.permitted.clone();
        let lifting = Lifting::new(&self.app, permitted, placed.target, holds);
        lifting.lift(tx, &[placed.hold], site).await
    }
}

impl Undo {
    fn require_own_and_recent(&self, placed: &PlacedHold) -> Result<(), StoreError> {
        let no = |found: String, wanted: &str| {
            refuse(Refusal::new(Code::UndoNotPossible, found, wanted))
        };
        match placed.hold.class {
            HoldClass::Misuse | HoldClass::Maintenance | HoldClass::Other => {}
            class @ (HoldClass::Lost
            | HoldClass::Stolen
            | HoldClass::Incident
            | HoldClass::Revoked) => {
                return no(class.to_string(), "misuse, maintenance or other");
            }
        }
        let by = &self.permitted.by;
        if placed.by_person != by.person || placed.hold.by != by.role {
            return no("another person's stop".to_owned(), "your own");
        }
        if self.permitted.now > placed.placed_at.plus(UNDO_WITHIN) {
            let found = format!("placed at {}", placed.placed_at);
            return no(found, "placed within the last ten minutes");
        }
        Ok(())
    }
}
