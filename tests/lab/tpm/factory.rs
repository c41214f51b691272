//! Makes TPMs as a maker does: seeds, endorsement keys, and certificates for these from a private
//! authority of two levels.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use wardkey_tpm::{EkTemplate, NvAuthority, NvIndex};

use super::{VirtualTpm, VirtualTpmError};

/// Where the certificate of template L-2 lives (TCG EK Credential Profile 2.5, 2.2.2.2).
const P256_CERTIFICATE: u32 = 0x01C0_000A;

/// What swtpm says about itself, as `swtpm_setup` hands it to the authority.
const SWTPM: [&str; 12] = [
    "--tpm-spec-family",
    "2.0",
    "--tpm-spec-level",
    "0",
    "--tpm-spec-revision",
    "164",
    "--tpm-manufacturer",
    "id:00001014",
    "--tpm-model",
    "swtpm",
    "--tpm-version",
    "id:20191023",
];

/// For which endorsement keys the maker writes certificates into the TPM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certified {
    /// RSA-2048 alone (at 0x01C00002; beside it swtpm always has one for P-384, at 0x01C00016).
    Rsa2048,
    /// RSA-2048, and P-256 at 0x01C0000A.
    Rsa2048AndP256,
}

/// A maker of virtual TPMs. Its authority is made with it and lives in its folder, so makers in
/// different folders know nothing of each other.
#[derive(Debug)]
pub struct TpmFactory {
    folder: PathBuf,
}

impl TpmFactory {
    /// Builds a factory in `folder`, which is made if there is none, or goes on with the one that
    /// is there.
    ///
    /// # Errors
    ///
    /// If files cannot be written or `swtpm_localca` fails.
    pub fn build(folder: &Path) -> Result<Self, VirtualTpmError> {
        fs::create_dir_all(folder)?;
        let factory = Self {
            folder: fs::canonicalize(folder)?,
        };
        let authority = factory.folder.join("authority");
        if authority.join("issuercert.pem").exists() {
            return Ok(factory);
        }
        private_folder(&authority)?;
        let in_authority = |file: &str| authority.join(file).display().to_string();
        fs::write(
            factory.localca_conf(),
            format!(
                "statedir = {}\nsigningkey = {}\nissuercert = {}\ncertserial = {}\n",
                authority.display(),
                in_authority("signkey.pem"),
                in_authority("issuercert.pem"),
                in_authority("certserial"),
            ),
        )?;
        fs::write(
            factory.localca_options(),
            "--platform-manufacturer Wardkey\n",
        )?;
        fs::write(
            factory.setup_conf(),
            format!(
                "create_certs_tool = /usr/bin/swtpm_localca\n\
                 create_certs_tool_config = {}\n\
                 create_certs_tool_options = {}\n\
                 active_pcr_banks = sha256\n",
                factory.localca_conf().display(),
                factory.localca_options().display(),
            ),
        )?;
        // The authority comes into being with the first certificate it is asked for. This one is
        // thrown away; it is asked for now so that the authority is there before any TPM.
        factory.certify(&"c5".repeat(256), "first", &factory.folder.join("first"))?;
        Ok(factory)
    }

