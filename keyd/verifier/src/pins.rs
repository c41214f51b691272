//! What a production bundle may never go beyond, whoever signed it.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::Firmware;

/// SHA-256 of the certificates of Yubico's authorities for PIV attestation, in hexadecimal. The
/// pre-2018 issue of the old root and the preview authorities are left out.
const YUBICO: [&str; 7] = [
    // Yubico PIV Root CA Serial 263751, the 2018 issue.
    "63ece914e54dd87915f34033c85af4c0696ba1512f8add66ced738331207b546",
    // Yubico Attestation Root 1.
    "62760c6a6ef91679f454c8902b80fd009825b3f25da90f1fbace2ec6586cd5a8",
    // Yubico Attestation Intermediate A 1.
    "4698a1d3389c3ec60016c216250f1d0439922832d65142327436376dc2942b55",
    // Yubico Attestation Intermediate B 1.
    "d4cc3f456fdaf4e7812a21aab1dfe9d8e27d24e2fd2d6f21c9940109f0daa754",
    // Yubico PIV Attestation A 1.
    "6de693f05376f5d8ca29069261e1c8626c75d503bd2edbfd75354cad1f722870",
    // Yubico PIV Attestation B 1.
    "2d55b7998f4e42569d6d8fa382b6dc77d1dacf07358b19701163892922b17052",
    // Yubico PIV Attestation B2 1.
    "0c90b7d184a36edf50a35f9be935f0c5689bfdcfe5bdd073366cafb49061a440",
];

/// SHA-256 of the certificates of Yubico's authorities for PIV attestation: what a production bundle
/// believes unless its ceremony chose fewer.
pub fn yubico() -> Vec<Sha256> {
    let parsed = YUBICO.iter().map(|text| Sha256::from_hex(text));
    parsed.filter_map(Result::ok).collect()
}

/// Whether this is the certificate of one of Yubico's authorities for PIV attestation.
pub fn is_yubico(sha256: &Sha256) -> bool {
    let text = sha256.to_hex();
    YUBICO.contains(&text.as_str())
}

/// The `tpmManufacturer` of software TPMs (swtpm), which only a test installation believes.
pub const SOFTWARE_TPM: &str = "id:00001014";

/// The registers that every policy covers: firmware code, option ROMs, the boot manager's image, the
/// state of Secure Boot (TCG PC Client Platform Firmware Profile §3.3.4).
pub const PCRS_AT_LEAST: [u8; 4] = [0, 2, 4, 7];

/// The oldest firmware that any policy may accept for a key on P-256: before it, private keys leak
/// through the time that signing takes (Yubico advisory YSA-2024-03).
pub const OLDEST_TOKEN_FIRMWARE: Firmware = Firmware {
    major: 5,
    minor: 7,
    patch: 0,
};
