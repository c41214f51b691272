//! What may stand on a terminal.

/// Text from outside as it may stand on a terminal: one line, and nothing that a terminal obeys. An
/// empty text is a dash, so that what follows is not taken for it.
pub fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars()
        .map(|c| if is_obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, and those that turn the direction of writing round.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_brings_a_line_or_an_escape_of_its_own(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert_eq!(shown.lines().count(), 1);
            prop_assert!(!shown.chars().any(is_obeyed));
        }
    }
}
