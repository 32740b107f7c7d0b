//! From a server to a program that serves it.

#![cfg(unix)]

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport::{Context, ServeError, Server, Tool, http, serve, serve::ListenAddr, server::NoArguments, unix};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixStream},
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn server(diary: &Diary, starts: bool) -> Server {
    let (one, two) = (diary.clone(), diary.clone());
    Server::builder("diary", "1.0.0")
        .add(Tool::new("greet").run(async |_: NoArguments, _: Context| "hello"))
        .add(Tool::new("panic").run(async |_: NoArguments, _: Context| -> String { panic!("on purpose") }))
        .on_start(move |_| {
            let diary = one.clone();
            async move {
                diary.note("start");
                if starts { Ok(()) } else { Err("no database") }
            }
        })
        .on_stop(move |_| {
            let diary = two.clone();
            async move { diary.note("stop") }
        })
        .build()
        .unwrap()
}

fn call(tool: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": tool, "arguments": {}, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

async fn over_unix(path: &Path, tool: &str) -> Value {
    let mut stream = BufReader::new(UnixStream::connect(path).await.unwrap());
    stream.get_mut().write_all(format!("{}\n", call(tool)).as_bytes()).await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

async fn over_http(address: SocketAddr) -> String {
    let body = call("greet");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, \
         text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: greet\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("the test waited too long")
}

#[tokio::test]
async fn tools_are_called_plainly_where_that_is_asked_for() {
    for plain in [true, false] {
        let (stop, stopped) = oneshot::channel::<()>();
        let (places, mut told) = mpsc::unbounded_channel();
        let mut serving = serve(server(&Diary::default(), true))
            .http(([127, 0, 0, 1], 0))
            .on_listening(move |place| places.send(place.clone()).unwrap())
            .until(async { drop(stopped.await) });
        if plain {
            serving = serving.rest();
        }
        let serving = tokio::spawn(serving.into_future());
        let ListenAddr::Http(address, _) = within(told.recv()).await.unwrap() else { panic!("no address") };
        let call = r#"{"method":"greet"}"#;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /mcp/call HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{call}",
            call.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer.contains(r#""result":"hello""#), plain, "{answer}");
        drop(stop);
        within(serving).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn several_ways_at_once_and_the_hooks_around_them() {
    let (diary, folder) = (Diary::default(), TempDir::new().unwrap());
    let path = folder.path().join("mcp.sock");
    let (stop, stopped) = oneshot::channel::<()>();
    let (places, mut told) = mpsc::unbounded_channel();
    let noted = diary.clone();
    let serving = serve(server(&diary, true))
        .http(([127, 0, 0, 1], 0))
        .unix(&path)
        .on_listening(move |place| {
            noted.note("listening");
            places.send(place.clone()).unwrap();
        })
        .until(async { drop(stopped.await) });
    let serving = tokio::spawn(serving.into_future());
    let ListenAddr::Http(address, endpoint) = within(told.recv()).await.unwrap() else {
        panic!("no address")
    };
    assert_eq!(endpoint, "/mcp");
    assert_eq!(within(told.recv()).await.unwrap(), ListenAddr::Unix(path.clone()));

    assert_eq!(within(over_unix(&path, "greet")).await["result"]["content"][0]["text"], "hello");
    assert!(within(over_http(address)).await.contains("hello"));
    // A panic is its call's affair.
    assert_eq!(within(over_unix(&path, "panic")).await["error"]["code"], -32603);
    assert_eq!(within(over_unix(&path, "greet")).await["result"]["content"][0]["text"], "hello");

    assert_eq!(diary.read(), ["start", "listening", "listening"]);
    drop(stop);
    within(serving).await.unwrap().unwrap();
    assert_eq!(diary.read(), ["start", "listening", "listening", "stop"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_start_that_fails_is_told_and_nothing_is_served() {
    let (diary, folder) = (Diary::default(), TempDir::new().unwrap());
    let path = folder.path().join("mcp.sock");
    let error = within(serve(server(&diary, false)).unix(&path).into_future()).await.unwrap_err();
    assert!(matches!(error, ServeError::Start(_)) && error.to_string().contains("no database"), "{error}");
    assert_eq!(diary.read(), ["start", "stop"]);
    assert!(!path.exists());
}

/// A database that does not answer does not keep the program from ending.
#[tokio::test]
async fn what_is_stopped_while_it_starts_serves_nobody_and_ends_in_order() {
    let (diary, folder) = (Diary::default(), TempDir::new().unwrap());
    let path = folder.path().join("mcp.sock");
    let (begun, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (started, slow) = (begun.clone(), done.clone());
    let (begins, ended, noted) = (diary.clone(), diary.clone(), diary.clone());
    let server = Server::builder("slow", "1.0.0")
        .on_start(move |_| {
            let (begun, done, diary) = (begun.clone(), done.clone(), begins.clone());
            async move {
                diary.note("start");
                begun.notify_one();
                done.notified().await;
                Ok::<_, String>(())
            }
        })
        .on_stop(move |_| {
            let diary = ended.clone();
            async move { diary.note("stop") }
        })
        .build()
        .unwrap();
    let serving = serve(server).unix(&path).on_listening(move |_| noted.note("listening"));
    let serving = tokio::spawn(serving.until(async move { started.notified().await }).into_future());
    // It has been told to stop once its address is free again, and what has begun to start may come to its end.
    within(async {
        while diary.read().is_empty() || path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    slow.notify_one();
    within(serving).await.unwrap().unwrap();
    assert_eq!(diary.read(), ["start", "stop"]);
}

#[tokio::test]
async fn an_address_in_use_is_told_before_anything_begins() {
    let (diary, folder) = (Diary::default(), TempDir::new().unwrap());
    let path = folder.path().join("mcp.sock");
    let _other = unix::Listener::bind(&path, unix::Config::default()).await.unwrap();
    let error = within(serve(server(&diary, true)).unix(&path).into_future()).await.unwrap_err();
    assert!(matches!(error, ServeError::Unix(unix::Refused::InUse(_))), "{error}");
    assert!(diary.read().is_empty());
}

#[tokio::test]
async fn an_http_address_may_be_text() {
    let diary = Diary::default();
    for address in ["127.0.0.1:0", "localhost:0"] {
        let (listening, mut heard) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(server(&diary, true))
            .http(address)
            .on_listening(move |address| listening.send(address.clone()).unwrap())
            .until(async { drop(stopped.await) })
            .into_future();
        let serving = tokio::spawn(serving);
        let Some(ListenAddr::Http(address, _)) = within(heard.recv()).await else { panic!("no address") };
        assert!(address.ip().is_loopback() && address.port() != 0);
        drop(stop);
        within(serving).await.unwrap().unwrap();
    }
    for address in ["3020", "127.0.0.1", "no such host:1", ""] {
        let error = within(serve(server(&diary, true)).http(address).into_future()).await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains(&format!("{address:?}")) && words.contains("127.0.0.1:3020"), "{words}");
    }
}

#[test]
fn a_main_with_boxed_errors_prints_them_as_people_read_them() {
    fn main() -> Result<(), Box<dyn std::error::Error>> {
        Server::builder("", "1.0.0").build()?;
        Ok(())
    }
    let error = main().unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let failed = anyport::client::Error::ToolFailed { text: "no ink".into() };
    assert_eq!(format!("{failed:?}"), "the tool failed: no ink");
}

#[tokio::test]
async fn the_world_is_let_in_only_by_saying_so() {
    let diary = Diary::default();
    let error = within(serve(server(&diary, true)).http(([0, 0, 0, 0], 0)).into_future()).await.unwrap_err();
    assert!(matches!(error, ServeError::Http(http::Refused::Open(_))), "{error}");
    let until = std::future::ready(());
    let open = serve(server(&diary, true)).http(([0, 0, 0, 0], 0)).allow_anonymous();
    within(open.until(until).into_future()).await.unwrap();
}

#[tokio::test]
async fn no_way_at_all_is_a_mistake() {
    let error = serve(server(&Diary::default(), true)).await.unwrap_err();
    assert!(matches!(error, ServeError::Nowhere) && error.to_string().contains("stdio()"), "{error}");
}

#[tokio::test]
async fn what_runs_at_once_is_bounded() {
    let (diary, folder) = (Diary::default(), TempDir::new().unwrap());
    let path = folder.path().join("mcp.sock");
    let serving = serve(server(&diary, true)).unix(&path).max_concurrent_calls(0);
    let serving = tokio::spawn(serving.until(std::future::pending()).into_future());
    while !path.exists() {
        tokio::task::yield_now().await;
    }
    let refused = within(over_unix(&path, "greet")).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_concurrent_calls"), "{refused}");
    serving.abort();
}

#[test]
fn a_main_that_builds_and_serves_tells_what_is_wrong_in_words() {
    fn main() -> Result<(), ServeError> {
        let twice = || Tool::new("greet").run(async |_: NoArguments, _: Context| "hello");
        drop(serve(Server::builder("s", "1").add(twice()).add(twice()).build()?));
        Ok(())
    }
    let error = main().unwrap_err();
    assert_eq!(format!("{error:?}"), "the server cannot offer this:\n- tool \"greet\": declared twice");
    assert_eq!(format!("{error:?}"), error.to_string());
}
