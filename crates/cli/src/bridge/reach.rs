//! From how a server is named to where it is.

use anyhow::Result;
use anyport_transport::client::{
    self, child,
    http::{Endpoint, Fault},
};
use sha2::{Digest as _, Sha256};

use crate::{
    failure::Advice,
    target::{Hidden, Server},
};

/// The place of a server, for the transport that reaches it.
pub(super) fn place(server: &Server) -> Result<client::Target> {
    match server {
        Server::Command { program, arguments, environment, cwd } => {
            let mut command = child::Command::new(program).args(arguments.iter().cloned());
            for (name, value) in environment {
                command = command.env(name, &value.0);
            }
            if let Some(folder) = cwd {
                command = command.cwd(folder);
            }
            Ok(client::Target::Command(command))
        }
        #[cfg(unix)]
        Server::Unix(path) => Ok(client::Target::Unix(path.clone())),
        Server::Http { url, headers } => endpoint(url, headers).map(client::Target::Http),
        other => Err(Advice::usage(
            format!("servers cannot be reached over {} here", other.transport()),
            "reach it in another way: over HTTP, or as a command after --",
        )),
    }
}

fn endpoint(url: &str, headers: &[(String, Hidden)]) -> Result<Endpoint> {
    let wrong = |fault: Fault| {
        Advice::usage(fault.to_string(), "write the URL as https://host/mcp, and headers as 'Name: value'")
    };
    let endpoint = Endpoint::new(url).map_err(wrong)?;
    headers
        .iter()
        .try_fold(endpoint, |endpoint, (name, value)| endpoint.header(name, &value.0))
        .map_err(wrong)
}

/// The file of what a server was last known to offer: another for every server, and no secret is in its name.
pub(super) fn file_name(server: &Server) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    match server {
        Server::Http { url, .. } | Server::WebSocket { url, .. } => add(url),
        Server::Unix(path) => add(&path.to_string_lossy()),
        Server::Command { program, arguments, cwd, .. } => {
            add(program);
            arguments.iter().for_each(|argument| add(argument));
            add(&cwd.as_deref().map(|folder| folder.to_string_lossy()).unwrap_or_default());
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let digest: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_a_file_of_its_own() {
        let command = |program: &str, arguments: &[&str]| Server::Command {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            environment: Vec::new(),
            cwd: None,
        };
        let names = [
            file_name(&command("a", &["b", "c"])),
            file_name(&command("a", &["bc"])),
            file_name(&command("ab", &["c"])),
            file_name(&Server::Unix("a".into())),
            file_name(&Server::url("http://a/mcp?token=secret", Vec::new()).unwrap()),
        ];
        for (index, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 37);
            assert!(!names[..index].contains(name));
        }
        assert_eq!(names[0], file_name(&command("a", &["b", "c"])));
    }
}
