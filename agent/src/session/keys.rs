//! Which security keys are plugged in, the last one first.

use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenInfo;

/// The keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<TokenInfo>);

impl Keys {
    /// A key came.
    pub(super) fn insert(&mut self, token: TokenInfo) {
        self.0.retain(|known| known.reader != token.reader);
        self.0.insert(0, token);
    }

    /// The key in this reader went.
    pub(super) fn remove(&mut self, reader: &str) -> Option<TokenInfo> {
        let place = self.0.iter().position(|known| known.reader == reader)?;
        Some(self.0.remove(place))
    }

    /// The one with this serial number, or the one that came last.
    ///
    /// # Errors
    ///
    /// `TOKEN_MISSING`.
    pub(super) fn choose(&self, serial: Option<TokenSerial>) -> Result<TokenInfo, Refusal> {
        let fits = |token: &&TokenInfo| serial.is_none_or(|serial| token.serial == serial);
        self.0.iter().find(fits).cloned().ok_or_else(|| {
            let wanted = serial.map_or_else(
                || "a security key".to_owned(),
                |serial| format!("security key {serial}"),
            );
            let found = format!("{} security keys plugged in", self.0.len());
            Refusal::new(Code::TokenMissing, found, wanted)
        })
    }

    /// Whether this one is in.
    pub(super) fn has(&self, serial: TokenSerial) -> bool {
        self.0.iter().any(|token| token.serial == serial)
    }

    /// All, the last one first.
    pub(super) fn all(&self) -> &[TokenInfo] {
        &self.0
    }
}
