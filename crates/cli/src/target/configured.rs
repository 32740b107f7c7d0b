//! From the entry of a configuration file to a server: variables are expanded, files of variables read, paths made absolute.

use std::path::Path;

use anyport_config::{ConfigError, ConfigFile, Endpoint, ServerConfig, Surroundings, Unexpanded, expand};
use indexmap::IndexMap;

use super::{login, redact::SecretValue, server::Server};

/// Returns how to reach the server `name` of a file, or `None` if there is no such server; `workspace` is the folder that the file
/// belongs to.
pub(super) fn server(
    file: &ConfigFile,
    name: &str,
    surroundings: &Surroundings,
    workspace: &Path,
) -> Option<Result<Server, ConfigError>> {
    let config = match file.server(name)? {
        Ok(config) => config,
        Err(error) => return Some(Err(error)),
    };
    Some(resolved(&config, surroundings, workspace).map_err(|reason| file.wrong(name, reason)))
}

/// Warns of what a client's file says of the login to its servers, or to the server `only`, and nothing here uses.
pub(crate) fn warn_of_unused_keys(path: &Path, cwd: &Path, only: Option<&str>) {
    let Ok(file) = ConfigFile::read(path, cwd) else { return };
    for name in file.names().filter(|name| only.is_none_or(|only| only == *name)) {
        let Some(Ok(ServerConfig { login: Some(login), .. })) = file.server(name) else { continue };
        for unused in &login.unused {
            tracing::warn!("of the server {name} in {}, this is not used: {unused}", path.display());
        }
    }
}

/// How to reach a configured server, with every variable expanded.
///
/// # Errors
/// What has no value, or is not the URL of a server.
pub(crate) fn resolved(
    config: &ServerConfig,
    surroundings: &Surroundings,
    workspace: &Path,
) -> Result<Server, String> {
    resolved_with(config, surroundings, workspace, |_, _| None)
}

/// The same; texts that `read` reads by their key are not expanded.
///
/// # Errors
/// The same, and those of `read`.
pub(super) fn resolved_with(
    config: &ServerConfig,
    surroundings: &Surroundings,
    workspace: &Path,
    read: impl Fn(&str, &str) -> Option<Result<String, String>>,
) -> Result<Server, String> {
    let expanded = config.try_map(|key, text| match read(key, text) {
        Some(read) => read.map_err(|reason| format!("in its `{key}`, {reason}")),
        None => expand(text, surroundings, workspace)
            .map_err(|error: Unexpanded| format!("in its `{key}`, {error}")),
    })?;
    let secret = |(name, value)| (name, SecretValue::new(value));
    match expanded.endpoint {
        Endpoint::Command { program, args, env, env_file, cwd } => {
            let mut environment = match env_file {
                Some(file) => variables_of(&workspace.join(file))?,
                None => IndexMap::new(),
            };
            environment.extend(env);
            Ok(Server::Command {
                program,
                arguments: args,
                environment: environment.into_iter().map(secret).collect(),
                cwd: cwd.map(|folder| workspace.join(folder)),
                confinement: None,
            })
        }
        Endpoint::Url { url, headers, .. } => {
            let headers = headers.into_iter().map(secret).collect();
            let mut server = Server::url(&url, headers).map_err(|error| format!("its `url`: {error}"))?;
            if let Server::Http { login, .. } = &mut server
                && config.login.is_some()
            {
                let of_client = login::of_upstream(&config.clone().into(), surroundings);
                *login = of_client.map_err(|fault| fault.reason)?.map(Box::new);
            }
            Ok(server)
        }
    }
}

fn variables_of(file: &Path) -> Result<IndexMap<String, String>, String> {
    let wrong = |error: dotenvy::Error| format!("its envFile {}: {}", file.display(), env_file_fault(&error));
    dotenvy::from_path_iter(file).map_err(wrong)?.map(|pair| pair.map_err(wrong)).collect()
}

