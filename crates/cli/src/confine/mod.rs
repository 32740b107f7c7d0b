//! Limits and a sandbox for a program of a gateway.
//!
//! Both are set by a process on itself and stay when it becomes another program. So this program is started in place of the other one: as
//! `anyport __confined`, it sets them and then becomes that program, in the same process.
//!
//! - [`Confinement`]: what is set, and how it is handed over.
//! - `apply`: sets it, and becomes the program.
//! - `sandbox`: the sandbox, by Landlock.

#[cfg(unix)]
mod apply;
#[cfg(target_os = "linux")]
mod sandbox;

use std::path::PathBuf;

use anyport_config::{
    Surroundings, expand,
    gateway::{NetworkAccess, UpstreamConfig},
};
use anyport_transport::client::child;
use serde::{Deserialize, Serialize};

#[cfg(unix)]
pub(crate) use self::apply::is_this;

/// The hidden command that confines itself and becomes a program.
const WORD: &str = "__confined";

/// What a program may use of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// The memory in bytes.
    memory: Option<u64>,
    /// The time of the processor in seconds.
    cpu_seconds: Option<u64>,
    /// The number of open files.
    open_files: Option<u64>,
    /// The number of processes of its user.
    processes: Option<u64>,
    sandbox: Option<Sandbox>,
}

/// The files and the network that a program may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sandbox {
    /// Files and folders to read, beside those of the system.
    read: Vec<PathBuf>,
    /// Files and folders to read and write.
    write: Vec<PathBuf>,
    /// The TCP ports to connect to; `None` for any.
    ports: Option<Vec<u16>>,
    /// Whether the program is not started where the system has no sandbox.
    is_required: bool,
}

impl Confinement {
    /// What an upstream of a gateway's file is to be confined to, if to anything. Paths are relative to the folder of the file, that of
    /// `surroundings`.
    ///
    /// # Errors
    /// A path that refers to a variable that is not set, or a size that is none.
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
