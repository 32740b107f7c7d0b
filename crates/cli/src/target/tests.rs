use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::exit::Exit;

#[derive(Debug, Parser)]
struct Line {
    words: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// A project with servers, in a home with others.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "project/.mcp.json",
            r#"{"mcpServers": {"files": {"command": "files"}, "both": {"command": "project"}}}"#,
        );
        write("project/.vscode/mcp.json", r#"{"servers": {"here": {"command": "${workspaceFolder}/run"}}}"#);
        write(
            ".cursor/mcp.json",
            r#"{"mcpServers": {"both": {"command": "user"}, "web": {"url": "https://web.example/mcp", "headers": {"X-A": "1"}}}}"#,
        );
        write(".config/Claude/claude_desktop_config.json", "{ broken");
        write("one.json", r#"{"mcpServers": {"only": {"command": "only"}}}"#);
        Self(folder)
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            cwd: self.0.path().join("project"),
            home: Some(self.0.path().to_owned()),
            variables: [("KEY".to_owned(), "k1".to_owned())].into(),
        }
    }

    fn resolve(&self, words: &[&str]) -> Result<Target> {
        let mut line = Line::try_parse_from([&["anyport"], words].concat()).unwrap();
        let target = line.options.target_of(&mut line.words);
        line.options.resolve(target.as_deref(), &self.surroundings())
    }

    fn server(&self, words: &[&str]) -> Server {
        self.resolve(words).unwrap().server
    }

    /// What is said, and what to do.
    fn refused(&self, words: &[&str]) -> (String, String) {
        let error = self.resolve(words).unwrap_err();
        let error = error.downcast_ref::<UserError>().unwrap();
        assert_eq!(error.exit, Exit::Usage, "{words:?}");
        (error.problem.clone(), error.help.clone())
    }
}

fn program(server: &Server) -> &str {
    match server {
        Server::Command { program, .. } => program,
        other => panic!("{other:?}"),
    }
}

