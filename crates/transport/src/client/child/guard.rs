//! What ends our processes when ours was ended without being asked.

use std::{
    collections::HashSet,
    io::{self, BufRead, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyport_service::sync::Lock;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// A process beside ours that ends what we have started, should ours be killed (`SIGKILL`, a lack of memory, an abort)
/// before it could.
///
/// Most servers end with their input, as they should (2026-07-28, stdio §Shutdown); one that does not would run on for
/// good. The kernel's own way to prevent that (`PR_SET_PDEATHSIG`) is Linux's alone, ends when a thread of ours does, and
/// does not reach what a server has started, which under `npx` is the server. So a process of a group of its own holds the
/// other end of a pipe, and is told which groups there are; when the pipe ends, so does what is left of them.
///
/// Clones are the same guard; it goes with the last of them.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner(Lock<Option<(ChildStdin, Child)>>);

/// A group that is guarded until this is dropped.
#[derive(Debug)]
pub(super) struct Guarded {
    guard: Guard,
    group: u32,
}

impl Guard {
    /// Starts the process: `command` runs a program that calls [`Guard::keep`] with its standard input and does nothing
    /// else, this one perhaps. It gets no variables and no other streams.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // What a terminal sends to our group is not for it, and no folder stays in use for its sake.
        command.env_clear().current_dir("/").process_group(0);
        let mut child = command.spawn()?;
        let Some(input) = child.stdin.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        // Nobody here waits for it: if it stands still, it is given up.
        rustix::io::ioctl_fionbio(&input, true)?;
        Ok(Self(Arc::new(Inner(Lock::new(Some((input, child)))))))
    }

    /// Ends the groups of processes that `input` names once `input` ends, which is when whoever wrote it has ended: those
    /// that do not end with their own input are told to after 2 s, and killed 2 s later, as a
    /// [`Command`](super::Command) would be.
    pub fn keep(input: impl BufRead) {
        end(&told(input), PATIENCE, PATIENCE);
    }

    /// Guards the group that the process `group` leads.
    pub(super) fn guarded(&self, group: u32) -> Guarded {
        self.tell('+', group);
        Guarded { guard: self.clone(), group }
    }

    fn tell(&self, what: char, group: u32) {
        let mut running = self.0.0.lock();
        let Some((input, _)) = &mut *running else { return };
        // So short a line is written as a whole or not at all.
        if let Err(error) = input.write_all(format!("{what}{group}\n").as_bytes())
            && let Some((input, mut child)) = running.take()
        {
            tracing::warn!(%error, "nothing ends the server any more should this program be killed");
            // First: seeing its input end, it would take us for dead.
            let _ = child.kill();
            drop(input);
            let _ = child.wait();
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.guard.tell('-', self.group);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let running = self.0.get_mut().take();
        if let Some((input, mut child)) = running {
            drop(input);
            // It ends at once, having nothing to guard; whoever lives on must not keep what is left of it.
            std::thread::spawn(move || child.wait());
        }
    }
}

/// How long what ought to end by itself is given, and then what was told to.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often is looked who has ended. The number of a group that has may become another's, so it is not signalled any more.
const LOOK: Duration = Duration::from_millis(20);

/// The groups that are there when `input` ends.
fn told(input: impl BufRead) -> HashSet<Pid> {
    let mut groups = HashSet::new();
    for line in input.split(b'\n').map_while(Result::ok) {
        let Some((what, group)) = line.split_first() else { continue };
        let group = std::str::from_utf8(group).ok().and_then(|group| group.parse().ok());
        // Below that are our own group, and everybody.
        let Some(group) = group.filter(|group| *group > 1).and_then(Pid::from_raw) else { continue };
        match what {
            b'+' => _ = groups.insert(group),
            b'-' => _ = groups.remove(&group),
            _ => {}
        }
    }
    groups
}

#[expect(clippy::disallowed_methods, reason = "a process that does nothing else; it has no runtime")]
fn end(groups: &HashSet<Pid>, linger: Duration, grace: Duration) {
    let mut left: Vec<Pid> = groups.iter().copied().collect();
    for (wait, signal) in [(linger, Signal::TERM), (grace, Signal::KILL)] {
        let until = Instant::now() + wait;
        loop {
            left.retain(|group| test_kill_process_group(*group).is_ok());
            if left.is_empty() || Instant::now() >= until {
                break;
            }
            std::thread::sleep(LOOK);
        }
        for group in &left {
            let _ = kill_process_group(*group, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    /// A group of one process.
    fn start(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Waits for a line of what it says.
    fn begun(child: &mut Child) {
        let mut line = String::new();
        io::BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "here\n");
    }

    /// Invariant: However the program ends, no process of a server remains, not even after SIGKILL.
    #[test]
    fn what_is_told_and_not_taken_back_is_ended_when_nothing_more_is_told() {
        let mut kept = start("echo here; while :; do sleep 1; done");
        let mut stubborn = start("trap '' TERM; echo here; while :; do sleep 1; done");
        let mut spared = start("echo here; while :; do sleep 1; done");
        for child in [&mut kept, &mut stubborn, &mut spared] {
            begun(child);
        }
        let lines = format!("+{}\n+{}\n+{}\n-{}\n", kept.id(), stubborn.id(), spared.id(), spared.id());
        let groups = told(lines.as_bytes());
        assert_eq!(groups.len(), 2);
        // As init does with what has lost its parent.
        let reaped = std::thread::spawn(move || (kept.wait().unwrap(), stubborn.wait().unwrap()));
        end(&groups, SOON, SOON);
        let (kept, stubborn) = reaped.join().unwrap();
        let signal =
            |status: std::process::ExitStatus| std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!((signal(kept), signal(stubborn)), (Some(15), Some(9)));
        assert!(spared.try_wait().unwrap().is_none());
        kill_process_group(Pid::from_child(&spared), Signal::KILL).unwrap();
        spared.wait().unwrap();
    }

    #[test]
    fn what_ends_by_itself_is_sent_nothing() {
        let mut child = start("trap 'exit 3' TERM; echo here; sleep 0.05; exit 4");
        begun(&mut child);
        let groups = told(format!("+{}\n", child.id()).as_bytes());
        let reaped = std::thread::spawn(move || child.wait().unwrap());
        end(&groups, Duration::from_secs(20), SOON);
        assert_eq!(reaped.join().unwrap().code(), Some(4));
    }

    /// Invariant: However the program ends, no process of a server remains, not even after SIGKILL.
    #[test]
    fn nothing_but_groups_is_understood() {
        assert!(told(&b"+0\n+1\n+-1\n+-7\n\n7\n*7\n+\n+x\n+99999999999999999999\n\xff\n"[..]).is_empty());
    }

    #[expect(clippy::disallowed_methods, reason = "a process that ends in its own time")]
    #[test]
    fn a_guard_that_is_gone_is_given_up_and_not_mistaken() {
        let guard = Guard::start(Command::new("/bin/true")).unwrap();
        let is_there = || guard.0.0.lock().is_some();
        let started = Instant::now();
        while is_there() {
            assert!(started.elapsed() < Duration::from_secs(20), "its end is not seen");
            drop(guard.guarded(i32::MAX.unsigned_abs()));
            std::thread::sleep(LOOK);
        }
        drop(guard.guarded(7));
    }
}
