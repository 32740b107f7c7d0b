//! How the program ends: the one place where exit codes stand.

use std::process::ExitCode;

/// The exit codes of the program. The numbers are those of the MCP Inspector's command line, so that a script can
/// change from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// It did not work.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// The server wants to know who calls, or does not let the caller in.
    Auth = 3,
    /// The server cannot be reached, did not start, went away, or did not answer in time.
    Unreachable = 4,
    /// The tool ran and said that it failed (`isError`).
    Tool = 5,
}

impl Exit {
    /// Every one, in order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::Usage, Self::Auth, Self::Unreachable, Self::Tool];

    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// Its name, for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Auth => "auth",
            Self::Unreachable => "unreachable",
            Self::Tool => "tool",
        }
    }

    /// Its meaning, for people.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage",
            Self::Auth => "the server requires authentication, or refuses this caller",
            Self::Unreachable => "the server cannot be reached, did not start, or did not answer in time",
            Self::Tool => "the tool ran and failed",
        }
    }
}

/// All of them, for the program's help.
pub(crate) fn help() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {}  {}\n", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", lines.concat())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_those_that_scripts_know_from_the_inspector() {
        let codes: Vec<_> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        let known = [0, 1, 2, 3, 4, 5];
        assert_eq!(codes, known);
        assert!(super::help().contains("5  the tool ran and failed"));
    }
}
