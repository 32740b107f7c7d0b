//! The table of failing commands: each says what is wrong, where, and what to do next, and ends with the documented exit
//! code, for people and with `--json`.
//!
//! Invariant: A command that fails says what is wrong, where and what to do, and ends with the documented exit code.
//!
//! A row is a [`Case`]: a server on this machine, files, variables, a command line, and the words of its error. The rows stand
//! by subject: [`access`], [`network`], [`answers`], [`programs`], [`arguments`], [`configuration`], [`options`], [`serving`], [`stores`].

#![cfg(unix)]

mod access;
mod answers;
mod arguments;
mod configuration;
mod network;
mod options;
mod programs;
mod servers;
mod serving;
mod stores;

use std::{
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde_json::Value;

use crate::support::{
    Ended, anyport, folder,
    scripted::{Asked, Scripted},
    to_the_end,
};

/// One failing command.
///
/// Within texts, `{at}` is the address of the server, `{port}` its port, `{url}` its MCP endpoint and `{home}` the folder in
/// which the command runs.
struct Case {
    name: &'static str,
    server: Server,
    /// Files below the folder in which the command runs.
    files: &'static [(&'static str, &'static str)],
    /// Permissions of files and folders in it.
    modes: &'static [(&'static str, u32)],
    variables: &'static [(&'static str, &'static str)],
    words: &'static [&'static str],
    exit: i32,
    /// Words that say what is wrong.
    what: &'static [&'static str],
    /// Words that say where: a URL, a file and a key, a line, an option.
    place: &'static [&'static str],
    /// Words that say what to do next.
    next: &'static [&'static str],
    /// Words that must not be there, beside [`NEVER`].
    never: &'static [&'static str],
}

/// The server of a [`Case`].
#[derive(Clone, Copy)]
enum Server {
    /// A port where nobody listens.
    Nobody,
    /// A server over HTTP.
    Http(fn(&Asked) -> Option<String>),
    /// The same over TLS, with a certificate of its own.
    Tls(fn(&Asked) -> Option<String>),
}

impl Case {
    /// A row in which nothing stands yet.
    const NEW: Self = Self {
        name: "",
        server: Server::Nobody,
        files: &[],
        modes: &[],
        variables: &[],
        words: &[],
        exit: 1,
        what: &[],
        place: &[],
        next: &[],
        never: &[],
    };

    /// What is wrong with the error; nothing if it is as it should be.
    fn faults(&self) -> Vec<String> {
        let room = Room::of(self);
        let mut faults = Vec::new();
        let said = self.run(&room, self.words);
        // `doctor` describes the way on standard output.
        let text = match self.words[0] {
            "doctor" => said.stdout.clone() + &said.stderr,
            _ => said.stderr.clone(),
        };
        self.check(&room, &said, &text, &mut faults);
        if WITH_JSON.contains(&self.words[0]) {
            let words = [&self.words[..1], &["--json"], &self.words[1..]].concat();
            let said = self.run(&room, &words);
            let last = said.stderr.lines().last().unwrap_or_default();
            match serde_json::from_str::<Value>(last) {
                Ok(error) => {
                    let error = &error["error"];
                    if error["exit"] != self.exit {
                        faults.push(format!("--json says exit {}", error["exit"]));
                    }
                    let causes = error["causes"].as_array().into_iter().flatten();
                    let parts = [&error["message"], &error["help"]].into_iter().chain(causes);
                    let parts: Vec<&str> = parts.filter_map(Value::as_str).collect();
                    self.check(&room, &said, &parts.join("\n"), &mut faults);
                }
                Err(_) => faults.push(format!("--json: no JSON on standard error: {}", said.stderr)),
            }
        }
        faults
    }

    fn run(&self, room: &Room, words: &[&str]) -> Ended {
        let home = room.home.path();
        let mut command = anyport(home);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "XDG_CONFIG_HOME"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.env("HOME", home.join("user")).args(words.iter().map(|word| room.fill(word)));
        command.envs(self.variables.iter().map(|(name, value)| (name, room.fill(value))));
        to_the_end(command)
    }

