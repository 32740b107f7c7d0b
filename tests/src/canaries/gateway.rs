use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{canary::HIDDEN_PATTERN, plan::Plan};
use crate::cross_transport::Fault;

/// The gateway and the servers behind it, until this is dropped.
#[derive(Debug)]
pub(super) struct Gateway {
    /// Where it is.
    pub(super) address: SocketAddr,
    process: Process,
    _servers: Vec<Process>,
    /// The folder of its file, its state, its log and the log of calls.
    home: TempDir,
}

/// A process that ends with its owner.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// A server behind the gateway: its name there, and its era.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upstream {
    pub(super) name: &'static str,
    era: &'static str,
    /// Whether the gateway starts it and speaks to it on standard streams.
    is_program: bool,
}

impl Upstream {
    pub(super) const ALL: [Self; 4] = [
        Self { name: "modern-program", era: "modern", is_program: true },
        Self { name: "legacy-program", era: "legacy", is_program: true },
        Self { name: "modern-http", era: "modern", is_program: false },
        Self { name: "legacy-http", era: "legacy", is_program: false },
    ];

    /// Whether its requests say for which call they are. Those of a legacy program do not: a request that could belong to
    /// several callers is declined.
    pub(super) fn attributes_requests(self) -> bool {
        !(self.is_program && self.era == "legacy")
    }
}

/// The secret that signs the tokens of callers.
pub(super) const SECRET: &str = "the-secret-of-a-run-of-canaries-0123456789";

/// How long the gateway may take to begin and to end.
const PATIENCE: Duration = Duration::from_secs(60);

impl Gateway {
    /// Starts all.
    pub(super) async fn start(plan: &Plan) -> Result<Self, Fault> {
        let home = tempfile::tempdir()?;
        let mut servers = Vec::new();
        let mut text = SETTINGS.replace("PATTERN", HIDDEN_PATTERN);
        let this = std::env::current_exe()?;
        for Upstream { name, era, is_program } in Upstream::ALL {
            text += &format!("[upstreams.{name}]\ncache = true\n");
            if is_program {
                // Shared, since each session would start a program of its own once one was asked for.
                text += &format!("command = [{this:?}, \"serve\", {era:?}]\nisolation = \"shared\"\n");
            } else {
                let address = free_address()?;
                let mut command = Command::new(&this);
                command.args(["serve", era, &address.to_string()]).stdin(Stdio::null());
                servers.push(Process(command.spawn()?));
                text += &format!("url = \"http://{address}/mcp\"\n");
                listens(address).await?;
            }
        }
        fs::write(home.path().join("anyport.toml"), text)?;
        let (process, address) = serve(&plan.program, home.path())?;
        Ok(Self { address, process, _servers: servers, home })
    }

    /// Ends the gateway as an operator does. Its records are whole then.
    pub(super) async fn stop(&mut self) -> Result<(), Fault> {
        let process = self.process.0.id().to_string();
        Command::new("kill").args(["-TERM", &process]).status()?;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.0.try_wait()? {
                return if status.success() { Ok(()) } else { Err(format!("the gateway: {status}").into()) };
            }
            if Instant::now() > until {
                return Err("waited in vain for the end of the gateway".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Keeps its folder, and returns where that is.
    pub(super) fn keep(mut self) -> PathBuf {
        self.home.disable_cleanup(true);
        self.home.path().to_owned()
    }

    /// What it has logged.
    pub(super) fn log(&self) -> std::io::Result<String> {
        fs::read_to_string(self.home.path().join(LOG))
    }

    /// The file with the log of calls.
    pub(super) fn audit(&self) -> std::io::Result<impl Iterator<Item = std::io::Result<String>>> {
        Ok(BufReader::new(fs::File::open(self.home.path().join("audit.jsonl"))?).lines())
    }
}

const LOG: &str = "gateway.log";

const SETTINGS: &str = r#"
[auth]
secret = { from = "env:JWT_SECRET" }
[audit]
mode = "on"
file = "audit.jsonl"
[mask]
data = []
patterns = { hidden = "PATTERN" }
[limits]
calls_per_second = 1000000
call_burst = 1000000
# Visitors leave their sessions open: after a million calls a server would refuse further subscriptions.
session_idle = 60
[servers.all]
"#;

/// Starts the gateway, and reads where it listens.
fn serve(program: &Path, home: &Path) -> Result<(Process, SocketAddr), Fault> {
    let mut command = Command::new(program);
    command.args(["serve", "--config", "anyport.toml", "--port", "0", "--transport", "sse,websocket"]);
    command.args(["--log-level", "debug", "--log-file", LOG, "--state-dir", "state"]);
    command.current_dir(home).env("JWT_SECRET", SECRET);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process(command.spawn()?);
    let output = process.0.stderr.take().ok_or("the gateway has no standard error")?;
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    while let Some(line) = lines.next().transpose()? {
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once("/mcp"));
        if let Some((address, _)) = address.filter(|_| line.trim_start().starts_with("http ")) {
            let address = address.parse()?;
            // What it says later must not fill the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok((process, address));
        }
        said += &format!("{line}\n");
    }
    Err(format!("the gateway ended before it listened:\n{said}").into())
}

fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Waits until something listens at `address`.
async fn listens(address: SocketAddr) -> Result<(), Fault> {
    let until = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if Instant::now() > until {
            return Err(format!("waited in vain for a server at {address}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
