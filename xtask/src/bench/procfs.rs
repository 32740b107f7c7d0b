//! Linux's data about a process.

use std::{fs, path::Path, time::Duration};

use crate::Failure;

/// What Linux answers for the file of a thread that has ended: before it is opened, and after.
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;

/// Whether there is anything to read.
pub(super) fn is_here() -> bool {
    Path::new("/proc/self/schedstat").exists()
}

/// The resident memory of a process, in bytes.
///
/// # Errors
/// When there is no such process.
pub(super) fn resident(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib: u64 = kib.ok_or("/proc tells no resident memory")?.trim().parse()?;
    Ok(kib * 1024)
}

/// The time that all threads of a process spent on a core, in the kernel too.
///
/// # Errors
/// When there is no such process.
pub(super) fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let mut time = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = match fs::read_to_string(thread?.path().join("schedstat")) {
            Ok(text) => text,
            // The thread ended between the list and its file.
            Err(error) if matches!(error.raw_os_error(), Some(ENOENT | ESRCH)) => continue,
            Err(error) => return Err(error.into()),
        };
        let nanoseconds = text.split(' ').next().unwrap_or_default().parse()?;
        time += Duration::from_nanos(nanoseconds);
    }
    Ok(time)
}

/// The processes that a process has started from the file `program`, and that still run.
///
/// # Errors
/// When /proc cannot be read.
pub(super) fn children(pid: u32, program: &Path) -> Result<Vec<u32>, Failure> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has ended since the list has no files.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // proc(5): the name, which may have parentheses of its own, stands in parentheses before the state and the parent.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        if parent == Some(pid) && fs::read_link(entry.path().join("exe")).is_ok_and(|file| file == program) {
            children.push(child);
        }
    }
    Ok(children)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_has_run() {
        let own = std::process::id();
        assert!(resident(own).unwrap() > 100 * 1024);
        assert!(cpu_time(own).unwrap() > Duration::ZERO);
        assert!(resident(u32::MAX).is_err());
    }

    #[test]
    fn a_process_has_the_children_that_it_started() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let file = fs::read_link(format!("/proc/{}/exe", child.id())).unwrap();
        assert!(children(std::process::id(), &file).unwrap().contains(&child.id()));
        assert!(children(std::process::id(), Path::new("/other")).unwrap().is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children(std::process::id(), &file).unwrap().contains(&child.id()));
    }
}
