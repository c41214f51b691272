//! Why a ceremony stopped.

use std::path::{Path, PathBuf};

use wardkey_issuance::{IssuanceError, IssuerError, RequestError, SignError};
use wardkey_schemas::Refusal;
use wardkey_schemas::jws::SigningError;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::role::Role;

use crate::durable::FileError;
use crate::random::NoRandomness;
use crate::signer::SignerError;
use crate::signer::file::KeyFileError;

/// Why an act of the ceremony was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key.
    #[error("a key cannot be used")]
    Key(#[from] KeyFileError),
    /// The verifier says no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Something is there that would be overwritten.
    #[error("`{}` is there already, and nothing is overwritten", path.display())]
    Taken {
        /// What is there.
        path: PathBuf,
    },
    /// There is no root in the folder, or one that was not finished.
    #[error("`{}` holds no finished root", folder.display())]
    NoRoot {
        /// The folder.
        folder: PathBuf,
    },
    /// Another ceremony works in the folder.
    #[error("somebody else is at work in `{}`", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("`{}` does not hold {what}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why it does not.
        reason: String,
    },
    /// Nothing to certify was named.
    #[error("neither `--service-authority` nor `--site-request` was given")]
    NoRequest,
    /// A certificate request that is not taken.
    #[error("the request in `{}` is not taken", path.display())]
    Request {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// A request for a key that is not on P-256.
    #[error("the request in `{}` is for another kind of key than P-256", path.display())]
    RequestCurve {
        /// The file.
        path: PathBuf,
    },
    /// A site of another installation.
    #[error("the request is for the realm {found}; this is the root of {wanted}")]
    OtherRealm {
        /// In the request.
        found: Realm,
        /// The root's.
        wanted: Realm,
    },
    /// No site may have this code.
    #[error("no site may be called {site}")]
    SiteName {
        /// The code.
        site: SiteCode,
    },
    /// One key for two things.
    #[error("the key in the request is already that of {whose}")]
    KeyInUse {
        /// Whose it is.
        whose: String,
    },
    /// The request names another key than the one that was certified.
    #[error("the authority of {site} was certified with another key than this request has")]
    OtherAuthority {
        /// The site.
        site: SiteCode,
    },
    /// Only leads and security officers can be a site's first people, and only national administrators
    /// those of the nation.
    #[error("`{}` asks for the role {role}; a charter names leads and security officers, and that of the nation national administrators", path.display())]
    FirstRole {
        /// The file.
        path: PathBuf,
        /// The role.
        role: Role,
    },
    /// There is nothing for keyd in the draft.
    #[error("the authority for keyd's own keys was not certified yet")]
    NoService,
    /// No bundle was signed.
    #[error("no bundle was signed yet")]
    NoBundle,
    /// A certificate of an authority cannot be used for issuing.
    #[error("the root cannot issue")]
    Issuer(#[from] IssuerError),
    /// A certificate was not prepared.
    #[error("the certificate was not prepared")]
    Issuance(#[from] IssuanceError),
    /// A certificate was not signed.
    #[error("the certificate was not signed")]
    Sign(#[from] SignError<SignerError>),
    /// A bundle or charter was not signed.
    #[error("the message was not signed")]
    Message(#[from] SigningError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Standard output.
    #[error("standard output cannot be written")]
    Output(#[source] std::io::Error),
}

impl CeremonyError {
    /// A file that does not hold what it should.
    pub(super) fn content(path: &Path, what: &'static str, reason: impl ToString) -> Self {
        Self::Content {
            path: path.to_owned(),
            what,
            reason: reason.to_string(),
        }
    }

    /// For a file that was to be written for the first time.
    pub(super) fn writing(error: FileError) -> Self {
        if error.is_there() {
            Self::Taken { path: error.path }
        } else {
            Self::File(error)
        }
    }

    /// The refusal, if the verifier said no.
    pub const fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self {
            Some(refusal)
        } else {
            None
        }
    }

    /// What to try next, if we know.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => Some("choose another place, or move what is there away by hand"),
            Self::NoRoot { .. } => Some(
                "run `wardkey-ca root init`; if that was interrupted, throw the folder away: nobody \
                 knows of that root yet",
            ),
            Self::NoService => Some(
                "run `wardkey-ca root sign certificate --service-authority FILE` with the request \
                 that `keyd init` wrote",
            ),
            Self::NoBundle => Some("run `wardkey-ca root sign bundle` first"),
            Self::OtherAuthority { .. } => {
                Some("take the request with which the site was certified")
            }
            Self::File(_)
            | Self::Key(_)
            | Self::Refused(_)
            | Self::Busy { .. }
            | Self::Content { .. }
            | Self::NoRequest
            | Self::Request { .. }
            | Self::RequestCurve { .. }
            | Self::OtherRealm { .. }
            | Self::SiteName { .. }
            | Self::KeyInUse { .. }
            | Self::FirstRole { .. }
            | Self::Issuer(_)
            | Self::Issuance(_)
            | Self::Sign(_)
            | Self::Message(_)
            | Self::Random(_)
            | Self::Output(_) => None,
        }
    }
}
