//! What runs below this process, read from `/proc`.

use std::fs;

/// One process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: i32,
    /// The number of its parent.
    pub(crate) parent: i32,
    /// The name of its program, cut to 15 characters by the kernel.
    pub(crate) name: String,
    /// Whether it has ended and waits for its parent to notice.
    pub(crate) ended: bool,
}

/// Parses one `/proc/PID/stat` (proc(5)): `PID (NAME) STATE PARENT …`.
fn parse_stat(text: &str) -> Option<Process> {
    // The name may hold spaces and parentheses itself.
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    Some(Process {
        pid: pid.parse().ok()?,
        parent: fields.next()?.parse().ok()?,
        name: name.to_owned(),
        ended: state == "Z" || state == "X",
    })
}

/// All processes that can be seen; one that ends meanwhile is left out.
pub(crate) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            if !name.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            parse_stat(&fs::read_to_string(path.join("stat")).ok()?)
        })
        .collect()
}

/// Those of `processes` that descend from `ancestor`, without `spared` ones and what is below them.
pub(crate) fn below(ancestor: i32, spared: &[i32], processes: &[Process]) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for process in processes {
            if process.parent == parent && !spared.contains(&process.pid) {
                parents.push(process.pid);
                found.push(process.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        let process = parse_stat("42 (a) (b c) S 7 42 42 0 -1").unwrap();
        assert_eq!(
            (process.pid, process.parent, process.name.as_str()),
            (42, 7, "a) (b c")
        );
        assert!(!process.ended);
        assert!(parse_stat("42 (gone) Z 7 42").unwrap().ended);
        assert_eq!(parse_stat("42 (cut"), None);
    }

    #[test]
    fn grandchildren_count_and_spared_ones_do_not() {
        let process = |pid, parent| Process {
            pid,
            parent,
            name: String::new(),
            ended: false,
        };
        let all = [
            process(2, 1),
            process(3, 2),
            process(4, 1),
            process(5, 4),
            process(6, 9),
        ];
        let mut pids: Vec<i32> = below(1, &[4], &all).iter().map(|p| p.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [2, 3]);
    }

    #[test]
    fn this_very_process_is_seen() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(all().iter().any(|process| process.pid == me));
    }
}
