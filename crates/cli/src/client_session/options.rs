use std::path::PathBuf;

use super::output;
use crate::target;

/// The options of every command that connects to a server.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) server: target::Options,
    /// A root: a folder that the server may work in. May be given several times.
    #[arg(long, value_name = "DIR", help_heading = "Server")]
    pub(crate) root: Vec<PathBuf>,
    /// Write every message that is sent and received to this file, for `anyport replay`; - is standard error.
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

impl Options {
    /// These, with what the file of the server says of it where no option does.
    pub(crate) fn completed_by(&self, target: &target::Target) -> Self {
        let mut options = self.clone();
        options.server.revision = options.server.revision.or(target.revision);
        options
    }
}
