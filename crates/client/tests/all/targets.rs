//! What names a server, and how often one is connected to that does not last.
//!
//! Invariant: A text that names a server starts no program, and an invalid one returns the valid forms.

use anyport_client::{Client, Command, Error, IntoEndpoint, Target};

fn refused(given: &str) -> String {
    given.into_endpoint().unwrap_err().to_string()
}

#[tokio::test]
async fn a_text_that_names_no_server_says_how_one_is_named() {
    for given in ["", "npx -y server", "/run/server.sock", "host.example/mcp", "ftp://host/", "C:\\server"] {
        let words = refused(given);
        assert!(words.contains(given) || given.contains('\\'), "{words}");
        assert!(
            words.contains("https://") && words.contains("unix:PATH") && words.contains("Command"),
            "{words}"
        );
    }
    let error = Client::connect("nowhere").await.unwrap_err();
    assert!(matches!(error, Error::Target(_)), "{error}");
}

#[test]
fn commands_are_commands() {
    assert!(matches!(Command::new("server").into_endpoint(), Ok(Target::Command(_))));
}

#[cfg(unix)]
#[test]
fn sockets_are_named_by_path_or_url() {
    for url in ["unix:/run/server.sock", "unix:///run/server.sock", "UNIX:/run/server.sock"] {
        let Target::Unix(path) = url.into_endpoint().unwrap() else { panic!("{url}") };
        assert_eq!(path, std::path::Path::new("/run/server.sock"));
    }
    assert!(refused("unix:").contains("wants the path"), "{}", refused("unix:"));
}

#[cfg(feature = "connect-http")]
#[test]
fn urls_of_http_are_taken_and_faulty_ones_keep_their_secrets() {
    for url in ["http://127.0.0.1:3020/mcp", "HTTPS://host.example/mcp?key=word"] {
        assert!(matches!(url.into_endpoint(), Ok(Target::Http(_))), "{url}");
        assert!(matches!(url.to_owned().into_endpoint(), Ok(Target::Http(_))), "{url}");
        assert!(matches!(url::Url::parse(url).unwrap().into_endpoint(), Ok(Target::Http(_))), "{url}");
    }
    for (url, words) in [
        ("http://", "empty host"),
        ("https://me:secret@host/", "must not name a user"),
        ("https://me:se@cret@host/", "must not name a user"),
        ("http://host:99999/?secret=1", "port"),
    ] {
        let said = refused(url);
        assert!(said.contains(words) && !said.contains("secret") && !said.contains("cret@"), "{said}");
    }
}

#[cfg(feature = "connect-websocket")]
#[test]
fn urls_of_websockets_are_taken() {
    for url in ["ws://127.0.0.1:3020/mcp/ws", "wss://host.example/ws"] {
        assert!(matches!(url.into_endpoint(), Ok(Target::WebSocket(_))), "{url}");
    }
    assert!(refused("ws://").contains("names no server"), "{}", refused("ws://"));
}

#[cfg(not(feature = "connect-http"))]
#[test]
fn a_program_without_http_says_which_feature_it_lacks() {
    assert!(refused("https://host/mcp").contains("connect-http"), "{}", refused("https://host/mcp"));
    assert!(refused("ws://host/mcp").contains("connect-websocket"), "{}", refused("ws://host/mcp"));
}

/// A server on a socket that is gone as soon as it was called.
#[cfg(unix)]
#[tokio::test]
async fn a_server_that_does_not_last_is_given_time() {
    use std::time::Duration;

    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::UnixListener,
        sync::mpsc,
        time::Instant,
    };

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, mut opened) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (input, mut output) = listener.accept().await.unwrap().0.into_split();
            let _ = sender.send(Instant::now());
            let mut lines = BufReader::new(input).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let message: Value = serde_json::from_str(&line).unwrap();
                if message["method"] != "server/discover" {
                    break;
                }
                let result = json!({"supportedVersions": ["2026-07-28"], "capabilities": {}});
                let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
                output.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
        }
    });
    let client = Client::connect(format!("unix:{}", path.display())).await.unwrap();
    for _ in 0..3 {
        let lost = client.call("anything", ()).await.unwrap_err();
        assert!(matches!(lost, Error::Closed { sent: true, .. }), "{lost}");
        client.connection().unwrap().closed().await;
    }
    // The first three calls met a connection each; the waits between them were 100 and 200 ms, less a quarter.
    let times: Vec<Instant> = std::iter::from_fn(|| opened.try_recv().ok()).collect();
    let waits: Vec<Duration> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(times.len(), 3, "{waits:?}");
    assert!(waits[0] >= Duration::from_millis(75) && waits[1] >= Duration::from_millis(150), "{waits:?}");
}
