//! Enrolling this laptop, with a team lead beside it (`docs/walkthroughs/laptop.md`).
//!
//! A program of its own, which needs no running agent. The TPM proves that its keys are in one chip,
//! the lead signs with PIN and touch, the site's authority certifies, and the laptop waits to be
//! confirmed on another screen by the four words that were shown before the touch.
//!
//! # Invariants
//!
//! - Without the pinned hash of the root nothing begins: there is no trust on first use.
//! - The bundle and keyd's keys are verified from that hash before the lead is asked for anything;
//!   keyd's offer and receipt by keyd's signature; the certificates by the bundle.
//! - Nothing is written before everything was verified. A run that fails leaves the laptop as it
//!   was, and the next run begins anew: salts are drawn each time, so every run has keys of its own.
//!
//! # Where to start
//!
//! [`enrol`] reads as the list of steps.

mod authority;
mod chip;
mod ground;
mod lead;
mod show;

use serde::Serialize;
use wardkey_edge::client::Client;
use wardkey_schemas::binding::EnrolmentBinding;
use wardkey_schemas::enrolment::{
    CompleteLaptop, LaptopApproval, LaptopCompletion, LaptopHello, credential_proof,
};
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::jws::Unsigned;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{AssetTag, SiteCode, TokenSerial};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_token::message::MessageError;
use wardkey_token::pin_entry::PinEntry;

use self::authority::{Authority, Certified, Opened};
use self::chip::{BoundChip, Chip, Proof};
use self::ground::Ground;
pub use self::show::words;
use crate::config::Config;
use crate::failure::Failure;
use crate::holder::{Holder, Tell};
use crate::laptop::{KeySalt, Laptop};
use crate::random;
use crate::trust_file::{self, Trusted};

/// What is to be enrolled, and with whose key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// The tag on the laptop's lid.
    pub asset: AssetTag,
    /// The lead's security key, where several are plugged in.
    pub serial: Option<TokenSerial>,
}

/// A laptop that was enrolled and waits to be confirmed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Enrolled {
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its number.
    pub device: DeviceId,
    /// Which enrolment it is.
    pub generation: Generation,
    /// Its site.
    pub site: SiteCode,
    /// Its device key.
    pub device_key: Thumbprint,
    /// What another screen must show as well.
    pub phrase: Phrase,
    /// How it stands.
    pub state: ObjectState,
    /// The last second of its certificates.
    pub valid_until: Timestamp,
}

