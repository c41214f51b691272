//! The root of all belief: the hash in the measured image, the certificate with that hash, and the
//! services whose TLS it vouches for.

use std::io;
use std::path::{Path, PathBuf};

use wardkey_edge::client::Endpoint;
use wardkey_edge::dates::{Dates, Past};
use wardkey_edge::pem;
use wardkey_gate::root_pin::{self, RootPinError};
use wardkey_gate::trusted_file::Writers;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::{Code, Refusal};
use wardkey_told::on_one_line;

use crate::config::{Config, Service};

/// Why the root cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// No hash is pinned.
    #[error("the root is not pinned")]
    NotPinned(#[from] RootPinError),
    /// A certificate cannot be read.
    #[error("cannot read the certificate `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no certificate.
    #[error("`{path}` holds no certificate in PEM or DER")]
    NotACertificate {
        /// The file.
        path: PathBuf,
    },
    /// The certificate is another root's.
    #[error("`{path}` has the hash {found}, not the pinned {pinned}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The pinned hash.
        pinned: String,
    },
}

impl RootError {
    /// The same as a refusal: `ROOT_NOT_PINNED` or `ROOT_MISMATCH`.
    pub fn refusal(&self) -> Refusal {
        let (code, wanted) = match self {
            Self::NotPinned(_) => (Code::RootNotPinned, "the hash of the root, in the image"),
            Self::Read { .. } | Self::NotACertificate { .. } | Self::Mismatch { .. } => {
                (Code::RootMismatch, "the certificate of the pinned root")
            }
        };
        Refusal::new(code, on_one_line(self), wanted)
    }
}

/// The pinned root.
#[derive(Clone, Debug)]
pub struct Root {
    pin: Sha256,
    roots: Vec<Vec<u8>>,
    past: Past,
}

impl Root {
    /// Reads the pin, the certificate that must have it, and the roots of networks that inspect TLS.
    ///
    /// # Errors
    ///
    /// [`RootError`].
    pub fn load(config: &Config) -> Result<Self, RootError> {
        let pin = root_pin::load(&config.root_sha256, Writers::of_this_process())?;
        let path = &config.root_certificate;
        let certificate = certificates(path)?.into_iter().next();
        let certificate =
            certificate.ok_or_else(|| RootError::NotACertificate { path: path.clone() })?;
        let found = Sha256::of(&certificate);
        if found != pin {
            return Err(RootError::Mismatch {
                path: path.clone(),
                found: found.to_hex(),
                pinned: pin.to_hex(),
            });
        }
        let mut roots = vec![certificate];
        for path in &config.extra_roots {
            roots.extend(certificates(path)?);
        }
        Ok(Self {
            pin,
            roots,
            past: Past::default(),
        })
    }

    /// The hash of the root: SHA-256 of its certificate.
    pub const fn pin(&self) -> Sha256 {
        self.pin
    }

    /// The latest moment that is certainly past: certificates of services are judged by it, never
    /// by this laptop's calendar.
    pub const fn past(&self) -> &Past {
        &self.past
    }

    /// How `service` is called: TLS below this root, and below those that the settings add.
    pub fn endpoint(&self, service: &Service) -> Endpoint {
        Endpoint {
            url: service.url.clone(),
            connect: service.connect,
            roots: self.roots.clone(),
            dates: Dates::Past(self.past.clone()),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, RootError> {
    let bytes = std::fs::read(path).map_err(|source| RootError::Read {
        path: path.to_owned(),
        source,
    })?;
    match pem::certificates(&bytes) {
        none if none.is_empty() => Err(RootError::NotACertificate {
            path: path.to_owned(),
        }),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DER as far as this file looks: a SEQUENCE.
    const CERTIFICATE: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x07];

    fn config(place: &Path) -> Config {
        let text = "state = \"s\"\nroot_sha256 = \"root.sha256\"\nroot_certificate = \"root.der\"\n\
                    gate = \"g\"\ncontrol = \"c\"\nidentity = \"i\"\n\
                    [keyd]\nurl = \"https://keyd.wardkey.test\"\n\
                    [ca]\nurl = \"https://ca.hmp-x.wardkey.test\"\n";
        let path = place.join("agent.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).unwrap()
    }

    #[test]
    fn the_certificate_must_have_the_pinned_hash() {
        let place = tempfile::tempdir().unwrap();
        let config = config(place.path());
        let refused = || Root::load(&config).unwrap_err().refusal().code();
        assert_eq!(refused(), Code::RootNotPinned);
        let pin = Sha256::of(CERTIFICATE);
        std::fs::write(&config.root_sha256, format!("{}\n", pin.to_hex())).unwrap();
        assert_eq!(refused(), Code::RootMismatch);
        std::fs::write(&config.root_certificate, [CERTIFICATE, &[0]].concat()).unwrap();
        assert_eq!(refused(), Code::RootMismatch);
        std::fs::write(&config.root_certificate, CERTIFICATE).unwrap();
        let root = Root::load(&config).unwrap();
        assert_eq!(root.pin(), pin);
        assert_eq!(root.endpoint(&config.keyd).roots, [CERTIFICATE.to_vec()]);
    }
}
