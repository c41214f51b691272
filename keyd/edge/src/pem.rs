//! Certificates in files: PEM (RFC 7468), one or more, or one in DER.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// The certificates (DER) in a file's bytes; none if it holds something else.
pub fn certificates(bytes: &[u8]) -> Vec<Vec<u8>> {
    // DER begins with a SEQUENCE of more than 127 bytes; PEM is text.
    if bytes.first() == Some(&0x30) {
        return vec![bytes.to_vec()];
    }
    CertificateDer::pem_slice_iter(bytes)
        .filter_map(Result::ok)
        .map(|certificate| certificate.as_ref().to_vec())
        .collect()
}

/// Why a folder of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder or a file in it cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that should hold a certificate and does not.
    #[error("`{}` holds no certificate in PEM or DER", path.display())]
    NotACertificate {
        /// The file.
        path: PathBuf,
    },
}

/// All certificates (DER) in the `.pem`, `.der`, `.crt` and `.cer` files of a folder. A folder that is
/// not there holds none.
///
/// # Errors
///
/// [`FolderError`].
pub fn read_folder(folder: &Path) -> Result<Vec<Vec<u8>>, FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Read { path, source }
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(folder))?.path();
        let is_certificate = path
            .extension()
            .is_some_and(|extension| ["pem", "der", "crt", "cer"].iter().any(|e| extension == *e));
        if !is_certificate {
            continue;
        }
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let in_file = certificates(&bytes);
        if in_file.is_empty() {
            return Err(FolderError::NotACertificate { path });
        }
        found.extend(in_file);
    }
    Ok(found)
}
