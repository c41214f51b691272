//! What the lead reads: the four words, and what to do with them.

use std::fmt::Write as _;

use wardkey_schemas::phrase::Phrase;

use super::Enrolled;

/// The check phrase, big and alone, with what it is for: shown before the touch.
pub(super) fn big(phrase: &Phrase) -> String {
    let rule = "=".repeat(44);
    let mut text = format!("\n{rule}\n");
    for word in phrase.as_str().split(' ') {
        let spaced: Vec<String> = word
            .to_uppercase()
            .chars()
            .map(|letter| letter.to_string())
            .collect();
        // A string takes whatever is written to it.
        let _ = writeln!(text, "\n    {}", spaced.join(" "));
    }
    let _ = write!(
        text,
        "\n{rule}\n\
         These four words must stand on the other screen as well when the laptop is confirmed.\n"
    );
    text
}

/// What was done and what comes next.
pub fn words(enrolled: &Enrolled) -> String {
    let Enrolled {
        asset,
        site,
        generation,
        phrase,
        ..
    } = enrolled;
    format!(
        "laptop {asset} is enrolled at {site}, enrolment {generation}\n\
         \n\
         \x20   {phrase}\n\
         \n\
         It opens nothing yet: a team lead or security officer confirms these four words on\n\
         another screen with\n\
         \x20 wardkey confirm laptop {asset} --phrase \"{phrase}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::bytes::Sha256;
    use wardkey_schemas::ids::{DeviceId, Generation};
    use wardkey_schemas::key::Thumbprint;
    use wardkey_schemas::status::ObjectState;

    use super::*;

    fn enrolled() -> Enrolled {
        Enrolled {
            asset: "HMP-X-03".parse().unwrap(),
            device: DeviceId::from_bytes([1; 16]),
            generation: Generation::FIRST,
            site: "hmp-xyz".parse().unwrap(),
            device_key: Thumbprint::new([2; 32]),
            phrase: Phrase::of(&Sha256::of(b"approval")),
            state: ObjectState::Pending,
            valid_until: "2027-11-22T14:02:07Z".parse().unwrap(),
        }
    }

    #[test]
    fn the_four_words_stand_alone_in_big_letters() {
        let phrase = enrolled().phrase;
        let text = big(&phrase);
        for word in phrase.as_str().split(' ') {
            let alone = text
                .lines()
                .any(|line| line.replace(' ', "").to_lowercase() == word);
            assert!(alone, "{word}: {text}");
        }
    }

    #[test]
    fn the_end_says_what_comes_next_and_where() {
        let enrolled = enrolled();
        let text = words(&enrolled);
        let command = format!(
            "  wardkey confirm laptop HMP-X-03 --phrase \"{}\"",
            enrolled.phrase
        );
        assert!(text.lines().any(|line| line == command), "{text}");
        assert!(text.contains("opens nothing yet"), "{text}");
    }

    #[test]
    fn a_script_reads_the_same() {
        let json = serde_json::to_value(enrolled()).unwrap();
        assert_eq!(json["asset"], "HMP-X-03");
        assert_eq!(json["state"], "pending");
        assert_eq!(json["phrase"], enrolled().phrase.as_str());
    }
}
