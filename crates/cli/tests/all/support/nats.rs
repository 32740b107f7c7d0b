//! Servers of NATS: the oldest and the newest that are supported, each test with processes of its own.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// The user of every server, and its password.
pub(crate) const USER: &str = "gateways";
pub(crate) const PASSWORD: &str = "nats-password-4711";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// 2.9, as Debian 12 has it.
    Old,
    New,
}

/// A running server, with its folder.
pub(crate) struct NatsServer {
    _folder: tempfile::TempDir,
    pub(crate) port: u16,
    /// The port of its monitoring address.
    pub(crate) monitor: u16,
    child: Child,
}

impl NatsServer {
    /// A server with JetStream, in whose section `jetstream` these settings stand besides; `None` if it is not installed.
    pub(crate) fn start(release: Release, jetstream: &str) -> Option<Self> {
        let program = program(release)?;
        let folder = tempfile::tempdir().unwrap();
        let (port, monitor) = (free_port(), free_port());
        let settings = format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             jetstream {{ store_dir: {:?}\n {jetstream} }}\nauthorization {{ user: {USER}, password: \"{PASSWORD}\" }}\n",
            folder.path().join("data")
        );
        let file = folder.path().join("server.conf");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(&program);
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().unwrap(), port, monitor, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        let (_keep, nothing) = mpsc::channel::<()>();
        while !server.is_ready() {
            assert!(Instant::now() < deadline, "the server does not answer");
            let _ = nothing.recv_timeout(Duration::from_millis(20));
        }
        Some(server)
    }

    /// The store on it, with the password.
    pub(crate) fn url(&self) -> String {
        format!("nats://{USER}:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Whether JetStream answers.
    fn is_ready(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
            let connect = format!(
                "CONNECT {{\"verbose\":false,\"user\":\"{USER}\",\"pass\":\"{PASSWORD}\"}}\r\n\
                 SUB answer 1\r\nPUB $JS.API.INFO answer 0\r\n\r\n"
            );
            stream.write_all(connect.as_bytes()).ok()?;
            let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
            lines.find(|line| line.starts_with("-ERR") || line.contains("account_info_response"))
        };
        ask().is_some_and(|line| !line.starts_with("-ERR"))
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program; `None` if it is not installed. The command that tests says where it is, and requires it.
fn program(release: Release) -> Option<PathBuf> {
    let (variable, below) = match release {
        Release::Old => ("ANYPORT_NATS_OLD", "tools/nats-old/usr/sbin/nats-server"),
        Release::New => ("ANYPORT_NATS_NEW", "tools/nats-new/bin/nats-server"),
    };
    if let Some(program) = env::var_os(variable) {
        return Some(program.into());
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(below);
    program.exists().then_some(program)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
