//! The table of refusal codes: one entry a way to say no.
//!
//! Columns: name, word on the wire, kind, verdict; then three texts. The *heading* and the *next
//! step* are read by staff and patients' carers, so they follow the house's words for people; the
//! *meaning* is for operators and names things as the standards do.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, Verdict};

macro_rules! codes {
    ($($name:ident, $word:literal, $kind:ident, $verdict:ident,
        $heading:literal, $meaning:literal, $next:literal;)*) => {
        /// A stable word for one way to say no.
        #[derive(
            Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd,
            Serialize,
        )]
        #[non_exhaustive]
        pub enum Code {
            $(
                #[doc = $meaning]
                #[serde(rename = $word)]
                $name,
            )*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word on the wire, in the record and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// One line for the person at the screen, without a full stop.
            pub const fn heading(self) -> &'static str {
                match self { $(Self::$name => $heading,)* }
            }

            /// What it means, for operators.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do next.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }

            /// What kind of no it is.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// What it does to a call that is running, when it comes signed.
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$name => Verdict::$verdict,)* }
            }
        }
    };
}

codes! {
    // Messages and callers.
    MessageMalformed, "MESSAGE_MALFORMED", Malformed, NotNow,
        "The message could not be read",
        "The request or a signed part of it is not exactly the message that this address takes.",
        "Update the program that sent it; if it is up to date, report this with the reference.";
    MessageTooLarge, "MESSAGE_TOO_LARGE", TooLarge, NotNow,
        "The message is too long",
        "The request or one of its parts is longer than its type allows.",
        "Send less; the limits are listed in the reference pages.";
    MessageType, "MESSAGE_TYPE", Malformed, NotNow,
        "The wrong kind of message",
        "A signed message of one type was sent where another is wanted.",
        "Update the program that sent it.";
    SignerUnknown, "SIGNER_UNKNOWN", Unknown, NotNow,
        "Nobody we know signed this",
        "The message names a key that is not registered here.",
        "Check that the laptop or security key is enrolled at this installation.";
    SignatureWrong, "SIGNATURE_WRONG", Unknown, NotNow,
        "The signature does not match",
        "The message was changed on its way, or it was signed by another key than it names.",
        "Try again; if it happens again, tell your security officer.";
    RouteUnknown, "ROUTE_UNKNOWN", NotFound, NotNow,
        "There is nothing at this address",
        "No service of this kind answers at this address and method.",
        "Check the address in the settings.";
    NotPermitted, "NOT_PERMITTED", Refused, NotNow,
        "Your role cannot do this",
        "The certificate is genuine, but its role may not do this act.",
        "Ask a person whose role can do this.";
    NotFound, "NOT_FOUND", NotFound, NotNow,
        "There is no such thing at your site",
        "The name or number is not one that your site has.",
        "Check the name on the label or in the list and try again.";
    RateLimited, "RATE_LIMITED", TooOften, NotNow,
        "Too many tries",
        "More requests came from one sender than the service takes in this time.",
        "Wait a minute, then try again.";
    Busy, "BUSY", Unavailable, NotNow,
        "The service is busy",
        "The service is over its limit of work in progress.",
        "Try again in a minute.";
    ServiceFault, "SERVICE_FAULT", Unavailable, NotNow,
        "The service cannot answer now",
        "Something the service needs, such as its database, did not answer.",
        "Try again in a few minutes; if it goes on, ring the service desk.";
    ServiceUnreachable, "SERVICE_UNREACHABLE", Unavailable, NotNow,
        "The key service cannot be reached",
        "No answer that can be believed came back over the network.",
        "Check the network cable or Wi-Fi, then try again.";
    RecordUnsigned, "RECORD_UNSIGNED", Refused, NotNow,
        "The record is not signed by those who must sign it",
        "A checkpoint of the record is not one that the log's key and every wanted witness has signed.",
        "Keep what you have, and tell your security officer.";
    RecordShortened, "RECORD_SHORTENED", Refused, NotNow,
        "Part of the record is missing",
        "The record has fewer entries than it had when it was last looked at, or than it has signed for.",
        "Keep what you have, and tell your security officer which entry is the first that is missing.";
    RecordForked, "RECORD_FORKED", Refused, NotNow,
        "The record is not the one that was seen before",
        "An entry differs from the one that was seen at its place: the log has two histories.",
        "Keep what you have, and tell your security officer which entry is the first that differs.";
    RecordEdited, "RECORD_EDITED", Refused, NotNow,
        "The record was changed",
        "An entry does not link to the one before it, or is not the one under the signed root.",
        "Keep what you have, and tell your security officer which entry is the first that is wrong.";
    RecoveryHold, "RECOVERY_HOLD", Unavailable, NotNow,
        "The service is being checked after a fault",
        "The record is shorter than a witness has signed, differs from it, or no witness can be asked: nothing is issued, leased or let back in until it is recovered. Stops work.",
        "Visits that run go on for now; ask your service desk when new ones can start.";
    AnswerNotBelieved, "ANSWER_NOT_BELIEVED", Unavailable, NotNow,
        "The answer could not be believed",
        "The answer was not signed by the key service, or it belongs to another question.",
        "Try again; if it happens again, tell your security officer.";
    // Nonces.
    NonceUnknown, "NONCE_UNKNOWN", Conflict, NotNow,
        "This request was not expected",
        "The nonce was not given out by this service.",
        "Start again from the beginning.";
    NonceUsed, "NONCE_USED", Conflict, NotNow,
        "This request was already used",
        "The nonce was given back once before; each works once.",
        "Start again from the beginning.";
    NonceExpired, "NONCE_EXPIRED", Conflict, NotNow,
        "It took too long",
        "The nonce was given back after its time.",
        "Start again; you have about two minutes.";
    NoncePurpose, "NONCE_PURPOSE", Conflict, NotNow,
        "This request was meant for something else",
        "The nonce was given out for another purpose or another asker.",
        "Start again from the beginning.";
    // Trust bundle, charter and our own certificates.
    RootNotPinned, "ROOT_NOT_PINNED", Refused, NotNow,
        "This laptop does not know whom to trust",
        "The laptop's image holds no hash of the root, so nothing can be believed.",
        "Install the image for your installation; do not copy the hash from the network.";
    RootMismatch, "ROOT_MISMATCH", Refused, NotNow,
        "This comes from another installation",
        "The root certificate is not the one whose hash is pinned.",
        "Check that you talk to the right service and that the image is the right one.";
    BundleSigner, "BUNDLE_SIGNER", Refused, NotNow,
        "The trust bundle was not signed by its signer",
        "The bundle's signer is not certified by the root for that purpose, or its signature does not match.",
        "Fetch the bundle again; if it happens again, tell the national team.";
    BundleContent, "BUNDLE_CONTENT", Refused, NotNow,
        "The trust bundle does not make sense",
        "The bundle is genuine but lacks something, repeats something, or contradicts itself.",
        "Ask the national team for a corrected bundle.";
    BundleRollback, "BUNDLE_ROLLBACK", Refused, NotNow,
        "The trust bundle is older than the one in use",
        "A bundle with a lower version was offered.",
        "Use the newest bundle; an older one is never taken back.";
    CharterInvalid, "CHARTER_INVALID", Refused, NotNow,
        "The site's charter does not fit",
        "The charter is not signed by the bundle's signer, or it names another site, authority or registrar.",
        "Ask the national team for the right charter.";
    CharterUsed, "CHARTER_USED", Conflict, NotNow,
        "The charter was already used",
        "A charter certifies each first key once.",
        "Enrol further keys with a team lead's approval.";
    SiteUnknown, "SITE_UNKNOWN", Refused, NotNow,
        "This site is not known",
        "The trust bundle has no authority for this site.",
        "Check the site code; a new site must be in the trust bundle first.";
    SiteMismatch, "SITE_MISMATCH", Refused, NotNow,
        "This belongs to another site",
        "The certificate or message speaks for another site than the one asked.",
        "Use a laptop and security key of the same site.";
    CertificateMalformed, "CERTIFICATE_MALFORMED", Malformed, NotNow,
        "The certificate could not be read",
        "The bytes are not one X.509 certificate.",
        "Enrol again; if it happens again, report this with the reference.";
    CertificateIssuer, "CERTIFICATE_ISSUER", Refused, NotNow,
        "The certificate is not from this site's authority",
        "The certificate's issuer is not the authority that must have issued it.",
        "Use a security key that was enrolled at this site.";
    CertificateSignature, "CERTIFICATE_SIGNATURE", Refused, NotNow,
        "The certificate is not genuine",
        "The issuer's key did not sign this certificate.",
        "Tell your security officer.";
    CertificateExpired, "CERTIFICATE_EXPIRED", Refused, NotNow,
        "The certificate has run out",
        "The certificate's time is over.",
        "Ask your team lead to renew it.";
    CertificateNotYet, "CERTIFICATE_NOT_YET", Refused, NotNow,
        "The certificate is not valid yet",
        "The certificate's time has not begun on the service's clock.",
        "Check the clock of the service that issued it.";
    CertificatePurpose, "CERTIFICATE_PURPOSE", Refused, NotNow,
        "The certificate is for something else",
        "The certificate lacks the key usage that this needs.",
        "Use the certificate that was made for this.";
    CertificateProfile, "CERTIFICATE_PROFILE", Refused, NotNow,
        "The certificate does not follow the profile",
        "An extension is missing, repeated, unknown and critical, or says something that the profile does not allow.",
        "Enrol again; if it happens again, report this with the reference.";
    CertificateName, "CERTIFICATE_NAME", Refused, NotNow,
        "The certificate is outside its authority's names",
        "A name in the certificate lies outside what its authority may certify.",
        "Tell the national team: an authority has issued beyond its site.";
    // Tokens.
    KeyNotAttested, "KEY_NOT_ATTESTED", Refused, NotNow,
        "This key was not made in the security key",
        "There is no attestation for the key, as when it was imported.",
        "Reset the security key and enrol it again, so that it makes its own key.";
    AttestationMalformed, "ATTESTATION_MALFORMED", Malformed, NotNow,
        "The security key's statement could not be read",
        "The attestation certificate lacks a Yubico extension or has one in a form that genuine tokens do not use.",
        "Use a YubiKey 5; if it is one, report this with the reference.";
    TokenNotGenuine, "TOKEN_NOT_GENUINE", Refused, NotNow,
        "This security key is not known to be genuine",
        "The attestation does not lead to a pinned root of the maker for PIV keys.",
        "Use a security key from your organisation's supply.";
    TokenSlot, "TOKEN_SLOT", Refused, NotNow,
        "The key is in the wrong place on the security key",
        "The attestation is for another slot than 9c.",
        "Enrol again with the enrolment program, which uses the right slot.";
    TokenKeyMismatch, "TOKEN_KEY_MISMATCH", Refused, NotNow,
        "The security key vouches for another key",
        "The attested public key is not the one that is to be certified.",
        "Enrol again with one security key in at a time.";
    TokenKeyAlgorithm, "TOKEN_KEY_ALGORITHM", Refused, NotNow,
        "The key is of the wrong kind",
        "The attested key is not on the curve P-256.",
        "Enrol again with the enrolment program, which makes the right kind.";
    TokenTooOld, "TOKEN_TOO_OLD", Refused, NotNow,
        "This security key is too old",
        "The token's firmware is older than the policy allows for keys of this kind.",
        "Use a newer security key.";
    TokenPinPolicy, "TOKEN_PIN_POLICY", Refused, NotNow,
        "The security key would not always ask for its PIN",
        "The key's PIN policy is not *always*.",
        "Enrol again with the enrolment program, which sets the right policy.";
    TokenTouchPolicy, "TOKEN_TOUCH_POLICY", Refused, NotNow,
        "The security key would not always ask for a touch",
        "The key's touch policy is not *always*.",
        "Enrol again with the enrolment program, which sets the right policy.";
    TokenFormFactor, "TOKEN_FORM_FACTOR", Refused, NotNow,
        "This type of security key is not allowed",
        "The form factor in the attestation is unknown or not allowed by policy.",
        "Use a security key from your organisation's supply.";
    TokenSerial, "TOKEN_SERIAL", Refused, NotNow,
        "The serial number does not fit",
        "The attestation has no serial number, or another one than was reported.",
        "Enrol again with one security key in at a time.";
    TokenDuplicate, "TOKEN_DUPLICATE", Conflict, NotNow,
        "This security key is already enrolled",
        "A key that is not retired has the same serial number or the same public key.",
        "Retire the earlier enrolment first, or use another security key.";
    TokenMissing, "TOKEN_MISSING", NotFound, NotNow,
        "No security key is plugged in",
        "No reader holds a token that can be used.",
        "Plug in your security key.";
    TokenRemoved, "TOKEN_REMOVED", Conflict, NotNow,
        "The security key was taken out",
        "The token left the reader before it had finished.",
        "Plug it in again and leave it in until you are told to take it out.";
    TokenBusy, "TOKEN_BUSY", Conflict, NotNow,
        "Another program is using the security key",
        "The reader is held exclusively by somebody else.",
        "Close the other program, or take the security key out and put it back.";
    TokenFault, "TOKEN_FAULT", Unavailable, NotNow,
        "The security key did not work",
        "The token answered with an error that has no better name.",
        "Take it out, put it back and try again; if it goes on, use the spare key.";
    PinWrong, "PIN_WRONG", Refused, NotNow,
        "That is not the PIN of this security key",
        "The token refused the PIN and counted the try.",
        "Check which security key it is, then type its PIN again.";
    PinBlocked, "PIN_BLOCKED", Refused, NotNow,
        "The PIN of this security key is blocked",
        "Too many wrong tries; the token takes no PIN any more.",
        "Ask your team lead to enrol the security key again, and use the spare key today.";
    PinIsDefault, "PIN_IS_DEFAULT", Refused, NotNow,
        "The security key still has the PIN it was sold with",
        "The token's PIN is the factory default.",
        "Ask your team lead to enrol the security key.";
    PinTrivial, "PIN_TRIVIAL", Refused, NotNow,
        "That PIN is too easy to guess",
        "The new PIN is a sequence, a repetition, a year or the factory default, or not 6 to 8 digits.",
        "Choose 6 to 8 digits that nobody would guess.";
    TouchTimeout, "TOUCH_TIMEOUT", Refused, NotNow,
        "The security key was not touched in time",
        "The token waited for a touch and gave up.",
        "Try again and touch the gold disc when it blinks.";
    // The laptop's TPM.
    TpmUnavailable, "TPM_UNAVAILABLE", Unavailable, NotNow,
        "The laptop's security chip does not answer",
        "The TPM cannot be opened or answered with an error.",
        "Restart the laptop; if it goes on, use another laptop and tell the service desk.";
    TpmStructure, "TPM_STRUCTURE", Malformed, NotNow,
        "The security chip's statement could not be read",
        "A TPM structure is cut short, too long, or not what its place demands.",
        "Update the agent; if it is up to date, report this with the reference.";
    EkCertificateMissing, "EK_CERTIFICATE_MISSING", Refused, NotNow,
        "The security chip has no certificate from its maker",
        "No endorsement key certificate was sent.",
        "Use a laptop whose security chip has one; others need an entry in the signed manifest.";
    EkCertificate, "EK_CERTIFICATE", Refused, NotNow,
        "The security chip's certificate does not fit",
        "The endorsement key certificate breaks the TCG profile.",
        "Report the laptop's model and this reference.";
    EkUntrusted, "EK_UNTRUSTED", Refused, NotNow,
        "The security chip's maker is not known here",
        "The endorsement key certificate does not lead to a maker root in the trust bundle.",
        "Ask the national team to add the maker, if the laptop is genuine.";
    EkKeyMismatch, "EK_KEY_MISMATCH", Refused, NotNow,
        "The security chip shows another key than its certificate",
        "The endorsement key is not the key in its certificate.",
        "Tell your security officer: the laptop may have been tampered with.";
    EkTemplate, "EK_TEMPLATE", Refused, NotNow,
        "The security chip's key is of the wrong kind",
        "The endorsement key's attributes, policy or algorithm are not those of a TCG template.",
        "Report the laptop's model and this reference.";
    EkDuplicate, "EK_DUPLICATE", Conflict, NotNow,
        "This laptop is already enrolled",
        "Another enrolment that is not in quarantine has this endorsement key.",
        "If it was wiped, ask for its quarantine first; then enrol it again.";
    TpmSoftware, "TPM_SOFTWARE", Refused, NotNow,
        "This is not real hardware",
        "The TPM is a software TPM, which only a test installation accepts.",
        "Use a laptop with a hardware security chip.";
    TpmManufacturer, "TPM_MANUFACTURER", Refused, NotNow,
        "The security chip gives two different makers",
        "The maker in the certificate is not the one the chip reports, or not one its root may speak for.",
        "Tell your security officer: the laptop may have been tampered with.";
    TpmVulnerable, "TPM_VULNERABLE", Refused, NotNow,
        "This laptop's security chip has a known weakness",
        "The endorsement key was made by a chip whose keys can be computed (CVE-2017-15361).",
        "Use another laptop, and report this one's model and this reference.";
    AkAlgorithm, "AK_ALGORITHM", Refused, NotNow,
        "The laptop's signing key is of the wrong kind",
        "The attestation key is not P-256 with SHA-256.",
        "Update the agent and enrol again.";
    AkAttributes, "AK_ATTRIBUTES", Refused, NotNow,
        "The laptop's signing key has the wrong properties",
        "The attestation key's attributes are not exactly those of a restricted signing key that cannot leave its TPM.",
        "Update the agent and enrol again.";
    AkCreation, "AK_CREATION", Refused, NotNow,
        "The laptop's signing key was not made as it should be",
        "The creation proof does not belong to this attestation key.",
        "Update the agent and enrol again.";
    CredentialMismatch, "CREDENTIAL_MISMATCH", Refused, NotNow,
        "The laptop could not prove its security chip",
        "The secret that only this laptop's TPM can open did not come back.",
        "Start the enrolment again; if it happens again, tell your security officer.";
    DeviceKeyAttributes, "DEVICE_KEY_ATTRIBUTES", Refused, NotNow,
        "The laptop's own key has the wrong properties",
        "The device key's algorithm or attributes are not those of a key that cannot leave its TPM.",
        "Update the agent and enrol again.";
    CertifyMismatch, "CERTIFY_MISMATCH", Refused, NotNow,
        "The laptop's own key was not certified by its chip",
        "The certification is for another key, or was made by another key, or for another enrolment.",
        "Start the enrolment again; if it happens again, tell your security officer.";
    AttestMagic, "ATTEST_MAGIC", Refused, NotNow,
        "The statement was not made inside a security chip",
        "The structure does not begin with the TPM's own magic number.",
        "Tell your security officer: this is not something a genuine laptop does.";
    AttestType, "ATTEST_TYPE", Refused, NotNow,
        "The security chip's statement is of the wrong kind",
        "The attest structure has another type than this step needs.",
        "Update the agent; if it is up to date, tell your security officer.";
    AttestSigner, "ATTEST_SIGNER", Refused, NotNow,
        "The statement comes from another key",
        "The qualified signer is not this laptop's attestation key.",
        "Enrol the laptop again; if it happens again, tell your security officer.";
    QuoteSignature, "QUOTE_SIGNATURE", Refused, Stop,
        "The laptop's statement is not genuine",
        "The quote's or time stamp's signature does not verify under the laptop's attestation key.",
        "Try again; if it happens again, use another laptop and tell your security officer.";
    QuoteContext, "QUOTE_CONTEXT", Refused, NotNow,
        "The laptop's statement was made for another request",
        "The quote does not cover this challenge, room, key and laptop.",
        "Start again from the beginning.";
    QuotePcrs, "QUOTE_PCRS", Refused, NotNow,
        "The laptop's statement leaves something out",
        "The quote does not cover exactly the registers that the policy demands in the SHA-256 bank.",
        "Update the agent.";
    PcrDigest, "PCR_DIGEST", Refused, Stop,
        "The laptop's statement contradicts itself",
        "The register values sent are not those that were quoted.",
        "Try again; if it happens again, use another laptop and tell your security officer.";
    PcrChanged, "PCR_CHANGED", Refused, Stop,
        "This laptop started differently from when it was accepted",
        "A measured register differs from the laptop's accepted baseline.",
        "Use another laptop; tell your team lead that this one needs to be checked.";
    LogMissing, "LOG_MISSING", Refused, NotNow,
        "The laptop's start-up record is missing",
        "The event log was asked for and not sent.",
        "Restart the laptop and try again.";
    LogMalformed, "LOG_MALFORMED", Malformed, NotNow,
        "The laptop's start-up record could not be read",
        "The event log breaks the TCG PC Client format or one of its limits.",
        "Restart the laptop; if it goes on, report the laptop's model and this reference.";
    LogReplayMismatch, "LOG_REPLAY_MISMATCH", Refused, Stop,
        "The laptop's start-up record does not fit",
        "Replaying the event log does not give the quoted registers.",
        "Restart the laptop; if it goes on, use another laptop and tell your security officer.";
    TpmResetInSession, "TPM_RESET_IN_SESSION", Refused, Stop,
        "The laptop was restarted during the visit",
        "The TPM's reset counter changed since the session began.",
        "Start a new visit with your security key.";
    TpmClock, "TPM_CLOCK", Refused, NotNow,
        "The laptop's security clock does not fit",
        "The TPM's clock or its restart counter went backwards.",
        "Wait; the laptop checks again by itself.";
    RequoteWanted, "REQUOTE_WANTED", Refused, NotNow,
        "The laptop is to be checked again",
        "The last quote is too old, or the TPM's restart counter or pace shows that the laptop slept: the renewal must bring a quote.",
        "Wait; the laptop checks again by itself.";
    // Activation: what was signed must be what was asked.
    ContextChallenge, "CONTEXT_CHALLENGE", Refused, NotNow,
        "This was signed for another request",
        "The signed activation names another challenge.",
        "Start again from the beginning.";
    ContextNonce, "CONTEXT_NONCE", Refused, NotNow,
        "This was signed for another moment",
        "The signed activation holds another nonce.",
        "Start again from the beginning.";
    ContextGate, "CONTEXT_GATE", Refused, NotNow,
        "This was signed for another start of the laptop",
        "The signed activation holds another nonce of the gate.",
        "Start again from the beginning.";
    ContextDevice, "CONTEXT_DEVICE", Refused, NotNow,
        "This was signed at another laptop",
        "The signed activation names another laptop, device key or enrolment.",
        "Start again at the laptop you want to use.";
    ContextKey, "CONTEXT_KEY", Refused, NotNow,
        "This was signed with another security key",
        "The signed activation names another security key or certificate than the challenge.",
        "Start again with one security key in.";
    ContextRoom, "CONTEXT_ROOM", Refused, NotNow,
        "This was signed for another room",
        "The signed activation names another room.",
        "Start again and choose the room.";
    ContextSite, "CONTEXT_SITE", Refused, NotNow,
        "This was signed for another site",
        "The signed activation names another site.",
        "Use a laptop and security key of the same site.";
    ContextQuote, "CONTEXT_QUOTE", Refused, NotNow,
        "This was signed over another statement",
        "The signed activation covers another quote than the one sent.",
        "Start again from the beginning.";
    ContextPurpose, "CONTEXT_PURPOSE", Refused, NotNow,
        "This was signed for another purpose",
        "The signed activation has another purpose than the challenge.",
        "Start again from the beginning.";
    // States.
    DeviceUnknown, "DEVICE_UNKNOWN", Unknown, NotNow,
        "This laptop is not enrolled here",
        "No laptop with this number is registered.",
        "Ask your team lead to enrol the laptop.";
    DevicePending, "DEVICE_PENDING", Refused, NotNow,
        "This laptop is waiting to be confirmed",
        "The laptop was enrolled and nobody has confirmed its check phrase yet.",
        "Ask a team lead or security officer to confirm it on another screen.";
    DeviceSuspended, "DEVICE_SUSPENDED", Refused, Stop,
        "This laptop has been stopped",
        "A hold stands on the laptop.",
        "Use another laptop; your team lead can see who stopped it and why.";
    DeviceLost, "DEVICE_LOST", Refused, Stop,
        "This laptop was reported lost",
        "A lost or stolen hold stands on the laptop.",
        "Hand the laptop to a member of the healthcare team.";
    DeviceRevoked, "DEVICE_REVOKED", Refused, Stop,
        "This laptop is no longer in use",
        "The laptop was revoked, for good.",
        "Hand the laptop to your security officer.";
    DeviceQuarantined, "DEVICE_QUARANTINED", Refused, Stop,
        "This laptop must be enrolled again",
        "The laptop came back after a loss and has not been enrolled again.",
        "Ask your team lead to enrol the laptop again.";
    DeviceGeneration, "DEVICE_GENERATION", Refused, Stop,
        "This laptop was enrolled again since",
        "The request speaks for an earlier enrolment of this laptop.",
        "Restart the laptop.";
    KeyNotRecognised, "KEY_NOT_RECOGNISED", Unknown, NotNow,
        "This security key is not known here",
        "No key with this certificate is registered.",
        "Ask your team lead to enrol your security key.";
    KeyPending, "KEY_PENDING", Refused, NotNow,
        "This security key is waiting to be confirmed",
        "The key was enrolled and nobody has confirmed its check phrase yet.",
        "Ask a team lead or security officer to confirm it on another screen.";
    KeySuspended, "KEY_SUSPENDED", Refused, Stop,
        "This security key has been stopped",
        "A hold stands on the key.",
        "Ask your team lead; use another security key.";
    PersonSuspended, "PERSON_SUSPENDED", Refused, Stop,
        "This person's security keys have been stopped",
        "A hold stands on the person, and with them on all their keys at every site.",
        "Ask your team lead.";
    SiteSuspended, "SITE_SUSPENDED", Refused, Stop,
        "All laptops here have been stopped",
        "A hold stands on the site.",
        "Ask your security office when work may go on.";
    NationSuspended, "NATION_SUSPENDED", Refused, Stop,
        "All laptops everywhere have been stopped",
        "A hold stands on the whole service.",
        "Ask your security office when work may go on.";
    KeyLost, "KEY_LOST", Refused, Stop,
        "This security key was reported lost",
        "A lost or stolen hold stands on the key.",
        "Hand the security key to your team lead.";
    KeyRevoked, "KEY_REVOKED", Refused, Stop,
        "This security key is no longer in use",
        "The key was revoked, for good.",
        "Ask your team lead for a new security key.";
    KeyExpired, "KEY_EXPIRED", Refused, NotNow,
        "This security key's certificate has run out",
        "The staff certificate is past its end.",
        "Ask your team lead to renew it.";
    KeyNotForThisSite, "KEY_NOT_FOR_THIS_SITE", Refused, NotNow,
        "This security key is for another site",
        "The key is certified, but not by this site's authority.",
        "Use a security key that was enrolled at this site.";
    KeyRole, "KEY_ROLE", Refused, NotNow,
        "This security key cannot do that here",
        "The role in the key's certificate does not allow this.",
        "Ask a person whose role can do this.";
    KeyInUseElsewhere, "KEY_IN_USE_ELSEWHERE", Conflict, NotNow,
        "Your security key has a visit running on another laptop",
        "One key opens one laptop at a time.",
        "End the other visit first, or move it here.";
    SessionLimit, "SESSION_LIMIT", Conflict, NotNow,
        "This laptop already has a visit running",
        "One laptop holds one visit at a time.",
        "End the running visit first.";
    SessionUnknown, "SESSION_UNKNOWN", NotFound, Stop,
        "This visit is not known",
        "No session with this number belongs to this laptop.",
        "Start a new visit with your security key.";
    SessionEnded, "SESSION_ENDED", Refused, Stop,
        "This visit has ended",
        "The session was ended before.",
        "Start a new visit with your security key.";
    SessionHardEnd, "SESSION_HARD_END", Refused, Stop,
        "The time for this visit is over",
        "The session reached its hard end.",
        "Start a new visit with your security key.";
    RenewalNonce, "RENEWAL_NONCE", Conflict, NotNow,
        "The laptop's check came out of order",
        "The renewal does not carry the nonce that the last answer gave.",
        "Wait; the laptop checks again by itself.";
    RoomUnknown, "ROOM_UNKNOWN", NotFound, NotNow,
        "There is no such room",
        "No room has this number.",
        "Choose a room from the list, or start a new visit.";
    RoomNotSite, "ROOM_NOT_SITE", Refused, NotNow,
        "This room belongs to another site",
        "The room is not one of this site.",
        "Choose a room of your own site.";
    RoomClosed, "ROOM_CLOSED", Conflict, NotNow,
        "This room is closed",
        "The consultation in this room has ended.",
        "Start a new visit.";
    StateTransition, "STATE_TRANSITION", Conflict, NotNow,
        "That cannot be done in this state",
        "The object is in a state from which no such step leads.",
        "Look at its state in the list; what was revoked stays revoked.";
    // Registration and confirmation.
    RegistrationUnknown, "REGISTRATION_UNKNOWN", NotFound, NotNow,
        "This enrolment is not known",
        "No registration with this number belongs to this site.",
        "Start the enrolment again.";
    RegistrationState, "REGISTRATION_STATE", Conflict, NotNow,
        "This enrolment has already gone on",
        "The registration is not at the step that this message belongs to.",
        "Start the enrolment again.";
    RegistrationMismatch, "REGISTRATION_MISMATCH", Refused, NotNow,
        "The enrolment does not fit together",
        "A part of the enrolment speaks of something else than the rest.",
        "Start the enrolment again.";
    RenewalEarly, "RENEWAL_EARLY", Conflict, NotNow,
        "It is too early to renew this",
        "The certificate ends later than 125 days from now, or a new one would not end later.",
        "Nothing needs to be done; it is renewed by itself when its time comes.";
    NotRegistered, "NOT_REGISTERED", Refused, NotNow,
        "This certificate was not announced",
        "The certificate is not the one whose hash was registered before it was signed.",
        "Tell the national team: an authority has issued something it did not announce.";
    ApproverMissing, "APPROVER_MISSING", Refused, NotNow,
        "A team lead has not approved this",
        "The lead's signature is missing or does not cover this enrolment.",
        "Ask a team lead to approve it with their security key.";
    PhraseMismatch, "PHRASE_MISMATCH", Refused, NotNow,
        "The check phrase is not the same",
        "The phrase typed is not the one of this enrolment.",
        "Read the four words on the other screen again; if they differ, stop and tell your security officer.";
    AssetMismatch, "ASSET_MISMATCH", Refused, NotNow,
        "The asset tag is not the same",
        "The tag typed is not the one of this enrolment.",
        "Check the label on the laptop's lid.";
    AssetTaken, "ASSET_TAKEN", Conflict, NotNow,
        "Another laptop bears this asset tag",
        "A laptop of the site that is not revoked has the same tag.",
        "Check the label on the laptop's lid; each laptop has its own.";

    ConfirmSelf, "CONFIRM_SELF", Refused, NotNow,
        "Somebody else must confirm this",
        "Site policy asks for another person than the one who enrolled it.",
        "Ask another team lead or a security officer.";
    // Stops and approvals.
    HoldUnknown, "HOLD_UNKNOWN", NotFound, NotNow,
        "There is no such stop",
        "One of the holds named does not stand on this object.",
        "Look at the list of what stands and name those.";
    ApprovalRequired, "APPROVAL_REQUIRED", Refused, NotNow,
        "A second person must agree",
        "The act takes two people, or the person who asked for it may no longer act.",
        "Ask a second person to agree.";
    ApprovalSelf, "APPROVAL_SELF", Refused, NotNow,
        "You cannot approve your own request",
        "Requester and approver are the same person or key.",
        "Ask another person.";
    ApprovalRole, "APPROVAL_ROLE", Refused, NotNow,
        "The second person must have another role",
        "The role of the second person does not go with that of the first for this act.",
        "Ask a person with the other role.";
    ApprovalExpired, "APPROVAL_EXPIRED", Conflict, NotNow,
        "The request waited too long",
        "The request was not approved in time.",
        "Make the request again.";
    ApprovalMismatch, "APPROVAL_MISMATCH", Refused, NotNow,
        "The approval is for something else",
        "The approval does not cover exactly the act that was requested.",
        "Approve the request as it is shown.";
    UndoNotPossible, "UNDO_NOT_POSSIBLE", Conflict, NotNow,
        "This stop cannot simply be taken back",
        "Only whoever placed a stop for misuse, maintenance or another everyday reason may undo it, within ten minutes.",
        "Let it work again in the usual way.";
    // The gate.
    GateLatched, "GATE_LATCHED", Refused, Stop,
        "This laptop has been stopped",
        "The gate's latch holds a stop that nobody has lifted.",
        "Use another laptop; your team lead can see who stopped it and why.";
    GateSealed, "GATE_SEALED", Refused, Stop,
        "This laptop must be set up again",
        "What the gate remembers is missing, is an old copy, or is not this laptop's.",
        "Use another laptop; ask your team lead to have this one enrolled again.";
    GateUnavailable, "GATE_UNAVAILABLE", Unavailable, NotNow,
        "The camera switch does not answer",
        "The gate process is not running or cannot be reached.",
        "Restart the laptop; if it goes on, use another laptop.";
    LeaseSigner, "LEASE_SIGNER", Refused, NotNow,
        "The permission was not given by the key service",
        "The lease is not signed by a lease key that the service authority certified.",
        "Try again; if it happens again, tell your security officer.";
    LeaseDevice, "LEASE_DEVICE", Refused, NotNow,
        "The permission is for another laptop",
        "The lease is bound to another device key or an earlier enrolment.",
        "Start again at the laptop you want to use.";
    LeaseNonceUnknown, "LEASE_NONCE_UNKNOWN", Refused, NotNow,
        "The permission belongs to another start of the laptop",
        "The lease answers a nonce that this run of the gate did not give out, or too long ago.",
        "Start again from the beginning.";
    LeaseNonceUsed, "LEASE_NONCE_USED", Refused, NotNow,
        "The permission was already used",
        "The lease answers a nonce that was accepted once before.",
        "Start again from the beginning.";
    LeaseRoom, "LEASE_ROOM", Refused, NotNow,
        "The permission is for another room",
        "Lease and signed activation name different rooms.",
        "Start again and choose the room.";
    LeaseSession, "LEASE_SESSION", Refused, NotNow,
        "The permission is for another visit",
        "A renewal names another session than the one that is open.",
        "Start again from the beginning.";
    LeaseOver, "LEASE_OVER", Refused, NotNow,
        "The permission is already over",
        "The time the lease gives has passed since its nonce was made.",
        "Start again from the beginning.";
    LeaseLimits, "LEASE_LIMITS", Refused, NotNow,
        "The permission asks for too much time",
        "The lease's times are outside the limits that the gate knows.",
        "Tell the national team: the key service gives leases outside its limits.";
    ActivationMismatch, "ACTIVATION_MISMATCH", Refused, NotNow,
        "No member of staff has signed for this",
        "The staff member's activation is missing, not genuine, or does not cover this laptop, room and moment.",
        "Start again with your security key.";
    GateClosed, "GATE_CLOSED", Conflict, NotNow,
        "The camera is off",
        "A renewal came while the gate was closed; only an activation opens it.",
        "Start a new visit with your security key.";
    OrderSigner, "ORDER_SIGNER", Refused, NotNow,
        "The order was not given by the key service",
        "The order is not signed by an order key that the service authority certified.",
        "Tell your security officer.";
    OrderDevice, "ORDER_DEVICE", Refused, NotNow,
        "The order is for another laptop",
        "The order names another device key or an earlier enrolment.",
        "Tell your security officer.";
    OrderApproval, "ORDER_APPROVAL", Refused, NotNow,
        "The order to go on lacks its approvals",
        "A resume order does not carry the genuine approvals that the stops it lifts need.",
        "Ask the people who approved it to do so again.";
    // The laptop's own affairs.
    NotEnrolled, "NOT_ENROLLED", Conflict, NotNow,
        "This laptop is not enrolled yet",
        "The agent has no certificate.",
        "Ask your team lead to enrol the laptop.";
    AlreadyEnrolled, "ALREADY_ENROLLED", Conflict, NotNow,
        "This laptop is already enrolled",
        "The agent has a certificate; enrolling again needs quarantine first.",
        "Nothing needs to be done.";
    StateOutOfTurn, "STATE_OUT_OF_TURN", Conflict, NotNow,
        "That does not fit what the laptop is doing",
        "The command belongs to another state of the visit.",
        "Look at the laptop's state and try again.";
    // Status lists.
    StatusSigner, "STATUS_SIGNER", Refused, NotNow,
        "The list was not made by the key service",
        "The status list is not signed by a status key that the service authority certified.",
        "Do not use the list; tell your security officer.";
    StatusListOther, "STATUS_LIST_OTHER", Refused, NotNow,
        "This is another list than the one asked for",
        "The status list is genuine, and of another class or another installation.",
        "Fetch the list again.";
    StatusListMalformed, "STATUS_LIST_MALFORMED", Malformed, NotNow,
        "The list cannot be read",
        "The entries of the status list cannot be unpacked, or their hash is not the one that was signed.",
        "Fetch the list again; if it happens again, tell your security officer.";
    StatusListBroken, "STATUS_LIST_BROKEN", Refused, NotNow,
        "The changes do not fit the list",
        "The changes do not follow the epoch and the hash of the list that they are laid on.",
        "Fetch the whole list again; if it happens again, tell your security officer.";
    StatusListExpired, "STATUS_LIST_EXPIRED", Refused, NotNow,
        "The list is too old",
        "The status list is past the time until which it may be believed.",
        "Fetch the list again.";
    EpochRollback, "EPOCH_ROLLBACK", Refused, NotNow,
        "This list is older than one seen before",
        "The epoch of the status list is lower than one that was seen: somebody shows an old list, or the service was set back.",
        "Do not use the list; tell your security officer at once.";
    StatusListMissing, "STATUS_LIST_MISSING", Unavailable, NotNow,
        "The list is not ready yet",
        "The service has not published this status list since it began.",
        "Try again in a few seconds.";
    StatusChangesGone, "STATUS_CHANGES_GONE", NotFound, NotNow,
        "These changes are not kept any more",
        "The epoch asked for is too old, or was never published.",
        "Fetch the whole list.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no code.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such refusal code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == word)
            .ok_or(UnknownCode)
    }
}
