//! The guard that ends a server's processes when a bridge was killed: this program again, in a process of its own.

use anyport_transport::client;

/// The hidden command of the guard process.
#[cfg(unix)]
const WORD: &str = "__guard";

/// Does what that process has to do, if this is it.
#[cfg(unix)]
pub(crate) fn is_this() -> bool {
    if std::env::args_os().nth(1).is_none_or(|word| word != WORD) {
        return false;
    }
    client::child::Guard::keep(std::io::stdin().lock());
    true
}

/// Nothing of the kind is needed: a job ends with the process that has made it.
#[cfg(not(unix))]
pub(crate) fn is_this() -> bool {
    false
}

/// The guard process of all programs that are started here; it is started with the first of them.
#[derive(Default)]
pub(crate) struct Guard {
    #[cfg(unix)]
    process: std::sync::OnceLock<Option<client::child::Guard>>,
}

impl Guard {
    /// The same target; a program that is started for it is guarded. Commands that soon end do without: a further process would
    /// cost them more than it is worth.
    pub(crate) fn guarded(&self, target: client::Target) -> client::Target {
        #[cfg(unix)]
        if let client::Target::Command(mut command) = target {
            command.guard = self.process.get_or_init(start).clone();
            return client::Target::Command(command);
        }
        target
    }
}

/// Starts the process, or says why it is missing.
#[cfg(unix)]
fn start() -> Option<client::child::Guard> {
    let started = std::env::current_exe().and_then(|program| {
        let mut guard = std::process::Command::new(program);
        guard.arg(WORD);
        client::child::Guard::start(guard)
    });
    let warn = |error: &std::io::Error| {
        tracing::warn!(
            %error,
            "nothing will end the server should this program be killed: the process for that cannot be started"
        );
    };
    started.inspect_err(warn).ok()
}
