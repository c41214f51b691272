//! The hash of the root, which the laptop's measured image holds.

use std::path::{Path, PathBuf};

use wardkey_schemas::bytes::Sha256;

use crate::trusted_file::{TrustedFileError, Writers};

/// Why the root is not pinned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootPinError {
    /// The file cannot be read or cannot be believed.
    #[error(transparent)]
    File(#[from] TrustedFileError),
    /// It does not hold a hash.
    #[error("`{path}` does not hold 64 hexadecimal digits")]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the pin: 64 hexadecimal digits and at most a line end.
///
/// # Errors
///
/// [`RootPinError`].
pub fn load(path: &Path, writers: Writers) -> Result<Sha256, RootPinError> {
    let bytes = writers.read(path)?;
    std::str::from_utf8(&bytes)
        .ok()
        .map(|text| text.strip_suffix('\n').unwrap_or(text))
        .and_then(|text| Sha256::from_hex(text).ok())
        .ok_or_else(|| RootPinError::Content {
            path: path.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_64_digits_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("root.sha256");
        let pin = Sha256::of(b"root");
        let load = |text: String| {
            std::fs::write(&path, text).unwrap();
            load(&path, Writers::of_this_process())
        };
        assert_eq!(load(pin.to_hex()).unwrap(), pin);
        assert_eq!(load(format!("{}\n", pin.to_hex())).unwrap(), pin);
        for wrong in [
            String::new(),
            "\n".to_owned(),
            pin.to_hex()[1..].to_owned(),
            format!("{}  root.der\n", pin.to_hex()),
            "x".repeat(64),
        ] {
            assert!(
                matches!(load(wrong.clone()), Err(RootPinError::Content { .. })),
                "{wrong}"
            );
        }
    }
}
