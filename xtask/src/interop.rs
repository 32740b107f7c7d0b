//! Our program against other people's clients: the official Python one, over both transports, in both eras.

use std::{fs, path::Path, process::Command};

use crate::{
    Failure,
    process::{self, Server},
    tools::Python,
    workspace::{Build, Workspace},
};

const ERAS: [&str; 2] = ["modern", "legacy"];

/// Runs every client over every transport in every era.
///
/// # Errors
/// When our program does not build or start, or any client found fault; each that did is named.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let program = workspace.build(&Build::of("anyport-cli", "anyport"))?;
    let python = Python::install(workspace)?;
    let client = || {
        let mut client = python.script(workspace.path("tests/python/interop.py"));
        client.current_dir(workspace.path("."));
        client
    };
    let documents = workspace.path("tests/data/docs");
    let mut failed = Vec::new();
    let mut check = |name: String, client: &mut Command| {
        if let Err(failure) = process::run(client) {
            eprintln!("{name}: {failure}");
            failed.push(name);
        }
    };

    for era in ERAS {
        let command = serve(&program, &documents, &["--stdio"]);
        let mut client = client();
        client.args(["--era", era, "--stdio"]).arg(command.get_program()).args(command.get_args());
        check(format!("python, stdio, {era}"), &mut client);
    }

    let port = process::free_port()?;
    let log = workspace.target("interop/server.log");
    fs::create_dir_all(workspace.target("interop"))?;
    let mut command = serve(&program, &documents, &["--port", &port.to_string()]);
    let server = Server::start(&mut command, port, &log)?;
    for era in ERAS {
        let url = format!("http://127.0.0.1:{port}/mcp");
        check(format!("python, http, {era}"), client().args(["--era", era, "--url", &url]));
    }

    if failed.is_empty() {
        return Ok(());
    }
    eprintln!("the server over HTTP wrote:\n{}", server.last_words());
    Err(format!("{} of 4 dialogues failed: {}", failed.len(), failed.join("; ")).into())
}

fn serve(program: &Path, documents: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").arg("--docs").arg(documents).args(options);
    command
}
