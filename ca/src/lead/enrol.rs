//! How this authority certifies a first key: the same steps as for every other key, called in process.

use wardkey_schemas::bundle::SiteCharter;
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::key_enrolment::{
    CompleteKey, Consent, Holder, KeyChallenge, KeyEnrolled, KeyHello, Voucher,
};
use wardkey_schemas::names::DisplayName;
use wardkey_schemas::registration::KeyOffer;
use wardkey_schemas::role::Role;
use wardkey_token::Readers;
use wardkey_token::enrolment::{NewToken, Proof};

use super::error::LeadError;
use super::person::wants_another_try;
use crate::app::App;
use crate::journal::Ledger;
use crate::keyd::Keyd;
use crate::link::Asked;

/// Whose key it will be, and on whose word.
pub(super) struct NewHolder {
    pub(super) name: DisplayName,
    pub(super) role: Role,
    pub(super) charter: Jws<SiteCharter>,
}

/// Has the key in `token` certified. What fails for a reason that may pass is done again as often as the
/// person wants; what was sent once is sent again as it was.
pub(super) async fn enrol<K: Keyd, L: Ledger>(
    app: &App<K, L>,
    readers: &Readers,
    token: &NewToken,
    holder: NewHolder,
) -> Result<KeyEnrolled, LeadError> {
    let role = holder.role;
    let hello = KeyHello {
        holder: Holder::New { name: holder.name },
        role,
        voucher: Voucher::Charter {
            charter: holder.charter,
        },
    };
    let (challenge, offer) = again(async || open(app, &hello).await).await?;
    let proof: Proof = again(async || {
        let proof = token.prove(readers, &challenge, &offer, role, || ());
        proof.map_err(LeadError::Message)
    })
    .await?;
    let complete = CompleteKey {
        enrolment: challenge.enrolment,
        completion: token.completion(&proof, Consent::Charter),
    };
    again(async || Ok(app.complete_key(complete.clone()).await?)).await
}

/// Opens the enrolment, and keyd's offer with the keys that are believed.
async fn open<K: Keyd, L: Ledger>(
    app: &App<K, L>,
    hello: &KeyHello,
) -> Result<(KeyChallenge, KeyOffer), LeadError> {
    let challenge = app.open_key(hello.clone()).await?;
    let link = app.link().await?;
    let asked = Asked {
        enrolment: challenge.enrolment,
        nonce: &challenge.nonce,
    };
    let offer = Sealed::new(challenge.offer.clone());
    let offer = link.open_key_offer(&offer, asked, &hello.holder)?;
    Ok((challenge, offer))
}

/// Takes a step until it is done, or cannot be, or the person gives up.
async fn again<T>(mut step: impl AsyncFnMut() -> Result<T, LeadError>) -> Result<T, LeadError> {
    loop {
        match step().await {
            Err(error) if error.may_pass() && wants_another_try(&error)? => {}
            done => return done,
        }
    }
}
