//! Names that look like the one that was typed: for *did you mean*, and for nothing else.

/// Names shown to a person who mistyped one.
const MOST: usize = 5;

/// The names that contain `typed`, are contained in it, or differ in at most two characters; the
/// nearest first, each once.
pub(crate) fn alike(typed: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let typed = bare(typed);
    let mut near: Vec<(usize, String)> = names
        .filter_map(|name| {
            let bare = bare(&name);
            let contained = bare.len().min(typed.len()) >= 2
                && (bare.contains(&typed) || typed.contains(&bare));
            let distance = distance(&bare, &typed);
            (contained || distance <= 2).then_some((distance, name))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Without what people leave out or put in.
fn bare(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

/// How many characters must be put in, left out or exchanged to turn one into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // The distances from what was read of `one` to each beginning of `other`.
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (read, c) in one.chars().enumerate() {
        let mut diagonal = read;
        let mut left = read.saturating_add(1);
        let mut next = vec![left];
        for (above, d) in row.iter().skip(1).zip(&other) {
            let exchanged = diagonal.saturating_add(usize::from(c != *d));
            let put_in = left.min(*above).saturating_add(1);
            left = exchanged.min(put_in);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn like(typed: &str) -> Vec<String> {
        let names = ["HMP-X-03", "HMP-X-04", "HMP-X-13", "VAN-1", "33162554"];
        alike(typed, names.into_iter().map(str::to_owned))
    }

    #[test]
    fn a_slip_of_the_finger_is_found() {
        assert_eq!(like("HMP-X-3").first().unwrap(), "HMP-X-03");
        assert_eq!(like("HMPX03").first().unwrap(), "HMP-X-03");
        assert_eq!(like("van"), ["VAN-1"]);
        assert_eq!(like("33162545"), ["33162554"]);
        assert_eq!(like("QQQQQQQQ"), Vec::<String>::new());
    }

    #[test]
    fn known_distances() {
        for (one, other, wanted) in [
            ("", "", 0),
            ("", "ABC", 3),
            ("KITTEN", "SITTING", 3),
            ("FLAW", "LAWN", 2),
            ("A", "B", 1),
        ] {
            assert_eq!(distance(one, other), wanted, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_distance_is_the_same_both_ways_and_never_too_long(one in "[A-C]{0,8}", other in "[A-C]{0,8}") {
            let there = distance(&one, &other);
            prop_assert_eq!(there, distance(&other, &one));
            prop_assert_eq!(there == 0, one == other);
            prop_assert!(there <= one.len().max(other.len()));
        }
    }
}
