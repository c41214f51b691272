//! Doing something: keyd's nonce, the person's signature, keyd's answer.

use wardkey_schemas::action::{Act, Action, ActionAnswer, ActionChallenge};
use wardkey_schemas::order::SignedAct;

use super::Desk;
use crate::failure::Failure;

impl Desk {
    /// Has `act` signed by the person at the desk and done by keyd. `purpose` completes *the PIN of
    /// security key …, to …*.
    ///
    /// keyd's answer is not signed: it is what the other end of a TLS connection to the pinned root
    /// says.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn act(&mut self, act: Act, purpose: &str) -> Result<ActionAnswer, Failure> {
        let operator = self.operator().await?;
        let unlocked = operator.unlock(&mut self.pins, purpose)?;
        // The nonce after the PIN: its time is for the touch.
        let nothing = serde_json::json!({});
        let challenge: ActionChallenge = self.keyd.post("/v1/actions/challenge", &nothing).await?;
        let action = Action {
            nonce: challenge.nonce,
            site: self.settings.site.clone(),
            act,
        };
        let signed = SignedAct {
            action: unlocked.sign(&action, self.output)?,
            certificate: operator.certificate().into(),
        };
        Ok(self.keyd.post("/v1/actions", &signed).await?)
    }
}