/// Enrols this laptop, or enrols it again as the next generation if its last enrolment was never
/// confirmed or is in quarantine.
///
/// # Errors
///
/// `ROOT_NOT_PINNED`, `ROOT_MISMATCH`; [`Failure::State`] for a state that cannot be understood,
/// before anything else is looked at; `TOKEN_…`, `PIN_…`, `KEY_ROLE`; `EK_CERTIFICATE_MISSING`;
/// whatever the site's authority refuses; [`Failure::NotBelieved`] for what is not genuine;
/// [`Failure::Unreachable`].
pub async fn enrol(
    config: &Config,
    wish: &Wish,
    mut pins: PinEntry,
    tell: Tell<'_>,
) -> Result<Enrolled, Failure> {
    let ground = Ground::prepare(config)?;
    tell("asking the key service whom to trust …");
    let keyd = Client::new(&ground.root().endpoint(&config.keyd))?;
    let trusted = ground.fetch_trust(&keyd).await?;
    let lead = lead::find(wish.serial, &trusted)?;
    tell(&format!(
        "security key {}: {} at {}",
        lead.serial(),
        lead.person().role(),
        lead.person().site()
    ));

    tell("reading the laptop's security chip; this can take a minute …");
    let salts = Salts::draw()?;
    let chip = Chip::open(&config.tpm, salts.ak)?;
    let hello = LaptopHello {
        asset: wish.asset.clone(),
        ek: chip.endorsement_key(),
        ak: chip.attestation_key()?,
        tpm: chip.properties()?,
        lead_certificate: lead.certificate().into(),
        bundle: trusted.trust().bundle().version(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    tell("asking the site's authority …");
    let authority = Authority::new(Client::new(&ground.root().endpoint(&config.ca))?);
    let opened = authority.open(&hello, &trusted, lead.person()).await?;

    tell("proving the keys of the security chip …");
    let secrets = opened.credentials();
    let (chip, secrets) = chip.open_secrets(secrets)?;
    let proof = chip.prove(
        &opened.binding(&wish.asset),
        &opened.offer().pcrs,
        salts.device,
    )?;
    let approval = approval(&hello, &opened, &proof, &ground, &lead);
    let unsigned = Unsigned::new(&approval, lead.person().thumbprint());
    let phrase = Phrase::of(&unsigned.map_err(MessageError::from)?.payload_sha256());
    tell(&show::big(&phrase));
    let purpose = format!("enrol laptop {} at {}", approval.asset, approval.site);
    let approval = lead
        .unlock(&purpose, &mut pins, tell)?
        .sign(&approval, tell)?;

    tell("sending it to the site's authority …");
    let [ca_secret, keyd_secret] = secrets;
    let completion = CompleteLaptop {
        enrolment: opened.offer().enrolment,
        completion: LaptopCompletion {
            ca_proof: credential_proof(&ca_secret, &approval),
            keyd_proof: credential_proof(&keyd_secret, &approval),
            approval,
            device_public: proof.device_public.clone(),
            certify: proof.certify.clone(),
            quote: proof.quote.clone(),
            event_log: ground.event_log().clone(),
        },
    };
    let certified = authority
        .complete(&completion, &opened, &proof, &trusted)
        .await?;
    let valid_until = certified.valid_until();
    let laptop = laptop(wish, salts, &opened, &proof, certified);
    keep(&ground, config, &laptop, &trusted, &chip)?;
    Ok(Enrolled {
        asset: laptop.asset,
        device: laptop.device,
        generation: laptop.generation,
        site: laptop.site,
        device_key: laptop.device_key.thumbprint(),
        phrase,
        state: ObjectState::Pending,
        valid_until,
    })
}

/// What tells the keys of this run from those of any other.
#[derive(Clone, Copy, Debug)]
struct Salts {
    ak: KeySalt,
    device: KeySalt,
}

impl Salts {
    fn draw() -> Result<Self, Failure> {
        Ok(Self {
            ak: KeySalt::new(random::bytes()?),
            device: KeySalt::new(random::bytes()?),
        })
    }
}

/// What the lead signs: this laptop, these keys, this boot.
fn approval(
    hello: &LaptopHello,
    opened: &Opened,
    proof: &Proof,
    ground: &Ground,
    lead: &Holder,
) -> LaptopApproval {
    let offer = opened.offer();
    let EnrolmentBinding {
        site,
        asset,
        enrolment,
        registration,
        ca_nonce,
        keyd_nonce,
    } = opened.binding(&hello.asset);
    LaptopApproval {
        site: site.clone(),
        asset: asset.clone(),
        enrolment,
        registration,
        device: offer.device,
        generation: offer.generation,
        ek: hello.ek.public.sha256(),
        ak_name: proof.ak_name.clone(),
        device_key: proof.device_key.thumbprint(),
        certify: proof.certify.attest.sha256(),
        quote: proof.quote.sha256(),
        event_log: ground.event_log().sha256(),
        ca_nonce: *ca_nonce,
        keyd_nonce: *keyd_nonce,
        lead_key: lead.person().thumbprint(),
    }
}

fn laptop(
    wish: &Wish,
    salts: Salts,
    opened: &Opened,
    proof: &Proof,
    certified: Certified,
) -> Laptop {
    let (device_certificate, ak_certificate) = certified.into_certificates();
    Laptop {
        device: opened.offer().device,
        generation: opened.offer().generation,
        site: opened.offer().site.clone(),
        asset: wish.asset.clone(),
        ak_salt: salts.ak,
        device_salt: salts.device,
        ak: proof.ak,
        device_key: proof.device_key,
        device_certificate,
        ak_certificate,
    }
}

/// Writes everything down, each file as a whole. The gate's comes last: until then it goes on with
/// whom it knew. By the counter, which is new, it knows that the enrolment is.
fn keep(
    ground: &Ground,
    config: &Config,
    laptop: &Laptop,
    trusted: &Trusted,
    chip: &BoundChip,
) -> Result<(), Failure> {
    trust_file::save(ground.folder(), trusted.kept())?;
    laptop.save(ground.folder())?;
    chip.make_counter()?;
    laptop.identity().write(&config.identity)?;
    Ok(())
}
