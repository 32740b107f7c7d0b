//! What the process of a test has: its children, descriptors and memory. Whoever counts them is alone in its process.

use std::{fs, time::Duration};

/// What a process has of its own, beside its code.
pub(crate) struct Held {
    descriptors: usize,
    memory: u64,
}

impl Held {
    pub(crate) fn now() -> Self {
        Self { descriptors: descriptors(), memory: memory() }
    }

    /// Waits until there are `children`, and no more descriptors than before, `fewer` less.
    pub(crate) async fn back(&self, children: usize, fewer: usize) {
        wait_until(|| self::children() == children && descriptors() <= self.descriptors - fewer).await;
    }

    /// Fails where `count` cycles have cost memory.
    pub(crate) fn has_not_grown(&self, count: usize) {
        let (before, after) = (self.memory, memory());
        println!("{count} cycles: {before} KiB before, {after} KiB after");
        assert!(after < before + ROOM, "{before} KiB before, {after} KiB after {count} cycles");
    }
}

/// Waits until there are so many.
pub(crate) async fn children_are(count: usize) {
    wait_until(|| children() == count).await;
}

/// Children of this process, those that have ended and are not waited for among them.
fn children() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.map(|task| of(task.unwrap()).split_whitespace().count()).sum()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn wait_until(mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} children and {} descriptors are left after 20 s", children(), descriptors());
}

/// KiB that an allocator may hold on to.
const ROOM: u64 = 16 * 1024;