    /// The root that a trust bundle pins, DER.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn root_certificate(&self) -> Result<Vec<u8>, VirtualTpmError> {
        read_pem(&self.folder.join("authority/swtpm-localca-rootca-cert.pem"))
    }

    /// The authority under the root that signs EK certificates, DER.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn issuer_certificate(&self) -> Result<Vec<u8>, VirtualTpmError> {
        read_pem(&self.folder.join("authority/issuercert.pem"))
    }

    /// Makes a TPM called `name` (as its EK certificates will say) in `folder`, which must not be
    /// there yet.
    ///
    /// # Errors
    ///
    /// If `folder` is there already or one of swtpm's tools fails.
    pub fn make(
        &self,
        folder: &Path,
        name: &str,
        certified: Certified,
    ) -> Result<(), VirtualTpmError> {
        private_folder(folder)?;
        let state = VirtualTpm::state_folder(folder);
        private_folder(&state)?;
        let state = fs::canonicalize(&state)?;
        let output = Command::new("swtpm_setup")
            .args([
                "--tpm2",
                "--create-ek-cert",
                "--lock-nvram",
                "--pcr-banks",
                "sha256",
            ])
            .args(["--vmid", name])
            .arg("--tpmstate")
            .arg(format!("dir://{}", state.display()))
            .arg("--config")
            .arg(self.setup_conf())
            .output()?;
        succeeded("swtpm_setup", &output)?;
        match certified {
            Certified::Rsa2048 => Ok(()),
            Certified::Rsa2048AndP256 => self.certify_p256(folder, name),
        }
    }

    /// Writes a certificate for the P-256 endorsement key, which `swtpm_setup` cannot make.
    fn certify_p256(&self, folder: &Path, name: &str) -> Result<(), VirtualTpmError> {
        let index = NvIndex::new(P256_CERTIFICATE).ok_or(VirtualTpmError::Gone)?;
        let chip = VirtualTpm::start(folder)?;
        let tpm = wardkey_tpm::Tpm::open(&chip.address())?;
        let key = tpm.load_endorsement_key(EkTemplate::EccP256)?;
        let (x, y) = key.coordinates().ok_or(VirtualTpmError::Gone)?;
        let workshop = folder.join("workshop");
        let key = format!("x={},y={},id=secp256r1", hex::encode(x), hex::encode(y));
        let certificate = self.certify(&key, name, &workshop)?;
        tpm.nv_store(index, NvAuthority::Platform, &certificate)?;
        drop(tpm);
        chip.shut_down()
    }

    /// Has the authority certify `key` and returns the certificate, DER. `workshop` is for
    /// passing files and is gone afterwards.
    fn certify(&self, key: &str, name: &str, workshop: &Path) -> Result<Vec<u8>, VirtualTpmError> {
        private_folder(workshop)?;
        let output = Command::new("swtpm_localca")
            .args([
                "--type",
                "ek",
                "--tpm2",
                "--decryption",
                "--vmid",
                name,
                "--ek",
                key,
            ])
            .args(SWTPM)
            .arg("--dir")
            .arg(workshop)
            .arg("--configfile")
            .arg(self.localca_conf())
            .arg("--optsfile")
            .arg(self.localca_options())
            .output()?;
        succeeded("swtpm_localca", &output)?;
        let certificate = fs::read(workshop.join("ek.cert"))?;
        fs::remove_dir_all(workshop)?;
        Ok(certificate)
    }

    fn localca_conf(&self) -> PathBuf {
        self.folder.join("localca.conf")
    }

    fn localca_options(&self) -> PathBuf {
        self.folder.join("localca.options")
    }

    fn setup_conf(&self) -> PathBuf {
        self.folder.join("setup.conf")
    }
}

fn private_folder(folder: &Path) -> Result<(), VirtualTpmError> {
    Ok(fs::DirBuilder::new().mode(0o700).create(folder)?)
}

fn succeeded(tool: &'static str, output: &Output) -> Result<(), VirtualTpmError> {
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(VirtualTpmError::Tool {
        tool,
        status: output.status,
        said,
    })
}

/// The one certificate in a PEM file, DER.
fn read_pem(path: &Path) -> Result<Vec<u8>, VirtualTpmError> {
    let text = fs::read_to_string(path)?;
    let body: String = text
        .lines()
        .skip_while(|line| *line != "-----BEGIN CERTIFICATE-----")
        .skip(1)
        .take_while(|line| *line != "-----END CERTIFICATE-----")
        .collect();
    STANDARD
        .decode(body)
        .ok()
        .filter(|der| !der.is_empty())
        .ok_or_else(|| VirtualTpmError::Pem {
            path: path.to_owned(),
        })
}
