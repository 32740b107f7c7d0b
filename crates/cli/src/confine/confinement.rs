use std::path::PathBuf;

use anyport_config::{
    Surroundings, expand,
    gateway::{NetworkAccess, UpstreamConfig},
};
use anyport_transport::client::child;
use serde::{Deserialize, Serialize};

/// The hidden command that confines itself and becomes a program.
pub(super) const WORD: &str = "__confined";

/// What a program may use of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// The memory in bytes.
    pub(super) memory: Option<u64>,
    /// The time of the processor in seconds.
    pub(super) cpu_seconds: Option<u64>,
    /// The number of open files.
    pub(super) open_files: Option<u64>,
    /// The number of processes of its user.
    pub(super) processes: Option<u64>,
    pub(super) sandbox: Option<Sandbox>,
}

/// The files and the network that a program may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sandbox {
    /// Files and folders to read, beside those of the system.
    pub(super) read: Vec<PathBuf>,
    /// Files and folders to read and write.
    pub(super) write: Vec<PathBuf>,
    /// The TCP ports to connect to; `None` for any.
    pub(super) ports: Option<Vec<u16>>,
    /// Whether the program is not started where the system has no sandbox.
    pub(super) is_required: bool,
}

impl Confinement {
    /// What an upstream of a gateway's file is to be confined to, if to anything. Paths are relative to the folder of the file, that of
    /// `surroundings`.
    ///
    /// # Errors
    /// A path that refers to a variable that is not set, or a text that is no size.
    pub(crate) fn of(config: &UpstreamConfig, surroundings: &Surroundings) -> Result<Option<Self>, String> {
        let limits = &config.limits;
        let paths = |key: &str, paths: &[String]| -> Result<Vec<PathBuf>, String> {
            let one = |path: &String| {
                let path = expand(path, surroundings, &surroundings.cwd);
                path.map(|path| surroundings.cwd.join(path))
                    .map_err(|error| format!("in its `sandbox.{key}`, {error}"))
            };
            paths.iter().map(one).collect()
        };
        let sandbox = config.sandbox.as_ref().map(|sandbox| {
            Ok::<_, String>(Sandbox {
                read: paths("read", &sandbox.read)?,
                write: paths("write", &sandbox.write)?,
                ports: match &sandbox.network {
                    NetworkAccess::Any(true) => None,
                    NetworkAccess::Any(false) => Some(Vec::new()),
                    NetworkAccess::Ports(ports) => Some(ports.clone()),
                },
                is_required: sandbox.required,
            })
        });
        let confinement = Self {
            memory: limits.memory_bytes().map_err(|reason| format!("in its `limits.memory`, {reason}"))?,
            cpu_seconds: limits.cpu_seconds.map(u64::from),
            open_files: limits.open_files.map(u64::from),
            processes: limits.processes.map(u64::from),
            sandbox: sandbox.transpose()?,
        };
        if confinement == Self::default() {
            return Ok(None);
        }
        match cfg!(unix) {
            true => Ok(Some(confinement)),
            false => Err("its `limits` or its `sandbox` cannot be set on this system".to_owned()),
        }
    }

    /// The command that starts `program` confined.
    ///
    /// # Errors
    /// When this program is not found.
    pub(crate) fn command(&self, program: &str, arguments: &[String]) -> std::io::Result<child::Command> {
        let text = serde_json::to_string(self).map_err(std::io::Error::other)?;
        let command = child::Command::new(std::env::current_exe()?).arg(WORD).arg(text).arg(program);
        Ok(command.args(arguments.iter().cloned()))
    }
}
