//! Six servers of others behind one gateway, in the `mcp.json` of a client, used by three clients at the same time: one of each
//! era, and the program's command line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    dialogue::{Client, Era, Outcome},
    stage::Stage,
};
use crate::{Failure, process};

/// Calls of the command line, while the others call: words after the URL, and what the answer has.
const COMMANDS: [(&[&str], &str); 6] = [
    (&["filesystem_read_text_file", "path=note.txt"], "a note"),
    (&["memory_read_graph"], "entities"),
    (&["everything_get-sum", "a=2", "b=3"], "The sum of 2 and 3 is 5."),
    (&["time_get_current_time", "timezone=UTC"], "UTC"),
    (&["git_git_status", "repo_path=."], "note.txt"),
    (&["tour_greet", "name=Ada"], "Hello, Ada!"),
];

/// How long a server may take until it tells its tools, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Stage<'_> {
    /// Lets three clients use the six servers at once.
    ///
    /// # Errors
    /// When something of what one expects does not hold, or one of the servers was started for each client.
    pub(super) fn share(&self) -> Result<Outcome, Failure> {
        let folder = self.fleet_folder()?;
        let port = process::free_port()?;
        let mut program = Command::new(self.anyport());
        program.args(["serve", "--port", &port.to_string(), "--config"]).arg(folder.join("mcp.json"));
        // The programs of a client's file run where the client runs.
        program.arg("--state-dir").arg(folder.join("state")).current_dir(&folder);
        let gateway = process::Server::start(&mut program, port, &self.log("fleet")?)?;
        let url = format!("http://127.0.0.1:{port}/mcp");
        self.until_listed(&url)?;
        let outcome: Result<_, Failure> = thread::scope(|scope| {
            let clients = [(Client::Python1, Era::Legacy), (Client::TypeScript2, Era::Modern)];
            let scripts = clients.map(|(client, era)| {
                let url = &url;
                scope.spawn(move || {
                    let mut script = self.client(client);
                    script.args(["--client", client.argument(), "--era", era.name(), "--server", "fleet"]);
                    script.args(["--transport", "http", "--url", url]);
                    Outcome::of(&mut script).map_err(|failure| format!("{}: {failure}", client.name()))
                })
            });
            let commands = self.commands(&url, &folder);
            let outcomes =
                scripts.map(|script| script.join().map_err(|_| "a thread panicked".to_owned()).flatten());
            commands?;
            let [legacy, modern] = outcomes;
            legacy?;
            Ok(modern?)
        });
        outcome.map_err(|failure| format!("{failure}\nthe gateway wrote:\n{}", gateway.last_words()).into())
    }

    /// Waits until each server has told its tools: the first list goes out without those that take long to start.
    fn until_listed(&self, url: &str) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let tools = process::stdout(Command::new(self.anyport()).args(["tools", url]))?;
            let tools = String::from_utf8_lossy(&tools);
            let mut missing = COMMANDS.iter().map(|(words, _)| words[0]).filter(|tool| !tools.contains(tool));
            match missing.next() {
                None => return Ok(()),
                Some(tool) if start.elapsed() > PATIENCE => {
                    return Err(
                        format!("{tool} is not listed after {} s:\n{tools}", PATIENCE.as_secs()).into()
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// Calls a tool of each server with the command line.
    fn commands(&self, url: &str, folder: &Path) -> Result<(), Failure> {
        for (words, expected) in COMMANDS {
            let mut command = Command::new(self.anyport());
            // The filesystem's server serves the client's roots: of the command line, its working folder.
            command.current_dir(folder).args(["call", url]).args(words);
            let said = process::stdout(&mut command)?;
            let said = String::from_utf8_lossy(&said);
            if !said.contains(expected) {
                return Err(
                    format!("`anyport call {}` says\n{said}\nwithout `{expected}`", words.join(" ")).into()
                );
            }
        }
        Ok(())
    }

    /// A folder with a repository, a file and an `mcp.json` of six servers.
    fn fleet_folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.target("interop/fleet");
        if folder.exists() {
            // Nothing of an earlier run is remembered.
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("note.txt"), "a note\n")?;
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
        let commit =
            [&author[..], &["commit", "--quiet", "--allow-empty", "--message", "the first"]].concat();
        for words in [&["init", "--quiet"][..], &commit] {
            process::run(Command::new("git").arg("-C").arg(&folder).args(words))?;
        }
        fs::write(folder.join("mcp.json"), self.fleet(&folder)?)?;
        Ok(folder)
    }

    /// The file of the fleet, as a client has it.
    fn fleet(&self, folder: &Path) -> Result<String, Failure> {
        let entry = |command: Vec<String>, arguments: &[&str]| {
            let arguments = command[1..].iter().map(String::as_str).chain(arguments.iter().copied());
            json!({"command": command[0], "args": arguments.collect::<Vec<_>>()})
        };
        let javascript = |name: &str, arguments: &[&str]| entry(self.javascript().server(name), arguments);
        let python = |name: &str| entry(vec![self.python().installed(name)], &[]);
        let mut memory = javascript("server-memory", &[]);
        memory["env"] = json!({"MEMORY_FILE_PATH": folder.join("memory.json")});
        let servers = json!({"mcpServers": {
            "filesystem": javascript("server-filesystem", &["."]),
            "memory": memory,
            "everything": javascript("server-everything", &[]),
            "time": python("mcp-server-time"),
            "git": python("mcp-server-git"),
            "tour": {"type": "http", "url": self.fastmcp_url()?},
        }});
        Ok(servers.to_string())
    }
}
