use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyport_service::sync::Lock;
use anyport_testing::chaos::{Chaos, ChaosProxy, Cut, Faults};
use fastrand::Rng;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    kind::Kind,
    plan::Plan,
    process::{Held, descendants, is_server},
    tally::Tally,
};
use crate::cross_transport::Fault;

/// How long a session without a request, and a connection to a server without a call, live in the bridges.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// How long a bridge waits for a server that says nothing.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A server and the bridge before it.
pub(super) struct Upstream {
    pub(super) kind: Kind,
    /// Where the bridge is.
    pub(super) address: SocketAddr,
    bridge: Process,
    /// The server, where we and not the bridge have started it, its address, and the network before it.
    server: Option<(Lock<Process>, SocketAddr, ChaosProxy)>,
    /// The state folder of the bridge.
    _state: TempDir,
}

/// A process that ends with its owner.
struct Process(Child);

impl Process {
    fn end(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl Upstream {
    /// Starts both.
    pub(super) async fn start(kind: Kind, plan: &Plan) -> Result<Self, Fault> {
        let this = std::env::current_exe()?;
        let mut bridge = Command::new(&plan.program);
        bridge.args(["bridge", "--port", "0", "--timeout", &TIMEOUT.as_secs().to_string()]);
        bridge.args(["--log-level", "error"]);
        for limit in ["session_idle", "upstream_idle"] {
            bridge.args(["--limit", &format!("{limit}={}", IDLE.as_secs())]);
        }
        let state = tempfile::tempdir()?;
        bridge.arg("--state-dir").arg(state.path());
        let server = if kind == Kind::Program {
            bridge.arg("--").arg(&this).args(["serve", "legacy"]);
            None
        } else {
            let address = free_address(plan.loopback)?;
            let process = serve(kind.era(&mut Rng::with_seed(plan.seed)), address)?;
            let network = ChaosProxy::before(address).await?;
            bridge.arg(format!("http://{}/mcp", network.address()));
            Some((Lock::new(process), address, network))
        };
        let (bridge, address) = listening(bridge)?;
        Ok(Self { kind, address, bridge, server, _state: state })
    }

    /// What the bridge holds.
    pub(super) fn held(&self) -> std::io::Result<Held> {
        Held::by(self.bridge.0.id())
    }

    /// Injects random faults into the server, one at a time, until that time; then the server works again.
    ///
    /// # Errors
    /// When a server cannot be started again.
    pub(super) async fn fail_until(
        &self,
        until: Instant,
        mut random: Rng,
        tally: &Tally,
    ) -> Result<(), Fault> {
        while Instant::now() < until {
            let what = match &self.server {
                Some((process, address, network)) => {
                    self.fail_over_http(process, *address, network, &mut random).await?
                }
                None => self.fail_as_program(&mut random).await?,
            };
            tally.fault(what);
            sleep_until(until.min(Instant::now() + Duration::from_millis(random.u64(500..4000)))).await;
        }
        Ok(())
    }

    async fn fail_over_http(
        &self,
        process: &Lock<Process>,
        address: SocketAddr,
        network: &ChaosProxy,
        random: &mut Rng,
    ) -> Result<&'static str, Fault> {
        let down = |down: Faults| Chaos { down, ..Chaos::default() };
        let after = u64::from(random.u16(..));
        let (what, chaos) = match random.u8(..8) {
            0 | 1 => {
                process.lock().end();
                sleep(Duration::from_millis(random.u64(..1500))).await;
                *process.lock() = serve(self.kind.era(random), address)?;
                return Ok("killed and started again");
            }
            2 => {
                let id = process.lock().0.id();
                return stop(id, random).await;
            }
            3 => {
                ("cut after some bytes", down(Faults { cut: Some((after, Cut::Close)), ..Faults::default() }))
            }
            4 => (
                "reset after some bytes",
                down(Faults { cut: Some((after, Cut::Reset)), ..Faults::default() }),
            ),
            5 => (
                "silent after some bytes",
                down(Faults { cut: Some((after, Cut::Silence)), ..Faults::default() }),
            ),
            6 => {
                let (delay, slice) = (Duration::from_millis(2), std::num::NonZeroUsize::new(700));
                ("slow", down(Faults { delay, slice, ..Faults::default() }))
            }
            _ => ("refused connections", Chaos { refuse: true, ..Chaos::default() }),
        };
        network.set(chaos).await?;
        sleep(Duration::from_millis(random.u64(200..2500))).await;
        network.set(Chaos::default()).await?;
        Ok(what)
    }

    async fn fail_as_program(&self, random: &mut Rng) -> Result<&'static str, Fault> {
        let servers: Vec<_> =
            descendants(self.bridge.0.id())?.into_iter().filter(|id| is_server(*id)).collect();
        let Some(server) = random.choice(servers) else { return Ok("no program to kill") };
        if random.bool() {
            signal("KILL", server)?;
            return Ok("killed");
        }
        stop(server, random).await
    }
}

/// Stops a process for a while, longer than a bridge waits or not.
async fn stop(process: u32, random: &mut Rng) -> Result<&'static str, Fault> {
    signal("STOP", process)?;
    sleep(random.u32(200..TIMEOUT.as_millis() as u32 * 2) * Duration::from_millis(1)).await;
    signal("CONT", process)?;
    Ok("stopped and continued")
}

/// Sends a signal. The process may be gone meanwhile.
fn signal(name: &str, process: u32) -> Result<(), Fault> {
    let mut kill = Command::new("kill");
    kill.args([format!("-{name}"), process.to_string()]).stderr(Stdio::null()).status()?;
    Ok(())
}

/// Starts a server of this process's program.
fn serve(era: &str, address: SocketAddr) -> Result<Process, Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", era, &address.to_string()]).stdin(Stdio::null());
    Ok(Process(command.spawn()?))
}

/// Starts a bridge, and reads where it listens.
fn listening(mut bridge: Command) -> Result<(Process, SocketAddr), Fault> {
    let mut process =
        Process(bridge.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
    let output = process.0.stderr.take().ok_or("the bridge has no standard error")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next().transpose()? {
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once("/mcp"));
        if let Some((address, _)) = address.filter(|_| line.trim_start().starts_with("http ")) {
            let address = address.parse()?;
            // What it says later must not fill the pipe.
            std::thread::spawn(move || {
                lines.for_each(|line| line.into_iter().for_each(|line| eprintln!("{line}")))
            });
            return Ok((process, address));
        }
    }
    Err("the bridge ended before it listened".into())
}

fn free_address(loopback: Ipv4Addr) -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((loopback, 0))?.local_addr()
}
