//! Plays a quirk against a server of its own.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyport::{
    Context, Resource, Revision, Server, Service, Tool,
    http::{Authentication, Compat, Config, Listener, Token},
    stdio, with_legacy_clients,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::fixture::{Answer, Exchange, Expected, Fixture};

/// The time limits of clients are 30 s and more. What is not answered within this is not answered at once.
const AT_ONCE: Duration = Duration::from_secs(5);

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Weather {
    /// Mirrored into a header: `Mcp-Param-Region`
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

fn service() -> impl Service {
    let greet = Tool::new("greet").run(async |Greet { name }: Greet, _: Context| format!("Hello, {name}!"));
    let weather = Tool::new("weather")
        .run(async |Weather { region }: Weather, _: Context| format!("Rain in the {region}."));
    let about = Resource::new("quirks:///about").read(async |_: Context| "about");
    with_legacy_clients(
        Server::builder("quirks", "1.0.0").add(greet).add(weather).add(about).build().unwrap(),
    )
}

pub(crate) async fn file(path: &Path) {
    let fixture = Fixture::parse(&fs::read_to_string(path).unwrap());
    let config = config(&fixture.setup);
    match path.extension().unwrap().to_str().unwrap() {
        "http" => over_http(config, fixture).await,
        "stdio" => over_pipes(config, fixture).await,
        other => panic!("a file that ends in .{other} cannot be played"),
    }
}

fn config(setup: &[(String, String)]) -> Config {
    let mut config = Config::default();
    for (name, value) in setup {
        match name.as_str() {
            "compat" => config.compat = Compat::new([value.parse().unwrap()]),
            "era" => {
                let modern = value == "modern";
                let spoken = Revision::ALL.into_iter().filter(|revision| revision.is_stateless() == modern);
                config.supported = spoken.collect();
            }
            "token" => config.authentication = Authentication::Tokens(vec![Token::new("someone", value)]),
            "allow-origin" => config.allow_origins.push(value.parse().unwrap()),
            other => panic!("the server has no setting {other:?}"),
        }
    }
    config
}

async fn over_http(config: Config, fixture: Fixture) {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), config, false).await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.serve(service(), std::future::pending()));
    let played = tokio::task::spawn_blocking(move || {
        let mut kept = vec![("host".to_owned(), address.to_string())];
        for exchange in &fixture.exchanges {
            let answer = send(address, exchange, &kept).unwrap_or_else(|error| {
                panic!("the request in line {} has no answer: {error}", exchange.line)
            });
            judge(exchange, &answer);
            for expected in &exchange.expected {
                if let Expected::Kept { name, header } = expected {
                    kept.push((name.clone(), answer.header(header).unwrap().to_owned()));
                }
            }
        }
    });
    played.await.unwrap();
}

async fn over_pipes(config: Config, fixture: Fixture) {
    let (input, mut to_server) = io::pipe().unwrap();
    let (from_server, output) = io::pipe().unwrap();
    let config = stdio::Config::default().supported(config.supported);
    let serving = tokio::spawn(stdio::serve_on(service(), config, std::future::pending(), input, output));
    let played = tokio::task::spawn_blocking(move || {
        let lines = lines(from_server);
        for exchange in &fixture.exchanges {
            writeln!(to_server, "{}", exchange.body).unwrap();
            if exchange.expected.is_empty() {
                continue;
            }
            let body = lines.recv_timeout(AT_ONCE).unwrap_or_else(|error| {
                panic!("the request in line {} has no answer: {error}", exchange.line)
            });
            judge(exchange, &Answer { status: 0, headers: Vec::new(), body });
        }
        drop(to_server);
        assert_eq!(lines.recv().ok(), None, "nothing more is said");
    });
    played.await.unwrap();
    serving.await.unwrap().unwrap();
}

fn judge(exchange: &Exchange, answer: &Answer) {
    assert!(!exchange.expected.is_empty(), "nothing is expected of the request in line {}", exchange.line);
    for expected in &exchange.expected {
        assert!(
            expected.holds(answer),
            "the answer to the request in line {} is not {expected:?}:\n{answer}",
            exchange.line
        );
    }
}

/// Sends a request on a connection of its own. Of an event stream that a GET opened only the head is read: it does not
/// end.
fn send(address: SocketAddr, exchange: &Exchange, kept: &[(String, String)]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, AT_ONCE)?;
    stream.set_read_timeout(Some(AT_ONCE))?;
    let length = ("length".to_owned(), exchange.body.len().to_string());
    let filled = |line: &String| {
        let kept = kept.iter().chain([&length]);
        kept.fold(line.clone(), |line, (name, value)| line.replace(&format!("{{{name}}}"), value))
    };
    let head: Vec<_> = exchange.head.iter().map(filled).collect();
    write!(stream, "{}\r\n\r\n{}", head.join("\r\n"), exchange.body)?;

    let mut stream = BufReader::new(stream);
    let status = line(&mut stream)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut answer = Answer {
        status: status.ok_or_else(|| io::Error::other("no status"))?,
        headers: Vec::new(),
        body: String::new(),
    };
    loop {
        let line = line(&mut stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        answer.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let endless =
        exchange.head[0].starts_with("GET ") && answer.header("content-type") == Some("text/event-stream");
    let mut body = Vec::new();
    if let Some(length) = answer.header("content-length") {
        body.resize(length.parse().map_err(io::Error::other)?, 0);
        stream.read_exact(&mut body)?;
    } else if answer.header("transfer-encoding") == Some("chunked") && !endless {
        loop {
            let size = usize::from_str_radix(&line(&mut stream)?, 16).map_err(io::Error::other)?;
            let start = body.len();
            body.resize(start + size, 0);
            stream.read_exact(&mut body[start..])?;
            line(&mut stream)?;
            if size == 0 {
                break;
            }
        }
    }
    answer.body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(answer)
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Reads in a thread, so that a test can stop waiting.
fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
