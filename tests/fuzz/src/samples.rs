//! What the fuzzer begins with.

use std::fs;
use std::path::Path;

use wardkey_schemas::bytes::Sha256;

/// Puts samples into the corpus of a target, each under its hash. Files of this tree that serve as
/// they are need no code: `seeds/TARGET` is a link to their folder.
///
/// # Panics
///
/// If they cannot be written.
pub fn begin_with<S: AsRef<[u8]>>(target: &str, samples: impl IntoIterator<Item = S>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder).expect("a folder for the corpus");
    for sample in samples {
        let name = Sha256::of(sample.as_ref()).to_hex();
        fs::write(folder.join(name), sample).expect("a sample written");
    }
}
