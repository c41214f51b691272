//! What a page of Markdown says of other places: links, headings, words set as code.
//!
//! As much of `CommonMark` as a checker needs: fenced blocks and code spans are told apart from text;
//! links are inline or by reference.

use std::collections::BTreeMap;

/// One page, taken apart.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Page {
    /// Targets of links and images, with their lines.
    pub(crate) links: Vec<(usize, String)>,
    /// The anchors that links may name after `#`.
    pub(crate) anchors: Vec<String>,
    /// Words set as code, with their lines; blocks are not among them.
    pub(crate) spans: Vec<(usize, String)>,
}

impl Page {
    /// Takes a page apart.
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut repeated: BTreeMap<String, usize> = BTreeMap::new();
        let mut fence: Option<&str> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let start = line.trim_start();
            if let Some(mark) = fence {
                if start.starts_with(mark) {
                    fence = None;
                }
                continue;
            }
            if let Some(mark) = ["```", "~~~"]
                .into_iter()
                .find(|mark| start.starts_with(mark))
            {
                fence = Some(mark);
                continue;
            }
            if let Some(heading) = heading(line) {
                let anchor = anchor(heading);
                let before = repeated.entry(anchor.clone()).or_insert(0);
                page.anchors.push(match *before {
                    0 => anchor,
                    number => format!("{anchor}-{number}"),
                });
                *before = before.saturating_add(1);
            }
            let (text, spans) = without_code(line);
            page.spans
                .extend(spans.into_iter().map(|span| (number, span)));
            page.anchors.extend(explicit_anchors(&text));
            page.links
                .extend(links(&text).into_iter().map(|link| (number, link)));
        }
        page
    }
}

/// The text of an ATX heading (`CommonMark` 0.31 §4.2).
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len().saturating_sub(text.len());
    let is_heading = (1..=6).contains(&level) && text.starts_with(' ');
    is_heading.then(|| text.trim().trim_end_matches('#').trim())
}

/// The anchor that mdBook and the usual forges give a heading: lower case, letters, digits, `_` and
/// `-` kept, white space as `-`, the rest dropped.
fn anchor(heading: &str) -> String {
    without_targets(heading)
        .chars()
        .filter_map(|c| match c {
            '_' | '-' => Some(c),
            c if c.is_whitespace() => Some('-'),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// A heading's text with `[words](target)` reduced to `words`.
fn without_targets(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

/// The line with its code spans cut out, and the spans (`CommonMark` 0.31 §6.1).
fn without_code(line: &str) -> (String, Vec<String>) {
    let mut text = String::with_capacity(line.len());
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        text.push_str(before);
        let inside = from.trim_start_matches('`');
        let ticks = from.len().saturating_sub(inside.len());
        let mark = "`".repeat(ticks);
        if let Some((span, after)) = inside.split_once(mark.as_str()) {
            spans.push(span.trim().to_owned());
            // Something stays, so that a link's text is not taken for empty.
            text.push('x');
            rest = after;
        } else {
            // No end: the ticks are text.
            text.push_str(&mark);
            rest = inside;
        }
    }
    text.push_str(rest);
    (text, spans)
}

/// Anchors written by hand: `<a id="…">`.
fn explicit_anchors(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for mark in ["id=\"", "name=\""] {
        for part in text.split(mark).skip(1) {
            if let Some((id, _)) = part.split_once('"') {
                found.push(id.to_owned());
            }
        }
    }
    found
}

fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("](") {
        let (target, end) = target(after);
        found.push(target);
        rest = end;
    }
    // `[name]: target`
    if let Some((name, target)) = text.trim_start().split_once("]: ")
        && name.starts_with('[')
        && !name.contains(']')
    {
        found.extend(target.split_whitespace().next().map(str::to_owned));
    }
    found
}

/// The target of an inline link, up to its closing parenthesis, without a title; and what follows.
fn target(after: &str) -> (String, &str) {
    let mut open = 0_usize;
    for (place, c) in after.char_indices() {
        match c {
            '(' => open = open.saturating_add(1),
            ')' if open == 0 => {
                let (inside, rest) = after.split_at(place);
                let bare = inside.split_whitespace().next().unwrap_or_default();
                let bare = bare.trim_start_matches('<').trim_end_matches('>');
                return (bare.to_owned(), rest);
            }
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    (after.to_owned(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_wherever_they_stand() {
        let page = Page::parse(
            "See [one](a.md), ![two](img/b.png \"title\") and [`code`](c.md#x).\n\
             [ref]: d.md\n\
             ```\n[no](in-a-block.md)\n```\n\
             `[no](in-code.md)` but [yes](e_(f).md)\n",
        );
        let targets: Vec<&str> = page.links.iter().map(|(_, link)| link.as_str()).collect();
        assert_eq!(targets, ["a.md", "img/b.png", "c.md#x", "d.md", "e_(f).md"]);
        assert_eq!(page.links[3].0, 2);
    }

    #[test]
    fn anchors_are_those_of_mdbook() {
        let page = Page::parse(
            "# What it is\n## `keyd`: the *service*\n## What it is\n#no heading\n\
             ### [A link](x.md) in it\n<a id=\"by-hand\"></a>\n",
        );
        assert_eq!(
            page.anchors,
            [
                "what-it-is",
                "keyd-the-service",
                "what-it-is-1",
                "a-link-in-it",
                "by-hand"
            ]
        );
    }

    #[test]
    fn code_spans_may_hold_ticks() {
        let page = Page::parse("`a/b.rs` and ``c ` d`` and a lone ` tick\n");
        let spans: Vec<&str> = page.spans.iter().map(|(_, span)| span.as_str()).collect();
        assert_eq!(spans, ["a/b.rs", "c ` d"]);
    }
}
