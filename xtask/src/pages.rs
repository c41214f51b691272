//! Whether the pages tell the truth about the tree: links resolve, anchors exist, files that are
//! named exist, tests that are named are in the file beside them, every page of the book is in its
//! table of contents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::arguments;
use crate::failure::{Failure, Result};
use crate::markdown::Page;
use crate::workspace::Workspace;

/// The folder of the book.
const BOOK: &str = "docs";

/// Checks all pages. Returns a line for the table.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let root = workspace.root();
    let pages = read_pages(root)?;
    let wrong = Tree::look(root, &pages)?.untruths();
    if wrong.is_empty() {
        let links: usize = pages.values().map(|page| page.links.len()).sum();
        return Ok(format!("{} pages, {links} links", pages.len()));
    }
    Err(Failure::new(wrong.join("\n")).hint("whoever makes a page untrue mends it in one go"))
}

/// The pages at the top and in the book, by their path below the top folder.
fn read_pages(root: &Path) -> Result<BTreeMap<PathBuf, Page>> {
    let mut files = markdown_files(root, false)?;
    if root.join(BOOK).is_dir() {
        files.extend(markdown_files(&root.join(BOOK), true)?);
    }
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file)
                .map_err(|error| Failure::io(format!("cannot read {}", file.display()), &error))?;
            let below = file.strip_prefix(root).unwrap_or(&file).to_path_buf();
            Ok((below, Page::parse(&text)))
        })
        .collect()
}

fn markdown_files(folder: &Path, deep: bool) -> Result<Vec<PathBuf>> {
    let cannot =
        |error: std::io::Error| Failure::io(format!("cannot list {}", folder.display()), &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let built = path.ends_with("docs/book");
        if deep && path.is_dir() && !built {
            files.extend(markdown_files(&path, true)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(files)
}

fn top_names(root: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(root)
        .map_err(|error| Failure::io(format!("cannot list {}", root.display()), &error))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}

/// Paths that tools make: the lines of `.gitignore` that start at the top.
fn made_by_tools(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('/').map(str::to_owned))
        .collect()
}

struct Tree<'a> {
    root: &'a Path,
    /// Names at the top.
    top: Vec<String>,
    /// A page may name what will be in these.
    made: Vec<String>,
    pages: &'a BTreeMap<PathBuf, Page>,
}

impl<'a> Tree<'a> {
    fn look(root: &'a Path, pages: &'a BTreeMap<PathBuf, Page>) -> Result<Self> {
        Ok(Self {
            root,
            top: top_names(root)?,
            made: made_by_tools(root),
            pages,
        })
    }

    /// Everything that is wrong.
    fn untruths(&self) -> Vec<String> {
        let mut wrong = self.not_in_contents();
        for (path, page) in self.pages {
            wrong.extend(self.objections(path, page));
        }
        wrong
    }

    /// What is wrong with one page.
    fn objections(&self, path: &Path, page: &Page) -> Vec<String> {
        let at = |line: &usize| format!("{}:{line}", path.display());
        let links = page.links.iter().filter_map(|(line, link)| {
            let reason = self.objection_to_link(path, page, link)?;
            Some(format!("{}: link to `{link}`: {reason}", at(line)))
        });
        let files = page.spans.iter().filter_map(|(line, span)| {
            let named = self.named_file(span)?;
            (!self.root.join(&named).exists())
                .then(|| format!("{}: there is no `{named}`", at(line)))
        });
        let commands = page.spans.iter().filter_map(|(line, span)| {
            let error = objection_to_command(span)?;
            Some(format!("{}: `{span}`: {error}", at(line)))
        });
        let tests = page.spans.windows(2).filter_map(|pair| {
            let [(line, file), (same, test)] = pair else {
                return None;
            };
            let is_code = Path::new(file).extension().is_some_and(|end| end == "rs");
            let named = line == same && is_test(test) && is_code;
            let code = named.then(|| fs::read_to_string(self.root.join(file)).ok())??;
            (!code.contains(&format!("fn {test}(")))
                .then(|| format!("{}: there is no `{test}` in `{file}`", at(line)))
        });
        links.chain(files).chain(commands).chain(tests).collect()
    }

    fn objection_to_link(&self, path: &Path, page: &Page, link: &str) -> Option<&'static str> {
        let elsewhere = ["http://", "https://", "mailto:"];
        if elsewhere.iter().any(|scheme| link.starts_with(scheme)) {
            return None;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        if file.is_empty() {
            let there = page.anchors.iter().any(|found| found == anchor);
            return (!there).then_some("this page has no such heading");
        }
        let Some(target) = path.parent().and_then(|folder| joined(folder, file)) else {
            return Some("it leads out of the tree");
        };
        if !self.root.join(&target).exists() {
            return Some("there is no such file");
        }
        if anchor.is_empty() {
            return None;
        }
        match self.pages.get(&target) {
            Some(page) if page.anchors.iter().any(|found| found == anchor) => None,
            Some(_) => Some("that page has no such heading"),
            None => Some("only pages have headings to lead to"),
        }
    }

    /// The file of this tree that a word set as code names, if it looks like one: it has a slash and
    /// starts with something at the top.
    fn named_file(&self, span: &str) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
        let (first, rest) = span.split_once('/')?;
        if rest.is_empty() || !self.top.iter().any(|name| name == first) {
            return None;
        }
        // `keyd/src/lib.rs:12` names a line of it.
        let path = span.split(':').next().unwrap_or(span);
        let made = self
            .made
            .iter()
            .any(|made| Path::new(path).starts_with(made));
        (path.chars().all(plain) && !made).then(|| path.trim_end_matches('/').to_owned())
    }

    /// Pages of the book that its table of contents leaves out.
    fn not_in_contents(&self) -> Vec<String> {
        let contents = [
            format!("{BOOK}/SUMMARY.md"),
            format!("{BOOK}/src/SUMMARY.md"),
        ];
        let Some((path, summary)) = contents
            .iter()
            .find_map(|path| self.pages.get_key_value(Path::new(path)))
        else {
            return Vec::new();
        };
        let folder = path.parent().unwrap_or(path);
        let listed: Vec<PathBuf> = summary
            .links
            .iter()
            .filter_map(|(_, link)| joined(folder, link))
            .collect();
        self.pages
            .keys()
            .filter(|page| page.starts_with(folder) && *page != path && !listed.contains(page))
            .map(|page| format!("{} is not in {}", page.display(), path.display()))
            .collect()
    }
}