/// What is wrong with a file of variables, without the line: its value may be secret.
pub(crate) fn env_file_fault(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(..) => "one of its lines is not NAME=VALUE".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            cwd: "/home/me/project/inner".into(),
            home: Some("/home/me".into()),
            variables: [("TOKEN".to_owned(), "t0p".to_owned())].into(),
        }
    }

    fn file(text: &str) -> ConfigFile {
        ConfigFile::parse(Path::new("mcp.json"), text, &surroundings().cwd).unwrap()
    }

    fn server(file: &ConfigFile, name: &str) -> Result<Server, ConfigError> {
        super::server(file, name, &surroundings(), Path::new("/home/me/project")).unwrap()
    }

    fn command(program: &str, arguments: &[&str], environment: &[(&str, &str)], cwd: Option<&str>) -> Server {
        let hidden = |&(name, value): &(&str, &str)| (name.to_owned(), SecretValue(value.to_owned()));
        Server::Command {
            program: program.into(),
            arguments: arguments.iter().map(|&word| word.into()).collect(),
            environment: environment.iter().map(hidden).collect(),
            cwd: cwd.map(PathBuf::from),
            confinement: None,
        }
    }

    fn http(url: &str, headers: &[(&str, &str)]) -> Server {
        let hidden = |&(name, value): &(&str, &str)| (name.to_owned(), SecretValue(value.to_owned()));
        Server::url(url, headers.iter().map(hidden).collect()).unwrap()
    }

    #[test]
    fn servers_of_claude_and_cursor() {
        let file = file(
            r#"{"mcpServers": {
                "files": {"command": "npx", "args": ["-y", "files", "${workspaceFolder}"], "env": {"T": "${env:TOKEN}"}},
                "remote": {"type": "http", "url": "https://a.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
                "inferred": {"url": "http://localhost:1/sse"}
            }}"#,
        );
        assert_eq!(file.names().collect::<Vec<_>>(), ["files", "remote", "inferred"]);
        let files = command("npx", &["-y", "files", "/home/me/project"], &[("T", "t0p")], None);
        assert_eq!(server(&file, "files").unwrap(), files);
        let remote = http("https://a.example/mcp", &[("Authorization", "Bearer t0p")]);
        assert_eq!(server(&file, "remote").unwrap(), remote);
        assert_eq!(server(&file, "inferred").unwrap(), http("http://localhost:1/sse", &[]));
    }

    #[test]
    fn servers_of_vs_code_with_comments_and_an_environment_file() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = folder.path().join(".env");
        std::fs::write(&dotenv, "# keys\nA=1\nB=\"two words\"\n").unwrap();
        let text = format!(
            "{{ // mine\n \"inputs\": [], \"servers\": {{ /* one */ \"a\": {{\"type\": \"stdio\", \"command\": \"a\", \
             \"envFile\": {dotenv:?}, \"env\": {{\"A\": 3, \"N\": null}}, \"cwd\": \"sub\"}}, }} }}"
        );
        let a = command("a", &[], &[("A", "3"), ("B", "two words")], Some("/home/me/project/sub"));
        assert_eq!(server(&file(&text), "a").unwrap(), a);
    }

    #[test]
    fn claude_codes_own_file_has_servers_by_project() {
        let file = file(
            r#"{"mcpServers": {"a": {"command": "user"}, "b": {"command": "b"}},
                "projects": {"/home/me/project": {"mcpServers": {"a": {"command": "local"}}},
                             "/elsewhere": {"mcpServers": {"c": {"command": "c"}}}}}"#,
        );
        assert_eq!(server(&file, "a").unwrap(), command("local", &[], &[], None));
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn gemini_calls_its_url_otherwise() {
        let file = file(r#"{"mcpServers": {"g": {"httpUrl": "https://g.example/mcp"}}}"#);
        assert_eq!(server(&file, "g").unwrap(), http("https://g.example/mcp", &[]));
    }

    #[test]
    fn logins_of_clients_are_those_of_the_server() {
        let text = |login: &str| {
            format!(r#"{{"mcpServers": {{"a": {{"url": "https://a.example/mcp", {login}}}}}}}"#)
        };
        let of = |login: &str| match server(&file(&text(login)), "a").unwrap() {
            Server::Http { login, .. } => login,
            other => panic!("{other:?}"),
        };
        let login = of(r#""oauth": {"clientId": "c", "clientSecret": "${TOKEN}", "scopes": ["a", "b"]}"#);
        let options = login.unwrap().options;
        let client = options.client.given.unwrap();
        assert_eq!((&*client.id, client.secret.unwrap().expose()), ("c", "t0p"));
        assert_eq!(options.scopes, Some(anyport_auth::Scopes::parse("a b")));
        assert_eq!(of(r#""headers": {"Authorization": "Bearer x"}, "oauth": {"clientId": "c"}"#), None);
        assert_eq!(of(r#""oauth": false"#), None);
    }

    #[test]
    fn one_wrong_entry_spoils_no_other_and_is_named() {
        let file = file(
            r#"{"mcpServers": {"no": {}, "list": {"command": [["a"]]}, "null": null, "u": {"url": "x://y"},
                "unset": {"command": "${NONE}"}, "good": {"command": "a"}}}"#,
        );
        assert_eq!(server(&file, "good").unwrap(), command("a", &[], &[], None));
        assert!(super::server(&file, "null", &surroundings(), Path::new("/")).is_none());
        let said = |name| server(&file, name).unwrap_err().to_string();
        assert_eq!(said("no"), "the server no in mcp.json is wrong: it has neither a command nor a url");
        assert!(said("list").contains("a text was expected"), "{}", said("list"));
        assert!(said("u").contains("x://y"), "{}", said("u"));
        assert!(said("unset").contains("${NONE} is not set"), "{}", said("unset"));
    }

    #[test]
    fn what_is_no_json_is_said_with_its_place() {
        let wrong =
            |text| ConfigFile::parse(Path::new("mcp.json"), text, Path::new("/")).unwrap_err().to_string();
        assert!(
            wrong("{\"servers\": }").starts_with("mcp.json is no JSON: "),
            "{}",
            wrong("{\"servers\": }")
        );
        assert!(wrong("[]").contains("mcpServers"), "{}", wrong("[]"));
        assert!(wrong("").contains("mcpServers"), "{}", wrong(""));
    }
}
