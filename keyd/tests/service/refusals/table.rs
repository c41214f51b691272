//! Where each code is tested, or why keyd cannot give it.

use std::path::Path;

use wardkey_schemas::Code;

use super::{evidence, keys, laptops, people, standing, visits};
use crate::{good_path, swaps};

/// What is known of a code.
enum Known {
    /// Tests of the running service that see it.
    Here(&'static [fn()]),
    /// keyd can give it, and what gives it is tested where it is judged: in this folder.
    Judged(&'static str),
    /// keyd cannot give it.
    Never(&'static str),
}

const VERIFIER: &str = "verifier/tests";

#[expect(
    clippy::match_same_arms,
    reason = "the table keeps the order of the codes"
)]
fn known(code: Code) -> Option<Known> {
    use Code::*;
    use Known::{Here, Judged, Never};
    Some(match code {
        MessageType => Never("a body of another type is no message of its route: MESSAGE_MALFORMED"),
        MessageMalformed | MessageTooLarge | RouteUnknown => {
            Here(&[crate::bodies::every_route_answers_bad_bodies_with_a_problem_document])
        }
        SignerUnknown => Here(&[
            swaps::activation::an_activation_that_its_laptop_did_not_sign_changes_nothing_and_is_answered_unsigned,
            laptops::a_registration_belongs_to_the_ca_that_opened_it_and_goes_one_way,
        ]),
        SignatureWrong => Here(&[crate::bodies::a_signed_message_that_was_changed_is_nobodys]),
        NotPermitted => Here(&[
            crate::authorisation::every_role_does_exactly_what_the_table_says,
            people::a_visit_is_ended_once_and_by_somebody_of_its_site,
        ]),
        NotFound => Here(&[
            people::a_confirmation_names_the_tag_and_the_phrase_of_something_that_waits_for_it,
            visits::a_receipt_is_for_an_order_that_was_given_to_this_laptop,
        ]),
        ServiceFault => Here(&[
            crate::failures::a_database_that_is_silent_is_a_fault_and_nothing_is_half_done,
        ]),
        RateLimited => Never("stops are never slowed; ca limits what it offers"),
        Busy => Judged("src"),
        ServiceUnreachable | AnswerNotBelieved => Never("the caller's own word"),
        RecoveryHold => {
            Here(&[crate::recovery::a_restored_database_holds_until_what_it_forgot_is_put_back])
        }
        RecordUnsigned | RecordShortened | RecordForked | RecordEdited => {
            Never("said by whoever reads the record without believing keyd")
        }
        NonceUnknown | NonceUsed | NonceExpired => Here(&[
            visits::a_challenge_works_once_and_in_its_time,
            people::an_act_has_a_nonce_of_its_own_and_is_for_the_persons_site,
        ]),
        NoncePurpose => Never("each kind of nonce has a table of its own: another kind is unknown"),
        RootNotPinned | RootMismatch | BundleSigner | BundleContent | BundleRollback => {
            Never("said by commands and at the start, never to a caller")
        }
        CharterInvalid => Here(&[
            keys::a_site_is_known_by_a_genuine_charter_of_its_own,
            keys::a_newer_charter_takes_the_place_of_the_one_before_and_an_older_one_does_not,
        ]),
        CharterUsed => Here(&[keys::a_charter_certifies_its_own_first_keys_once]),
        SiteUnknown => Here(&[keys::a_site_is_known_by_a_genuine_charter_of_its_own]),
        SiteMismatch => Here(&[
            people::an_act_has_a_nonce_of_its_own_and_is_for_the_persons_site,
            laptops::a_registration_belongs_to_the_ca_that_opened_it_and_goes_one_way,
        ]),
        CertificateMalformed | CertificateSignature | NotRegistered => {
            Here(&[laptops::a_registration_belongs_to_the_ca_that_opened_it_and_goes_one_way])
        }
        RenewalEarly => Here(&[crate::recertification::certificates_are_renewed_in_their_time]),
        CertificateNotYet | KeyNotRecognised => {
            Here(&[standing::a_key_must_be_registered_here_and_its_role_must_open_visits])
        }
        CertificateExpired => Here(&[standing::no_visit_outlives_the_laptops_certificates]),
        CertificateIssuer | CertificatePurpose | CertificateProfile
        | CertificateName | KeyExpired => Judged(VERIFIER),
        KeyNotAttested | TokenKeyAlgorithm => Judged(VERIFIER),
        TokenNotGenuine | AttestationMalformed | TokenSlot | TokenTooOld | TokenPinPolicy
        | TokenTouchPolicy | TokenFormFactor | TokenDuplicate => {
            Here(&[keys::a_security_key_is_genuine_and_set_up_as_the_policy_wants])
        }
        TokenKeyMismatch | TokenSerial => {
            Here(&[swaps::key::no_part_of_a_keys_enrolment_can_come_from_another_one])
        }
        TokenMissing | TokenRemoved | TokenBusy | TokenFault | PinWrong | PinBlocked
        | PinIsDefault | PinTrivial | TouchTimeout => Never("known beside the token only"),
        TpmUnavailable => Never("known on the laptop only"),
        TpmStructure | EkCertificateMissing | EkUntrusted | EkKeyMismatch | EkTemplate
        | TpmManufacturer | AkAlgorithm | AkAttributes | AkCreation | DeviceKeyAttributes => {
            Here(&[laptops::a_laptops_chip_is_genuine_and_its_keys_are_made_as_they_should_be])
        }
        EkCertificate | TpmSoftware | TpmVulnerable => Judged(VERIFIER),
        EkDuplicate => Here(&[
            laptops::a_known_laptop_enrols_again_only_from_quarantine_and_at_its_own_site,
        ]),
        CredentialMismatch | CertifyMismatch => {
            Here(&[swaps::laptop::no_part_of_a_laptops_enrolment_can_come_from_another_one])
        }
        AttestMagic | AttestType | AttestSigner | QuotePcrs | PcrDigest | LogMissing
        | LogMalformed | LogReplayMismatch => {
            Here(&[evidence::a_quote_is_genuine_fresh_whole_and_explained])
        }
        QuoteSignature | QuoteContext | ContextChallenge | ContextNonce | ContextGate
        | ContextDevice | ContextKey | ContextRoom | ContextSite | ContextQuote
        | ContextPurpose => {
            Here(&[swaps::activation::no_part_of_an_activation_can_come_from_another_run])
        }
        PcrChanged => Here(&[
            evidence::a_laptop_that_starts_differently_opens_no_visit_until_it_starts_as_before,
        ]),
        TpmResetInSession | TpmClock => Here(&[
            evidence::a_visit_does_not_outlive_a_restart_of_its_laptop_nor_a_clock_that_jumps,
        ]),
        RequoteWanted => Here(&[
            evidence::a_visit_does_not_outlive_a_restart_of_its_laptop_nor_a_clock_that_jumps,
            evidence::a_quote_that_grows_old_in_a_visit_is_asked_for_anew,
        ]),
        DeviceUnknown | DeviceGeneration | SessionUnknown => {
            Here(&[visits::a_laptop_speaks_of_its_own_visits_orders_and_enrolment])
        }
        DevicePending | DeviceSuspended | DeviceLost | DeviceRevoked | DeviceQuarantined => Here(&[
            standing::a_laptop_is_used_only_while_it_is_active_and_nobody_has_stopped_it,
            standing::what_is_stopped_after_the_challenge_is_refused_at_the_activation,
            good_path::a_laptop_goes_through_everything_that_can_happen_to_it,
        ]),
        KeyPending | KeySuspended | KeyLost | KeyRevoked => Here(&[
            standing::a_key_is_used_only_while_it_is_active_and_nobody_has_stopped_it,
            standing::what_is_stopped_after_the_challenge_is_refused_at_the_activation,
        ]),
        KeyNotForThisSite => {
            Here(&[standing::a_key_must_be_registered_here_and_its_role_must_open_visits])
        }
        KeyRole => Here(&[
            standing::an_enrolment_is_vouched_for_by_somebody_who_may_act,
            keys::each_line_vouches_for_its_own_people_and_nobody_for_themselves,
        ]),
        KeyInUseElsewhere => {
            Here(&[visits::a_key_has_one_visit_and_a_refused_second_one_disturbs_nobody])
        }
        SessionLimit => Never("a new visit on a laptop takes the place of the one before"),
        SessionEnded => Here(&[
            visits::a_new_visit_on_a_laptop_takes_the_place_of_the_one_before,
            people::a_visit_is_ended_once_and_by_somebody_of_its_site,
        ]),
        SessionHardEnd => Here(&[
            visits::a_visit_ends_at_its_hard_end_and_can_be_extended_by_another_key_before,
        ]),
        RenewalNonce => Here(&[swaps::renewal::no_part_of_a_renewal_can_come_from_another_run]),
        RoomUnknown | RoomClosed => Here(&[visits::a_visit_is_in_an_open_room_of_its_site]),
        RoomNotSite => Here(&[
            swaps::activation::a_challenge_speaks_of_the_laptop_that_asks_and_of_a_key_of_its_site,
        ]),
        StateTransition => Here(&[
            people::a_confirmation_names_the_tag_and_the_phrase_of_something_that_waits_for_it,
            people::holds_are_lifted_by_name_and_only_where_they_stand,
        ]),
        RegistrationUnknown | RegistrationState => {
            Here(&[laptops::a_registration_belongs_to_the_ca_that_opened_it_and_goes_one_way])
        }
        RegistrationMismatch => Here(&[
            swaps::laptop::a_ca_announces_exactly_the_laptops_own_keys,
            swaps::key::no_part_of_a_keys_enrolment_can_come_from_another_one,
        ]),
        ApproverMissing => {
            Here(&[swaps::laptop::no_part_of_a_laptops_enrolment_can_come_from_another_one])
        }
        PhraseMismatch | AssetMismatch => Here(&[
            people::a_confirmation_names_the_tag_and_the_phrase_of_something_that_waits_for_it,
        ]),
        AssetTaken => Here(&[laptops::a_tag_is_on_one_laptop_of_a_site]),
        ConfirmSelf => Here(&[people::where_the_site_wants_it_another_person_confirms]),
        HoldUnknown => Here(&[people::holds_are_lifted_by_name_and_only_where_they_stand]),
        ApprovalRequired => Here(&[people::whose_key_was_stopped_acts_no_more]),
        ApprovalSelf | ApprovalRole | ApprovalExpired | ApprovalMismatch => Here(&[
            people::what_was_lost_is_freed_by_two_people_of_two_roles_who_mean_the_same,
        ]),
        OrderDevice => Here(&[visits::a_receipt_is_for_an_order_that_was_given_to_this_laptop]),
        GateLatched | GateSealed | GateUnavailable | LeaseSigner | LeaseDevice | LeaseNonceUnknown
        | LeaseNonceUsed | LeaseRoom | LeaseSession | LeaseOver | LeaseLimits
        | ActivationMismatch | GateClosed | OrderSigner | OrderApproval => {
            Never("the gate's word on the laptop")
        }
        NotEnrolled | AlreadyEnrolled | StateOutOfTurn => Never("the agent's word on the laptop"),
        StatusSigner | StatusListOther | StatusListMalformed | StatusListBroken
        | StatusListExpired | EpochRollback => Judged(VERIFIER),
        StatusListMissing => Judged("src"),
        StatusChangesGone => {
            Here(&[crate::status_lists::a_stop_is_published_and_followed_by_whoever_has_the_list])
        }
        PersonSuspended => Here(&[crate::reach::a_person_is_stopped_with_all_their_keys_at_every_site]),
        SiteSuspended => Here(&[
            crate::reach::one_officer_blocks_every_start_of_a_site_and_running_calls_finish,
        ]),
        NationSuspended => Here(&[
            crate::reach::whatever_is_national_takes_two_national_administrators,
        ]),
        UndoNotPossible => Here(&[
            crate::reach::an_everyday_stop_is_taken_back_by_whoever_placed_it_and_soon,
        ]),
        _ => return None,
    })
}

/// Whether a file in this folder, or below it, names the code.
fn is_named(folder: &Path, code: Code) -> bool {
    let name = format!("Code::{code:?}");
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_named(&path, code);
        }
        std::fs::read_to_string(path).is_ok_and(|text| text.contains(&name))
    })
}

#[test]
fn every_code_is_tested_or_cannot_come_from_here() {
    for code in Code::ALL {
        match known(*code) {
            None => panic!("{code} is not in the table"),
            Some(Known::Here(tests)) => assert!(!tests.is_empty(), "{code}"),
            Some(Known::Judged(folder)) => {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
                assert!(
                    is_named(&folder, *code),
                    "{code} is not in {}",
                    folder.display()
                );
            }
            Some(Known::Never(why)) => assert!(!why.is_empty(), "{code}"),
        }
    }
}