/// Whether a word set as code looks like the name of a test: a sentence.
fn is_test(span: &str) -> bool {
    let belongs = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    span.bytes().all(belongs) && span.split('_').count() > 2
}

/// `folder/relative` without `.` and `..`; `None` if it leads out of the tree or is absolute.
fn joined(folder: &Path, relative: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in folder.join(relative).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::Normal(name) => path.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// `cargo xtask …` that this program does not understand. Words in capitals and in brackets stand
/// for something else, so only lines without them are tried.
fn objection_to_command(span: &str) -> Option<String> {
    let words: Vec<String> = span
        .strip_prefix("cargo xtask ")?
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let stands_for_something = |word: &String| {
        word.contains(['[', '…', '<']) || word.bytes().all(|b| b.is_ascii_uppercase())
    };
    if words.iter().any(stands_for_something) {
        return None;
    }
    arguments::parse(&words)
        .err()
        .map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small tree on disk with these files, checked.
    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let pages = read_pages(root.path()).unwrap();
        Tree::look(root.path(), &pages).unwrap().untruths()
    }

    #[test]
    fn pages_that_tell_the_truth_pass() {
        let none: Vec<String> = Vec::new();
        assert_eq!(
            wrong(&[
                (
                    "README.md",
                    "[book](docs/a.md#one-heading) `keyd/main.rs:3` `keyd/` [web](https://x.y/z)\n\
                     `other/thing` `cargo xtask test --quick` `cargo xtask fuzz [TARGET]`\n\
                     `docs/book/index.html`",
                ),
                (".gitignore", "/docs/book\n"),
                (
                    "docs/a.md",
                    "# One heading\n[up](../README.md) [here](#one-heading)\n\
                     - `keyd/main.rs`: `a_gate_is_closed`"
                ),
                ("docs/SUMMARY.md", "[a](./a.md)"),
                ("keyd/main.rs", "fn a_gate_is_closed() {}"),
            ]),
            none
        );
    }

    #[test]
    fn each_untruth_is_named_with_its_place() {
        let cases = [
            (
                "[x](docs/b.md)",
                "README.md:1: link to `docs/b.md`: there is no such file",
            ),
            (
                "[x](#nope)",
                "README.md:1: link to `#nope`: this page has no such heading",
            ),
            (
                "[x](docs/a.md#nope)",
                "README.md:1: link to `docs/a.md#nope`: that page has no such heading",
            ),
            (
                "[x](../y.md)",
                "README.md:1: link to `../y.md`: it leads out of the tree",
            ),
            (
                "[x](/etc/passwd)",
                "README.md:1: link to `/etc/passwd`: it leads out of the tree",
            ),
            (
                "\n`docs/gone.rs`",
                "README.md:2: there is no `docs/gone.rs`",
            ),
            (
                "- `a.rs`: `a_gate_is_closed`",
                "README.md:1: there is no `a_gate_is_closed` in `a.rs`",
            ),
            (
                "`cargo xtask tset`",
                "README.md:1: `cargo xtask tset`: there is no command `tset`",
            ),
        ];
        for (text, expected) in cases {
            let files = [
                ("README.md", text),
                ("docs/a.md", ""),
                ("a.rs", "fn a_gate_is_closed_again() {}"),
            ];
            assert_eq!(wrong(&files), [expected]);
        }
    }

    #[test]
    fn a_page_outside_the_contents_is_named() {
        assert_eq!(
            wrong(&[
                ("docs/SUMMARY.md", "[a](a.md)"),
                ("docs/a.md", ""),
                ("docs/deep/b.md", ""),
            ]),
            ["docs/deep/b.md is not in docs/SUMMARY.md"]
        );
    }
}
