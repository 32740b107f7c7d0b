//! The memory of the container that a program runs in: of its control groups (Linux cgroups, versions 1 and 2).

use std::{fs, path::Path};

/// The memory of a control group with a bound, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupMemory {
    /// The bound.
    pub(crate) max: u64,
    /// The part of it that cannot be freed by dropping pages that were read from files.
    pub(crate) used: u64,
}

impl GroupMemory {
    fn free(self) -> u64 {
        self.max.saturating_sub(self.used)
    }

    /// That of the group of this process, or of one around it, that has the least memory left. `None` if none has a bound.
    pub(crate) fn of_process() -> Option<Self> {
        of(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").ok()?)
    }
}

/// The files of one version.
struct Files {
    max: &'static str,
    used: &'static str,
    /// The row of `memory.stat` with the part of the page cache that the kernel frees first.
    inactive: &'static str,
}

const V1: Files =
    Files { max: "memory.limit_in_bytes", used: "memory.usage_in_bytes", inactive: "total_inactive_file" };

const V2: Files = Files { max: "memory.max", used: "memory.current", inactive: "inactive_file" };

/// `membership` is the text of `/proc/PID/cgroup`, rows of `ID:CONTROLLERS:PATH`; `root` is where the groups are mounted.
fn of(root: &Path, membership: &str) -> Option<GroupMemory> {
    let groups = membership.lines().filter_map(|row| {
        let (_, rest) = row.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            "" => Some((root.to_owned(), &V2, path)),
            _ if controllers.split(',').any(|one| one == "memory") => Some((root.join("memory"), &V1, path)),
            _ => None,
        }
    });
    // A container may see the path that its group has outside, and its own group as the root.
    let all = groups.flat_map(|(root, files, path)| {
        let path = Path::new(path.trim_start_matches('/'));
        path.ancestors().filter_map(|part| read(&root.join(part), files)).collect::<Vec<_>>()
    });
    all.min_by_key(|group| group.free())
}

fn read(folder: &Path, files: &Files) -> Option<GroupMemory> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    // `max` stands for no bound.
    let (max, current) = (number(files.max)?, number(files.used)?);
    let rows = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let inactive = rows.lines().find_map(|row| row.strip_prefix(files.inactive)?.trim().parse::<u64>().ok());
    Some(GroupMemory { max, used: current.saturating_sub(inactive.unwrap_or_default()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(root: &Path, path: &str, files: &Files, [max, used, inactive]: [&str; 3]) {
        let folder = root.join(path);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(files.max), format!("{max}\n")).unwrap();
        fs::write(folder.join(files.used), format!("{used}\n")).unwrap();
        let rows = format!("anon 5\n{} {inactive}\nactive_file 7\n", files.inactive);
        fs::write(folder.join("memory.stat"), rows).unwrap();
    }

    #[test]
    fn the_group_with_the_least_memory_left_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(of(root, "0::/a/b\n"), None);
        group(root, "a", &V2, ["1000", "900", "100"]);
        group(root, "a/b", &V2, ["max", "10", "0"]);
        assert_eq!(of(root, "0::/a/b\n"), Some(GroupMemory { max: 1000, used: 800 }));
        group(root, "a/b", &V2, ["500", "490", "0"]);
        assert_eq!(of(root, "0::/a/b\n"), Some(GroupMemory { max: 500, used: 490 }));
        // The path is one outside of the container.
        group(root, "", &V2, ["512", "300", "12"]);
        assert_eq!(of(root, "0::/../outside\n"), Some(GroupMemory { max: 512, used: 288 }));
    }

    #[test]
    fn version_1_has_a_tree_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        group(root.path(), "memory/docker/x", &V1, ["4096", "2048", "48"]);
        let membership = "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n";
        assert_eq!(of(root.path(), membership), Some(GroupMemory { max: 4096, used: 2000 }));
        assert_eq!(of(root.path(), "5:cpu:/docker/x\n"), None);
        assert_eq!(of(root.path(), "nonsense\n:::\n"), None);
    }
}
