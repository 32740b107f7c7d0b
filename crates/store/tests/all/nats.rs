//! Servers of NATS: the oldest and the newest that are supported, each test with processes of its own.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyport_store::{Address, JetStreamOptions, JetStreamStore, suite::BUCKETS};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// 2.9, as Debian 12 has it.
    Old,
    New,
}

/// A running server, with its folder.
pub(crate) struct Server {
    program: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    settings: String,
    child: Option<Child>,
}

impl Release {
    /// The program; `None` if it is not installed. The command that tests says where it is, and requires it.
    fn program(self) -> Option<PathBuf> {
        let (variable, below) = match self {
            Self::Old => ("ANYPORT_NATS_OLD", "tools/nats-old/usr/sbin/nats-server"),
            Self::New => ("ANYPORT_NATS_NEW", "tools/nats-new/bin/nats-server"),
        };
        if let Some(program) = env::var_os(variable) {
            assert!(Path::new(&program).exists(), "{variable} names no program");
            return Some(program.into());
        }
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let program = target.join(below);
        if !program.exists() {
            println!("skipped: there is no {self:?} nats-server; cargo xtask nats installs it");
            return None;
        }
        Some(program)
    }
}

impl Server {
    /// A server with JetStream; `None` if it is not installed.
    pub(crate) fn start(release: Release) -> Option<Self> {
        Self::start_with(release, "")
    }

    /// A server with these settings besides.
    pub(crate) fn start_with(release: Release, settings: &str) -> Option<Self> {
        let program = release.program()?;
        let folder = tempfile::tempdir().unwrap();
        let mut server =
            Self { program, folder, port: free_port(), settings: settings.to_owned(), child: None };
        server.run();
        Some(server)
    }

    /// Three servers of one cluster, all of which are there.
    pub(crate) fn cluster(release: Release) -> Option<[Self; 3]> {
        let (program, routes) = (release.program()?, [free_port(), free_port(), free_port()]);
        let urls = routes.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let mut servers = routes.map(|route| Self {
            program: program.clone(),
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            settings: format!(
                "server_name: s{route}\ncluster {{ name: c, listen: \"127.0.0.1:{route}\", routes: [{urls}] }}"
            ),
            child: None,
        });
        // JetStream answers once the servers have found each other.
        servers.iter_mut().for_each(Self::spawn);
        servers.iter_mut().for_each(Self::await_ready);
        Some(servers)
    }

    /// Starts the process, with what is in its folder, and waits until it answers.
    pub(crate) fn run(&mut self) {
        self.spawn();
        self.await_ready();
    }

    /// Starts the process.
    pub(crate) fn spawn(&mut self) {
        let (file, log) = (self.folder.path().join("server.conf"), self.folder.path().join("log"));
        let data = self.folder.path().join("data");
        let settings = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\" }}\n{}\n",
            self.port,
            data.display(),
            self.settings
        );
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&file).arg("-l").arg(&log).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until JetStream answers.
    fn await_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_ready(self.port) {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{log}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A server that does not answer without TLS, whose `settings` say so: it is ready once its port is open.
    pub(crate) fn start_with_tls(release: Release, settings: &str) -> Option<Self> {
        let program = release.program()?;
        let folder = tempfile::tempdir().unwrap();
        let mut server =
            Self { program, folder, port: free_port(), settings: settings.to_owned(), child: None };
        server.spawn();
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
            assert!(Instant::now() < deadline);
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(server)
    }

    /// Kills it, as a loss of power would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends the process a signal.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// What its configuration has besides.
    #[cfg(unix)]
    pub(crate) fn settings(&self) -> &str {
        &self.settings
    }

    pub(crate) fn address(&self) -> Address {
        format!("nats://127.0.0.1:{}", self.port).parse().unwrap()
    }

    /// A store on it.
    pub(crate) fn store(&self) -> JetStreamStore {
        JetStreamStore::new(self.address(), BUCKETS, options())
    }

    /// The server, for as long as something has it.
    pub(crate) fn kept(self) -> Arc<Self> {
        Arc::new(self)
    }
}

/// The options of a member that is soon known.
pub(crate) fn options() -> JetStreamOptions {
    JetStreamOptions::default().beat(Duration::from_millis(100))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether JetStream answers.
fn is_ready(port: u16) -> bool {
    ask(port, "$JS.API.INFO", "").is_ok_and(|said| said.contains("account_info_response"))
}

/// Asks a server, past the store. Returns the answer.
pub(crate) fn ask(port: u16, subject: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let length = request.len();
    let asked = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {length}\r\n{request}\r\n"
    );
    stream.write_all(asked.as_bytes())?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line.starts_with("-ERR") {
            return Err(io::Error::other(line));
        }
        if line.starts_with("MSG answer") {
            let mut answer = String::new();
            lines.read_line(&mut answer)?;
            return Ok(answer);
        }
    }
}