fn headers(server: &Server) -> Vec<(&str, &str)> {
    match server {
        Server::Http { headers, .. } => {
            headers.iter().map(|(name, value)| (name.as_str(), value.0.as_str())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_url_a_socket_and_a_command_are_servers_as_they_are() {
    let home = Home::new();
    assert!(matches!(home.server(&["https://a.example/mcp"]), Server::Http { .. }));
    assert!(matches!(home.server(&["wss://a.example/mcp"]), Server::WebSocket { .. }));
    assert_eq!(home.server(&["unix:/run/a.sock"]), Server::Unix("/run/a.sock".into()));
    let server = home.server(&["-e", "A=b=c", "--", "npx", "-y", "server", "--", "x"]);
    let expected = Server::Command {
        program: "npx".into(),
        arguments: ["-y", "server", "--", "x"].map(String::from).into(),
        environment: vec![("A".into(), SecretValue("b=c".into()))],
        cwd: None,
        confinement: None,
    };
    assert_eq!(server, expected);
}

#[test]
fn a_name_is_looked_for_in_the_project_then_at_its_user() {
    let home = Home::new();
    assert_eq!(program(&home.server(&["files"])), "files");
    assert_eq!(program(&home.server(&["both"])), "project");
    let here = home.server(&["here"]);
    assert_eq!(program(&here), home.surroundings().cwd.join("run").to_str().unwrap());
    let web = home.resolve(&["web", "--header", "x-a: 2"]).unwrap();
    assert_eq!(headers(&web.server), [("x-a", "2")], "the command line wins");
    assert!(web.found.unwrap().ends_with(".cursor/mcp.json"));
}

#[test]
fn a_file_is_named_with_its_server_or_has_only_one() {
    let home = Home::new();
    assert_eq!(program(&home.server(&["../one.json#only"])), "only");
    let one = home.0.path().join("one.json");
    assert_eq!(program(&home.server(&[one.to_str().unwrap()])), "only");
    let (problem, help) = home.refused(&["../one.json#onyl"]);
    assert_eq!((problem.as_str(), help.as_str()), ("../one.json has no server onyl", "did you mean only?"));
    let (problem, help) = home.refused(&[".mcp.json#"]);
    assert_eq!(problem, ".mcp.json has 2 servers");
    assert!(help.ends_with("with one of files, both"), "{help}");
    assert!(home.refused(&["none.json#a"]).0.contains("none.json"));
}

#[test]
fn an_unknown_name_is_told_the_near_ones_and_where_was_looked() {
    let home = Home::new();
    let (problem, help) = home.refused(&["flies"]);
    assert!(problem.starts_with("no server is called flies; looked in "), "{problem}");
    assert!(problem.contains(".mcp.json (Claude Code)") && problem.contains("(Cursor)"), "{problem}");
    assert!(problem.contains("claude_desktop_config.json is no JSON"), "{problem}");
    assert_eq!(help, "did you mean files?");
    assert_eq!(
        home.refused(&["localhost:3000/mcp"]).1,
        "for a URL, write its scheme: http://localhost:3000/mcp"
    );
    assert!(home.refused(&["npx"]).1.starts_with("to start a program, write it after --: -- npx"));
}

#[test]
fn a_token_is_read_from_its_place_and_never_taken_or_repeated() {
    let home = Home::new();
    let token = home.0.path().join("token");
    fs::write(&token, "t0p-secret\n").unwrap();
    let place = format!("file:{}", token.display());
    let server = home.server(&["https://a.example/mcp", "--bearer", &place]);
    assert_eq!(headers(&server), [("Authorization", "Bearer t0p-secret")]);
    assert!(!format!("{server:?}").contains("t0p-secret"));
    let (problem, help) = home.refused(&["https://a.example/mcp", "--bearer", "t0p-secret"]);
    assert!(!problem.contains("t0p-secret") && !help.contains("t0p-secret"), "{problem} {help}");
    assert!(help.contains("env:NAME"), "{help}");
}

#[test]
fn headers_read_the_environment_and_are_not_repeated_when_wrong() {
    let home = Home::new();
    let given = |header| home.resolve(&["https://a.example/mcp", "--header", header]);
    assert_eq!(headers(&given("X-Key: a ${KEY}").unwrap().server), [("X-Key", "a k1")]);
    let secrets = ["t0p-secret", "t0p secret: x", "X: t0p-secret\u{1}", "X: ${t0p:secret}"];
    for (header, why) in
        secrets.into_iter().zip(["no colon", "no name", "no header can", "the file was made"])
    {
        let (problem, _) = home.refused(&["https://a.example/mcp", "--header", header]);
        assert!(problem.contains(why), "{header}: {problem}");
        assert!(!problem.contains("secret\u{1}") && !problem.contains("t0p-s"), "{problem}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let home = Home::new();
    let check = |words: &[&str], expected: &str| {
        let (problem, _) = home.refused(words);
        assert!(problem.contains(expected), "{words:?}: {problem}");
    };
    check(&[], "no server was given");
    check(&["ftp://a.example"], "servers are reached by");
    check(&["https:///mcp"], "not the URL of a server");
    check(&["unix:"], "the path of a socket");
    check(&["https://a.example", "-e", "A=1"], "-e is for a command");
    check(&["https://a.example", "--cwd", "."], "--cwd is for a command");
    check(&["--header", "A: b", "--", "run"], "--header is for a URL");
    check(&["--bearer", "env:PATH", "unix:/a"], "--bearer is for a URL");
    check(&["--cwd", "/no/such/folder", "--", "run"], "is no folder");
    check(&["-e", "A", "--", "run"], "-e takes NAME=VALUE");
    assert!(Line::try_parse_from(["anyport", "--revision", "2020-01-01"]).is_err());
    assert!(Line::try_parse_from(["anyport", "--timeout", "-1"]).is_err());
}

#[test]
fn no_message_shows_what_may_be_secret_in_a_url() {
    let home = Home::new();
    let target = home.resolve(&["https://me:pw@a.example/mcp?key=s3cret"]).unwrap();
    assert_eq!(target.name, "https://a.example/mcp");
    let (problem, _) = home.refused(&["ftp://me:pw@a.example/?key=s3cret"]);
    assert!(!problem.contains("pw") && !problem.contains("s3cret"), "{problem}");
}

#[test]
fn the_help_names_the_timeouts_of_the_code() {
    use clap::Args as _;

    let command = Options::augment_args(clap::Command::new("x"));
    let timeout = command.get_arguments().find(|argument| argument.get_id() == "timeout").unwrap();
    let help = timeout.get_help().unwrap().to_string();
    for text in [
        format!("{} unless given", TIMEOUT.as_secs()),
        format!("{} for a call through the bridge", CALL_TIMEOUT.as_secs()),
    ] {
        assert!(help.contains(&text), "{help}");
    }
}
