//! What the TPM says no with, in the words of everybody else: a code, found and wanted.

use wardkey_schemas::{Code, Refusal};
use wardkey_told::on_one_line;
use wardkey_tpm::TpmError;

/// The refusal that an error of the TPM is.
pub fn of_tpm(error: &TpmError) -> Refusal {
    Refusal::new(
        Code::TpmUnavailable,
        on_one_line(error),
        "a TPM that answers",
    )
}
