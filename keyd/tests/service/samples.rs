//! An honest body for each route that takes one, signed by whoever is asked to.

use wardkey_fleet::tpm::EkKind;
use wardkey_keyd::api::Route;
use wardkey_schemas::action::Act;
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::jws::{self, Jws, Message, Sealed};
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::order::OrderResult;
use wardkey_schemas::query::{Query, Question};
use wardkey_schemas::registration::SiteHello;
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

use crate::authorisation::Things;
use crate::enrolment::new_holder;
use crate::running::World;

/// The body of a route around an honest message that `key` signs; `None` where nothing is signed.
pub(crate) fn body(
    world: &World,
    things: &Things,
    route: Route,
    key: &SigningKey,
) -> Option<Vec<u8>> {
    fn sealed<T: Message>(message: &T, key: &SigningKey) -> Vec<u8> {
        serde_json::to_vec(&Sealed::new(signed(message, key))).unwrap()
    }
    fn signed<T: Message>(message: &T, key: &SigningKey) -> Jws<T> {
        jws::sign(message, key).unwrap()
    }
    let (fleet, people, laptop) = (&world.fleet, world.fleet.first(), &things.laptop);
    let site = fleet.installation.site(&people.site);
    let lead = &people.leads[0];
    let (enrolment, nonce) = fleet.enrolment();
    let registration = wardkey_schemas::ids::RegistrationId::from_random([1; 16]);
    let body = match route {
        Route::OpenLaptop => {
            let fresh = fleet.new_laptop(&people.site, EkKind::P256);
            let hello = fresh.hello(&fleet.installation.tpm_maker, lead);
            sealed(&site.open_laptop(enrolment, nonce, hello), key)
        }
        Route::OpenKey => {
            let hello = new_holder(Role::Staff, lead);
            sealed(&site.open_key(enrolment, nonce, hello), key)
        }
        Route::ReportIssued => sealed(&site.report(registration, &[]), key),
        Route::Challenge => {
            let (purpose, room) = (Purpose::Activate, RoomChoice::New);
            let request = laptop.challenge_request(&people.staff, purpose, room);
            sealed(&request, key)
        }
        Route::EndVisit => sealed(&laptop.end(things.session, EndReason::Staff), key),
        Route::Poll => sealed(&laptop.status(OrderSeq::NONE), key),
        Route::Receipt => {
            let order = wardkey_schemas::order::Order {
                order: wardkey_schemas::ids::OrderId::from_random([1; 16]),
                seq: OrderSeq::new(1),
                device: laptop.device,
                device_key: Thumbprint::new([1; 32]),
                generation: laptop.generation,
                command: wardkey_schemas::order::Command::EndSession {
                    session: things.session,
                },
                server_time: wardkey_fleet::now(),
            };
            let receipt = laptop.receipt(&signed(&order, key), &order, OrderResult::Stopped);
            sealed(&receipt, key)
        }
        Route::Act => {
            let act = Act::OpenReader {
                reader_key: *lead.token.key.public(),
                lasts: Seconds::new(60),
            };
            let action = people.staff.action(nonce, act);
            let act = wardkey_schemas::order::SignedAct {
                action: signed(&action, key),
                certificate: people.staff.certificate.clone(),
            };
            serde_json::to_vec(&act).unwrap()
        }
        Route::Ask => {
            let query = Query {
                about: None,
                reader: things.reader.id,
                counter: 1,
                question: Question::Laptops,
            };
            sealed(&query, key)
        }
        // A charter is signed at the root, and whoever shows it may show it.
        Route::WelcomeSite => {
            let charter = fleet.installation.charter(&people.site, Vec::new());
            let charter = signed(&charter, key);
            serde_json::to_vec(&SiteHello { charter }).unwrap()
        }
        // The bodies of these belong to what came before them; the swap matrix has them.
        Route::AnnounceLaptop
        | Route::OpenRecertification
        | Route::AnnounceRecertification
        | Route::AnnounceKey
        | Route::Activate
        | Route::Renew
        // Nothing is signed here.
        | Route::Bundle
        | Route::ServiceKeys
        | Route::StatusList
        | Route::StatusChanges
        | Route::Link
        | Route::ChallengePerson
        | Route::LogKey
        | Route::LogCheckpoint
        | Route::LogWitnessed
        | Route::LogTile
        | Route::LogProof
        | Route::Health
        | Route::Ready
        | Route::Metrics => return None,
    };
    Some(body)
}
