//! The command line of the root ceremony.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use wardkey_schemas::bundle::Profile;
use wardkey_schemas::names::Realm;

/// What a root ceremony can be asked to do.
#[derive(Debug, Subcommand)]
pub enum RootCommand {
    /// Make a new root: its key and certificate, the key that signs bundles, and a first draft of the
    /// trust bundle.
    ///
    /// Do this once for an installation, on a machine that is never on a network. Nothing that exists
    /// is overwritten. The folder then holds the installation's most precious keys.
    Init(RootInit),
    /// Sign something with the root or with the bundle signer.
    #[command(subcommand)]
    Sign(SignCommand),
}

/// What can be signed.
#[derive(Debug, Subcommand)]
pub enum SignCommand {
    /// Certify the authority of a site, or the one for keyd's own keys.
    ///
    /// Compare the fingerprint that this prints with the one that the site reads out.
    Certificate(SignCertificate),
    /// Sign the charter of a site: who speaks for its authority, and its first people.
    Charter(SignCharter),
    /// Sign the next version of the trust bundle, with everything that was certified so far.
    Bundle(SignBundle),
}

/// Where the root is.
#[derive(Args, Debug)]
pub struct At {
    /// The folder of the root ceremony.
    #[arg(long, value_name = "DIR")]
    pub folder: PathBuf,
}

/// What an installation is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Installation {
    /// Real sites: the hardware of makers, nothing else.
    Production,
    /// Tests and demonstrations: every check is made, and software may stand in for hardware.
    Test,
}

impl From<Installation> for Profile {
    fn from(installation: Installation) -> Self {
        match installation {
            Installation::Production => Self::Production,
            Installation::Test => Self::Test,
        }
    }
}

/// A new root.
#[derive(Args, Debug)]
pub struct RootInit {
    /// Where the root is to be.
    #[command(flatten)]
    pub at: At,
    /// The DNS name under which all names of the installation stand, for example `wardkey.example`.
    #[arg(long, value_name = "NAME")]
    pub realm: Realm,
    /// What the installation is for. It stands in every certificate and cannot be changed.
    #[arg(long, value_enum)]
    pub profile: Installation,
    /// A certificate (PEM or DER) of a maker of security keys that is to be believed; may be repeated.
    /// In production these are Yubico's, which need not be named.
    #[arg(long = "token-anchor", value_name = "FILE")]
    pub token_anchors: Vec<PathBuf>,
    /// The root certificate (PEM or DER) of a TPM maker that is to be believed, and the makers' ids
    /// that stand below it, for example `infineon.pem=id:49465800`; may be repeated.
    #[arg(
        long = "ek-anchor",
        value_name = "FILE=id:HEX[,id:HEX…]",
        required = true
    )]
    pub ek_anchors: Vec<EkAnchorArgument>,
}

/// A TPM maker's root, and for which makers it speaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EkAnchorArgument {
    /// The file with the certificate.
    pub file: PathBuf,
    /// The makers' ids. What they look like is for the verifier to judge.
    pub manufacturers: Vec<String>,
}

/// A text that is no TPM anchor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a file and the makers' ids are wanted: FILE=id:HEX[,id:HEX…]")]
pub struct NotAnEkAnchor;

impl FromStr for EkAnchorArgument {
    type Err = NotAnEkAnchor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once('=') {
            Some((file, makers)) if !file.is_empty() && !makers.is_empty() => Ok(Self {
                file: file.into(),
                manufacturers: makers.split(',').map(str::to_owned).collect(),
            }),
            Some(_) | None => Err(NotAnEkAnchor),
        }
    }
}

/// A certificate of an authority.
#[derive(Args, Debug)]
pub struct SignCertificate {
    /// Where the root is.
    #[command(flatten)]
    pub at: At,
    /// Whose.
    #[command(flatten)]
    pub of: CertificateRequest,
}

/// Whose certificate; exactly one of the two.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct CertificateRequest {
    /// keyd's request, as `keyd init` wrote it (PKCS#10, DER).
    #[arg(long, value_name = "FILE")]
    service_authority: Option<PathBuf>,
    /// A site's request, as `wardkey-ca init` wrote it (JSON).
    #[arg(long, value_name = "FILE")]
    site_request: Option<PathBuf>,
}

/// Whose certificate.
#[derive(Clone, Copy, Debug)]
pub enum CertificateOf<'a> {
    /// The authority for keyd's own keys; its request.
    Service(&'a Path),
    /// The authority of a site; its request.
    Site(&'a Path),
}

impl CertificateRequest {
    /// Which of the two was named; `None` only if neither was.
    pub fn find(&self) -> Option<CertificateOf<'_>> {
        match (&self.service_authority, &self.site_request) {
            (Some(request), _) => Some(CertificateOf::Service(request)),
            (None, Some(request)) => Some(CertificateOf::Site(request)),
            (None, None) => None,
        }
    }
}

/// A charter.
#[derive(Args, Debug)]
pub struct SignCharter {
    /// Where the root is.
    #[command(flatten)]
    pub at: At,
    /// The site's request, the same as for its certificate.
    #[arg(long, value_name = "FILE")]
    pub site_request: PathBuf,
    /// A first key, as `wardkey-ca lead` wrote it (JSON); may be repeated.
    #[arg(long = "first-key", value_name = "FILE", required = true)]
    pub first_keys: Vec<PathBuf>,
    /// Where to write the charter; there must be no such file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// A bundle.
#[derive(Args, Debug)]
pub struct SignBundle {
    /// Where the root is.
    #[command(flatten)]
    pub at: At,
    /// Where to write the bundle; an earlier bundle of this root is replaced, any other file is not.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_of_a_tpm_maker_is_a_file_and_the_ids_below_it() {
        let anchor: EkAnchorArgument = "a=b/root.pem=id:49465800,id:53544D20".parse().unwrap();
        assert_eq!(anchor.file, Path::new("a=b/root.pem"));
        assert_eq!(anchor.manufacturers, ["id:49465800", "id:53544D20"]);
        for wrong in ["", "root.pem", "root.pem=", "=id:49465800"] {
            let parsed: Result<EkAnchorArgument, _> = wrong.parse();
            assert_eq!(parsed, Err(NotAnEkAnchor), "{wrong:?}");
        }
    }
}
