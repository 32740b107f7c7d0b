//! This program, started again as another process with a store.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use anyport_store::{
    Change, Key, Lease, Options, SqliteStore, Store, Write,
    suite::{BUCKETS, LOG, RECORDS},
};

/// What a child does, and the folder of its store, in variables of its environment.
const ROLE: &str = "ANYPORT_STORE_ROLE";
const FOLDER: &str = "ANYPORT_STORE_FOLDER";

/// Another process with a store.
pub(crate) struct Other {
    pub(crate) child: Child,
    pub(crate) lines: BufReader<ChildStdout>,
}

/// This program as another process, before which `wrapper` may stand.
pub(crate) fn command(role: &str, folder: &Path, wrapper: &[&str]) -> Command {
    let program = env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    command.args(["--exact", "support::child", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Other {
    pub(crate) fn start(role: &str, folder: &Path) -> Self {
        let mut child = command(role, folder, &[]).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line that the child wrote for its parent; `None` at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            // The harness of the tests writes as well. What was cut off by a kill is no line.
            if let Some((_, said)) = line.split_once("> ")
                && let Some(said) = said.strip_suffix('\n')
            {
                return Some(said.to_owned());
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn open(folder: &Path) -> SqliteStore {
    SqliteStore::new(folder, BUCKETS, Options::default())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Not a test: what [`command`] starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is started by other tests"]
async fn child() {
    let (Some(role), Some(folder)) = (env::var_os(ROLE), env::var_os(FOLDER)) else { return };
    let store: Arc<dyn Store> = Arc::new(open(Path::new(&folder)));
    match role.to_str().unwrap() {
        "ledger" => ledger(&store).await,
        "once" => once(&store).await,
        "echo" => echo(&store).await,
        "hold" => hold(&store).await,
        role => panic!("no role {role}"),
    }
}

/// Writes to logs at once, and says what was acknowledged, until it is killed.
async fn ledger(store: &Arc<dyn Store>) {
    let started = std::process::id();
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let key = Key::new(&LOG, format!("{started}-{writer}"));
            for number in 0_u64.. {
                store.put(&key, number.to_string().into(), Write::ANY).await.unwrap();
                say(&format!("{} {number}", key.id));
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// Writes twenty values, one after the other, and says how each ended.
async fn once(store: &Arc<dyn Store>) {
    for number in 0..20 {
        let key = Key::new(&RECORDS, format!("once/{number:02}"));
        match store.put(&key, "x".repeat(100).into(), Write::ANY).await {
            Ok(_) => say(&format!("ack {number}")),
            Err(error) => say(&format!("error {number} {error:?}")),
        }
    }
    say("end");
}

/// Answers each change of `ping/N` by writing `pong/N`.
async fn echo(store: &Arc<dyn Store>) {
    let mut watch = store.watch(&Key::new(&RECORDS, "ping"));
    while let Some(change) = watch.next().await {
        match change {
            Change::Current => say("ready"),
            Change::Put(key, entry) => {
                let pong = Key::new(&RECORDS, key.id.replace("ping", "pong"));
                store.put(&pong, entry.value, Write::ANY).await.unwrap();
            }
            Change::Deleted(..) | Change::Reset => {}
        }
    }
}

/// Holds a lease until it is killed.
async fn hold(store: &Arc<dyn Store>) {
    let lease = Lease::acquire(store, Key::new(&RECORDS, "lease")).await.unwrap().unwrap();
    say(&serde_json::to_string(store.members().me()).unwrap());
    std::future::pending::<()>().await;
    drop(lease);
}
