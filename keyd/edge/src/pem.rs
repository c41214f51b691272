//! Certificates in files: PEM (RFC 7468), one or more, or one in DER.

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
