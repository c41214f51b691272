//! An error and what caused it, in words.

use std::error::Error;

/// The error and each cause, joined by colons.
pub(crate) fn on_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use crate::identity::WriteIdentityError;

    #[test]
    fn the_causes_follow_the_error() {
        let cause = io::Error::other("no disk");
        let error = WriteIdentityError::Disk(cause);
        assert_eq!(
            super::on_one_line(&error),
            "cannot write the identity: no disk"
        );
    }
}
