//! The Debian packages that this tree needs: which are missing, and how they come.

use std::process::Command;

use rustix::process::geteuid;

use crate::failure::{Failure, Result};
use crate::supervise::Supervisor;
use crate::workspace::Workspace;

/// The list, below the top folder.
const LIST: &str = "xtask/packages.txt";

/// One line of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Package {
    name: String,
    reason: String,
}

/// Installs what is missing and tells which packages those were. Returns a line for the table.
pub(crate) fn install_missing(workspace: &Workspace, supervisor: &Supervisor) -> Result<String> {
    let text = std::fs::read_to_string(workspace.path(LIST))
        .map_err(|error| Failure::io(format!("cannot read {LIST}"), &error))?;
    let wanted = parse(&text)?;
    if !workspace.has_program("dpkg-query") || !workspace.has_program("apt-get") {
        eprintln!("This is not Debian: install what these packages hold by other means.");
        for package in &wanted {
            eprintln!("  {:<18} {}", package.name, package.reason);
        }
        return Ok("not Debian: nothing looked for".to_owned());
    }
    let missing = missing(&wanted)?;
    if missing.is_empty() {
        return Ok(format!("{} packages, all there", wanted.len()));
    }
    eprintln!("Debian packages that are missing:");
    for package in &missing {
        eprintln!("  {:<18} {}", package.name, package.reason);
    }
    install(workspace, supervisor, &missing)?;
    let still: Vec<String> = names(&self::missing(&wanted)?);
    if !still.is_empty() {
        let still = still.join(" ");
        return Err(Failure::new(format!("still missing: {still}")));
    }
    Ok(format!("installed {}", names(&missing).join(" ")))
}

/// `name  # reason` a line; empty lines and lines that start with `#` say nothing.
fn parse(text: &str) -> Result<Vec<Package>> {
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines()
        .map(str::trim)
        .filter(said)
        .map(|line| {
            let (name, reason) = line.split_once('#').unwrap_or((line, ""));
            let (name, reason) = (name.trim(), reason.trim());
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
            let named = name.starts_with(|c: char| c.is_ascii_alphanumeric());
            if reason.is_empty() || !named || !name.bytes().all(plain) {
                return Err(Failure::new(format!(
                    "{LIST}: `{line}` is not `name  # reason`"
                )));
            }
            Ok(Package {
                name: name.to_owned(),
                reason: reason.to_owned(),
            })
        })
        .collect()
}

fn names(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .map(|package| package.name.clone())
        .collect()
}

fn missing(wanted: &[Package]) -> Result<Vec<Package>> {
    let mut query = Command::new("dpkg-query");
    query
        .args(["--show", "--showformat=${db:Status-Status} ${Package}\\n"])
        .args(names(wanted));
    // It fails where it has never heard of a package, and still tells of the others.
    let output = query
        .output()
        .map_err(|error| Failure::io("cannot run `dpkg-query`", &error))?;
    Ok(not_installed(
        wanted,
        &String::from_utf8_lossy(&output.stdout),
    ))
}

fn not_installed(wanted: &[Package], answer: &str) -> Vec<Package> {
    let installed: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    wanted
        .iter()
        .filter(|package| !installed.contains(&package.name.as_str()))
        .cloned()
        .collect()
}

fn install(workspace: &Workspace, supervisor: &Supervisor, missing: &[Package]) -> Result<()> {
    let by_hand = format!("apt-get install {}", names(missing).join(" "));
    let before: &[&str] = if geteuid().is_root() {
        &[]
    } else if workspace.has_program("sudo") {
        &["sudo"]
    } else {
        return Err(
            Failure::new("only root can install packages, and there is no sudo")
                .hint(format!("as root: `{by_hand}`")),
        );
    };
    let apt = |words: &[&str], packages: &[String]| -> Result<bool> {
        let mut line = before.to_vec();
        line.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        line.extend(words);
        let (program, arguments) = line.split_first().unwrap_or((&"apt-get", &[]));
        let mut command = workspace.program(program, arguments.iter().copied());
        // What this program prints to standard output belongs to whoever called it.
        command.args(packages).stdout(std::io::stderr());
        Ok(supervisor.run_installer(command)?.success())
    };
    let packages = names(missing);
    let arguments = ["install", "--yes", "--no-install-recommends"];
    // The machine's lists may be fresh already; if not, they are fetched once.
    if apt(&arguments, &packages)? || (apt(&["update"], &[])? && apt(&arguments, &packages)?) {
        return Ok(());
    }
    Err(Failure::new("apt-get could not install them").hint(format!("try `{by_hand}` by hand")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_this_tree_can_be_read() {
        let text = include_str!("../packages.txt");
        let packages = parse(text).unwrap();
        assert!(packages.iter().any(|package| package.name == "postgresql"));
        let mut names = names(&packages);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), packages.len(), "one line a package");
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        assert!(parse("gcc # links").is_ok());
        for wrong in ["gcc", "gcc #", "gcc;ls # x", "--yes # x", "GCC # x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_is_installed_counts_as_there() {
        let wanted = parse("gcc # a\ng++ # b\nswtpm # c\n").unwrap();
        let answer = "installed gcc\nconfig-files swtpm\n";
        assert_eq!(names(&not_installed(&wanted, answer)), ["g++", "swtpm"]);
    }
}
