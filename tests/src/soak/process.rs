use std::{fs, io, path::PathBuf};

/// What a process holds. From `/proc`, so on Linux alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Resident memory, in bytes.
    memory: u64,
    descriptors: usize,
    /// Its children, and theirs.
    children: usize,
}

/// What the allocator may keep of the memory of calls that are over, beside a quarter of what was there before.
const SLACK: u64 = 16 << 20;

impl Held {
    /// Of the process `id`.
    pub(super) fn by(id: u32) -> io::Result<Self> {
        let process = PathBuf::from(format!("/proc/{id}"));
        let status = fs::read_to_string(process.join("status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(Self {
            memory: kibibytes.ok_or_else(|| io::Error::other("the system says no VmRSS"))? << 10,
            descriptors: fs::read_dir(process.join("fd"))?.count(),
            children: descendants(id)?.len(),
        })
    }

    /// In what it exceeds what was there before. Some descriptors more may be needed, if the server became another.
    pub(super) fn exceeds(&self, before: &Self, descriptors: usize) -> Vec<String> {
        let mut faults = Vec::new();
        if self.memory > before.memory + before.memory / 4 + SLACK {
            faults.push(format!("has {} MiB where it had {}", self.memory >> 20, before.memory >> 20));
        }
        if self.descriptors > before.descriptors + descriptors {
            faults.push(format!("has {} descriptors where it had {}", self.descriptors, before.descriptors));
        }
        if self.children > before.children {
            faults.push(format!("has {} children where it had {}", self.children, before.children));
        }
        faults
    }

    /// A row of the report.
    pub(super) fn beside(&self, before: &Self) -> String {
        let pair = |before: u64, after: u64| format!("{:>12}", format!("{before} → {after}"));
        [
            pair(before.memory >> 20, self.memory >> 20),
            pair(before.descriptors as u64, self.descriptors as u64),
            pair(before.children as u64, self.children as u64),
        ]
        .join(" ")
    }
}

/// The processes that `id` has started, and that those have.
pub(super) fn descendants(id: u32) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end meanwhile. Its name stands in parentheses, and may hold anything.
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent: u32| (process, parent)));
    }
    let mut found = vec![id];
    let mut place = 0;
    while let Some(&parent) = found.get(place) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        place += 1;
    }
    Ok(found.split_off(1))
}

/// Whether a process runs the soak's own server.
pub(super) fn is_server(id: u32) -> bool {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.next().is_some_and(|program| program.ends_with(b"soak")) && words.next() == Some(b"serve")
}
