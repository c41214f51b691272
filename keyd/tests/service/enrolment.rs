//! Enrolments step by step, so that a test can spoil any one of them.

use wardkey_edge::client::CallError;
use wardkey_fleet::{Certified, KeyDraft, Laptop, LaptopDraft, Person, Token};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::enrolment::{LaptopCompletion, LaptopHello};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key_enrolment::{Holder, KeyCompletion, KeyHello, Voucher};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::{KeyOffer, LaptopOffer, Receipt};
use wardkey_schemas::role::Role;

use crate::running::World;

/// What keyd answered to a laptop's first word.
pub(crate) async fn offer(
    world: &World,
    laptop: &Laptop,
    lead: &Person,
    change: impl FnOnce(&mut LaptopHello),
) -> Result<LaptopOffer, CallError> {
    let fleet = &world.fleet;
    let site = fleet.installation.site(&laptop.site);
    let mut hello = laptop.hello(&fleet.installation.tpm_maker, lead);
    change(&mut hello);
    let (enrolment, nonce) = fleet.enrolment();
    let open = site.seal(&site.open_laptop(enrolment, nonce, hello));
    let offer = fleet.caller.open_laptop(&open).await?;
    Ok(fleet.keys.open(&offer.message).unwrap().into_message())
}

/// The certificates that an honest ca would announce for a laptop.
pub(crate) fn certificates(world: &World, laptop: &Laptop, offer: &LaptopOffer) -> [Certified; 2] {
    let site = world.fleet.installation.site(&offer.site);
    [
        site.certify_device(offer.device, laptop.chip.device.public()),
        site.certify_ak(offer.device, laptop.chip.ak.public()),
    ]
}

/// Announces these certificates with this completion.
pub(crate) async fn announce(
    world: &World,
    site: &SiteCode,
    offer: &LaptopOffer,
    completion: LaptopCompletion,
    certificates: &[Certified],
) -> Result<Sealed<Receipt>, CallError> {
    let site = world.fleet.installation.site(site);
    let announce = site.announce_laptop(offer.registration, completion, certificates);
    world
        .fleet
        .caller
        .announce_laptop(&site.seal(&announce))
        .await
}

/// Completes a laptop's enrolment with a change to what the lead signs and what goes with it.
pub(crate) async fn complete(
    world: &World,
    laptop: &Laptop,
    lead: &Person,
    offer: &LaptopOffer,
    change: impl FnOnce(&mut LaptopDraft),
) -> Result<Sealed<Receipt>, CallError> {
    let mut draft = laptop.draft(offer, lead);
    change(&mut draft);
    let (completion, _) = draft.sign(lead);
    let certificates = certificates(world, laptop, offer);
    announce(world, &offer.site, offer, completion, &certificates).await
}

/// Somebody new, for whom `voucher` vouches.
pub(crate) fn new_holder(role: Role, voucher: &Person) -> KeyHello {
    KeyHello {
        holder: Holder::New {
            name: "Kim Example".parse().unwrap(),
        },
        role,
        voucher: Voucher::Person {
            certificate: voucher.certificate.clone(),
        },
    }
}

/// What keyd answered to the first word about a security key.
pub(crate) async fn key_offer(
    world: &World,
    site: &SiteCode,
    hello: KeyHello,
) -> Result<KeyOffer, CallError> {
    let fleet = &world.fleet;
    let site = fleet.installation.site(site);
    let (enrolment, nonce) = fleet.enrolment();
    let open = site.seal(&site.open_key(enrolment, nonce, hello));
    let offer = fleet.caller.open_key(&open).await?;
    Ok(fleet.keys.open(&offer.message).unwrap().into_message())
}

/// Announces a key's certificate with this completion.
pub(crate) async fn announce_key(
    world: &World,
    offer: &KeyOffer,
    role: Role,
    token: &Token,
    completion: KeyCompletion,
) -> Result<Sealed<Receipt>, CallError> {
    let site = world.fleet.installation.site(&offer.site);
    let now = wardkey_fleet::now();
    let certified = site.certify_person(offer.person, role, token.key.public(), now);
    let announce = site.announce_key(offer.registration, completion, &certified);
    world.fleet.caller.announce_key(&site.seal(&announce)).await
}

/// Completes a key's enrolment with a change to what the new key signs.
pub(crate) async fn complete_key(
    world: &World,
    offer: &KeyOffer,
    role: Role,
    token: &Token,
    voucher: Option<&Person>,
    change: impl FnOnce(&mut KeyDraft),
) -> Result<Sealed<Receipt>, CallError> {
    let mut draft = KeyDraft::new(offer, role, token, voucher);
    change(&mut draft);
    let (completion, _) = draft.sign(token, voucher);
    announce_key(world, offer, role, token, completion).await
}

/// Something that no honest run holds.
pub(crate) fn other_hash() -> Sha256 {
    Sha256::of(b"something else")
}
