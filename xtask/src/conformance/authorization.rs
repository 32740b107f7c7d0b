//! Our authorization server, for the suite: with users of its own, or before an identity provider.
//!
//! The suite prints the URL of an authorization request and waits for the answer. A browser without a window signs in there and
//! consents: `tests/python/browser.py`.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::sets::Users;
use crate::{
    Failure,
    process::{self, Server},
    tools::{JavaScript, Packages, Python},
    workspace::Workspace,
};

/// The id of the suite's client, which is registered in the file of the gateway.
const CLIENT: &str = "suite";

/// The user, by the names that the browser types.
const USER: &str = "ada";
const PASSWORD: &str = "correct horse battery\n";

/// The secret of the gateway's client at the identity provider, and the variable that tells it.
const SECRET: &str = "secret-of-the-gateway";
const VARIABLE: &str = "PROVIDER_SECRET";

/// A gateway that is an authorization server.
pub(super) struct AuthorizationServer {
    issuer: String,
    /// The port at which the suite waits for the answer.
    callback: u16,
    browser: Browser,
    /// The gateway, and the identity provider if there is one.
    pub(super) servers: Vec<Server>,
}

/// The program that signs in.
struct Browser {
    python: Python,
    script: PathBuf,
}

impl AuthorizationServer {
    /// Starts it, and the identity provider that it stands before.
    ///
    /// # Errors
    /// When something does not install or start.
    pub(super) fn start(
        workspace: &Workspace,
        anyport: &Path,
        users: Users,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let (port, callback) = (process::free_port()?, process::free_port()?);
        let issuer = format!("http://127.0.0.1:{port}");
        let python = Python::install(workspace, Packages::Newest)?;
        let state = folder.join("state");
        let mut servers = Vec::new();
        let mut text = format!(
            "[gateway]\npublic_url = {issuer:?}\n\
             [auth.server.clients.{CLIENT}]\nredirect_uris = [\"http://127.0.0.1:{callback}/callback\"]\n\
             [knowledge.standards]\ndocs = [{:?}]\n",
            workspace.path("tests/data/docs")
        );
        match users {
            Users::OfItsOwn => {
                text += "[auth.builtin]\n";
                add_user(anyport, &state)?;
            }
            Users::OfAProvider => {
                let provider = process::free_port()?;
                let mut command = JavaScript::install(workspace)?.script("oidc-provider.mjs");
                command
                    .args([provider.to_string(), format!("{issuer}/oauth/callback")])
                    .env(VARIABLE, SECRET);
                servers.push(Server::start(&mut command, provider, &folder.join("provider.log"))?);
                write!(
                    text,
                    "[auth.proxy]\neveryone = true\nprovider = \"oidc\"\nissuer = \"http://127.0.0.1:{provider}\"\n\
                     client_id = \"gateway\"\nclient_secret = \"env:{VARIABLE}\"\n"
                )?;
            }
        }
        let file = folder.join("anyport.toml");
        fs::write(&file, text)?;
        let mut gateway = Command::new(anyport);
        gateway.args(["serve", "--port", &port.to_string(), "--config"]).arg(&file);
        gateway.arg("--state-dir").arg(&state).env(VARIABLE, SECRET);
        servers.push(Server::start(&mut gateway, port, &folder.join("server.log"))?);
        let browser = Browser { python, script: workspace.path("tests/python/browser.py") };
        Ok(Self { issuer, callback, browser, servers })
    }

    /// Adds the arguments that tell the suite where it is.
    pub(super) fn tell(&self, suite: &mut Command) {
        suite.args(["--url", &self.issuer, "--client-id", CLIENT, "--port", &self.callback.to_string()]);
        suite.args(["--resource", &format!("{}/mcp", self.issuer)]);
    }

    /// Runs the suite to its end, keeps what it prints in `log`, and opens the URL that it prints.
    ///
    /// # Errors
    /// When it does not start, or the browser does not come to an answer.
    pub(super) fn accompany(&self, suite: &mut Command, log: &Path) -> Result<(), Failure> {
        let mut log = File::create(log)?;
        let mut running = suite.stdout(Stdio::piped()).stderr(log.try_clone()?).spawn()?;
        let printed = running.stdout.take().ok_or("the suite has no output")?;
        let mut opened = Ok(());
        for line in BufReader::new(printed).lines() {
            let line = line?;
            writeln!(log, "{line}")?;
            if line.starts_with(&self.issuer) && line.contains("response_type=code") {
                opened = self.browser.open(&line);
                if opened.is_err() {
                    // Else it waits for minutes.
                    running.kill()?;
                }
            }
        }
        running.wait()?;
        opened
    }
}

impl Browser {
    fn open(&self, url: &str) -> Result<(), Failure> {
        process::run(self.python.script(self.script.clone()).arg(url))
    }
}

fn add_user(anyport: &Path, state: &Path) -> Result<(), Failure> {
    let mut command = Command::new(anyport);
    command.args(["user", "add", USER, "--state-dir"]).arg(state);
    let mut adding = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    adding.stdin.take().ok_or("the command has no input")?.write_all(PASSWORD.as_bytes())?;
    match adding.wait()?.success() {
        true => Ok(()),
        false => Err(format!("`anyport user add {USER}` fails").into()),
    }
}