    fn check(&self, room: &Room, said: &Ended, text: &str, faults: &mut Vec<String>) {
        if said.code != Some(self.exit) {
            faults.push(format!("exit {:?}, not {}", said.code, self.exit));
        }
        for (kind, words) in [("what", self.what), ("where", self.place), ("next", self.next)] {
            if words.is_empty() {
                faults.push(format!("the row does not say {kind}"));
            }
            let missing = words.iter().map(|words| room.fill(words)).filter(|words| !text.contains(words));
            faults.extend(missing.map(|words| format!("{kind} is not said: {words}")));
        }
        let everything = format!("{}{}", said.stdout, said.stderr);
        let never = NEVER.iter().chain(self.never).filter(|words| everything.contains(**words));
        faults.extend(never.map(|words| format!("it says {words:?}")));
        if !faults.is_empty() {
            faults.push(format!("it said:\n{text}"));
        }
    }
}

/// Commands that take `--json` and end with an error on standard error.
const WITH_JSON: &[&str] = &["call", "tools", "resources", "prompts", "read", "prompt", "inspect", "replay"];

/// What no error of the program says: names of libraries and of their settings, of types, and how Rust writes values.
const NEVER: &[&str] = &[
    "anyport_",
    "anyport-client",
    "anyport-transport",
    "anyport-protocol",
    "hyper",
    "rustls",
    "serde",
    "tokio",
    "open_timeout",
    "probe_timeout",
    "`timeout_max`",
    "answer_max",
    "limits.",
    "Call::",
    "Form::",
    "`request`",
    "`pages`",
    "`timeout`",
    "Some(",
    "Err(",
    "Os {",
    "Error {",
    "panicked",
    "upstreamCode",
    "-- --",
];

/// Where a [`Case`] happens.
struct Room {
    home: tempfile::TempDir,
    at: SocketAddr,
    /// Lives as long as the row.
    _server: Option<Scripted>,
}

impl Room {
    fn of(case: &Case) -> Self {
        let server = match case.server {
            Server::Nobody => None,
            Server::Http(answer) => Some(Scripted::start(answer)),
            Server::Tls(answer) => {
                let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
                Some(Scripted::secure(&certified, answer))
            }
        };
        let nobody = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let at = server.as_ref().map_or_else(nobody, |server| server.address);
        let room = Self { home: folder(&[]), at, _server: server };
        for (path, text) in case.files {
            let path = room.home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            std::fs::write(path, room.fill(text)).unwrap();
        }
        for (path, mode) in case.modes {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(*mode);
            std::fs::set_permissions(room.home.path().join(path), permissions).unwrap();
        }
        room
    }

    /// `text` with everything in it that only the room knows.
    fn fill(&self, text: &str) -> String {
        let at = self.at.to_string();
        text.replace("{url}", &format!("http://{at}/mcp"))
            .replace("{at}", &at)
            .replace("{port}", &self.at.port().to_string())
            .replace("{home}", self.home.path().to_str().unwrap())
    }
}

/// Every row of a subject is as it should be.
fn check(cases: &[Case]) {
    let mut failed = Vec::new();
    for case in cases {
        let faults = catch_unwind(AssertUnwindSafe(|| case.faults()));
        let faults = faults.unwrap_or_else(|_| vec!["it does not end, or has no server".into()]);
        if !faults.is_empty() {
            failed.push(format!("{}: {:?}\n  {}", case.name, case.words, faults.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{} of {} rows:\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
}

#[test]
fn the_table_has_at_least_sixty_commands_each_with_a_name_of_its_own() {
    let subjects = [
        access::CASES,
        network::CASES,
        answers::CASES,
        programs::CASES,
        arguments::CASES,
        configuration::CASES,
        options::CASES,
        serving::CASES,
    ];
    let mut names: Vec<&str> = subjects.iter().flat_map(|cases| cases.iter()).map(|case| case.name).collect();
    assert!(names.len() >= 60, "{}", names.len());
    names.sort_unstable();
    assert!(names.windows(2).all(|two| two[0] != two[1]), "{names:?}");
}
