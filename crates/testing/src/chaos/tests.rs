//! Invariant: A response that is cut anywhere is an error for its client, never an answer.

use std::{
    io::ErrorKind,
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use anyport_protocol::{Raw, Revision};
use anyport_service::{Context, Reply, Request, Service};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Chaos, ChaosProxy, Cut, Faults, pass::Chance};
use crate::{Link, Lost, Wire};

/// Says what it was asked.
#[derive(Clone)]
struct Echo;

impl Service for Echo {
    fn call(&self, request: Request, _: Context) -> Reply {
        let text = request.params.raw().as_str().to_owned();
        Reply::ready(Ok(Raw::from(json!({"content": [{"type": "text", "text": text}]}))))
    }
}

fn down(faults: Faults) -> Chaos {
    Chaos { down: faults, ..Chaos::default() }
}

fn cut(after: u64, how: Cut) -> Faults {
    Faults { cut: Some((after, how)), ..Faults::default() }
}

/// A server that says back what it hears, behind a proxy; and a client.
async fn echo() -> (ChaosProxy, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = ChaosProxy::before(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, client)
}

#[tokio::test]
async fn our_server_answers_right_byte_by_byte() {
    let server = Link::http(Echo, Default::default()).await.unwrap();
    let proxy = ChaosProxy::before(server.address().unwrap()).await.unwrap();
    let sliced = Faults { slice: NonZeroUsize::new(1), ..Faults::default() };
    proxy.set(Chaos { up: sliced.clone(), down: sliced, ..Chaos::default() }).await.unwrap();
    for revision in Revision::ALL {
        let mut wire = Wire::over(Link::connect(proxy.address(), "/mcp"));
        wire.open(revision).await.unwrap();
        for word in ["one", "two"] {
            let answer = wire.call("tools/call", json!({"name": word})).await.unwrap();
            assert!(answer.text().contains(word), "{revision}: {answer:?}");
        }
    }
    assert!(proxy.connections() >= Revision::ALL.len() as u64);
    assert!(proxy.bytes_up() > 1000 && proxy.bytes_down() > 1000);
}

#[tokio::test]
async fn a_cut_response_is_an_error_and_never_an_answer() {
    let server = Link::http(Echo, Default::default()).await.unwrap();
    let proxy = ChaosProxy::before(server.address().unwrap()).await.unwrap();
    let whole = {
        let mut wire = Wire::over(Link::connect(proxy.address(), "/mcp"));
        wire.call("tools/call", json!({"name": "x"})).await.unwrap();
        proxy.bytes_down()
    };
    for after in (0..whole).step_by(7).chain([whole - 1]) {
        for how in [Cut::Close, Cut::Reset] {
            proxy.set(down(cut(after, how))).await.unwrap();
            let mut wire = Wire::over(Link::connect(proxy.address(), "/mcp"));
            let lost = wire.call("tools/call", json!({"name": "x"})).await;
            assert!(
                matches!(lost, Err(Lost::Ended(_) | Lost::Garbage(_) | Lost::Io(_))),
                "{after} of {whole}: {lost:?}"
            );
        }
    }
    proxy.set(Chaos::default()).await.unwrap();
    let mut wire = Wire::over(Link::connect(proxy.address(), "/mcp"));
    assert!(!wire.call("tools/call", json!({"name": "x"})).await.unwrap().is_error());
}

#[tokio::test]
async fn a_connection_ends_as_it_was_told_after_exactly_so_many_bytes() {
    for how in [Cut::Close, Cut::Reset] {
        let (proxy, mut client) = echo().await;
        proxy.set(down(cut(5, how))).await.unwrap();
        client.write_all(b"hello, you").await.unwrap();
        let mut heard = Vec::new();
        let end = client.read_to_end(&mut heard).await;
        match how {
            Cut::Reset => assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset),
            _ => assert_eq!((end.unwrap(), &*heard), (5, &b"hello"[..])),
        }
        assert_eq!((proxy.bytes_up(), proxy.bytes_down()), (10, 5));
    }
}

#[tokio::test]
async fn silence_ends_when_it_is_switched_off_and_an_idle_connection_can_be_reset() {
    let (proxy, mut client) = echo().await;
    proxy.set(down(cut(0, Cut::Silence))).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    let silent = tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut heard)).await;
    assert!(silent.is_err());
    proxy.set(Chaos::default()).await.unwrap();
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    proxy.set(down(cut(0, Cut::Reset))).await.unwrap();
    assert_eq!(client.read(&mut heard).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn who_is_refused_finds_nobody_and_later_finds_the_same_port() {
    let (proxy, mut client) = echo().await;
    // It has been taken, and does not only wait to be.
    client.write_all(b"a").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'a');
    proxy.set(Chaos { refuse: true, ..Chaos::default() }).await.unwrap();
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    // Whoever came before is still served.
    client.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    proxy.set(Chaos::default()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"y").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'y');
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn delay_rate_and_slow_close_take_their_time() {
    let (proxy, mut client) = echo().await;
    let mut slow = Faults { delay: Duration::from_millis(30), ..Faults::default() };
    slow.slow_close = Duration::from_millis(40);
    proxy.set(down(slow)).await.unwrap();
    let start = Instant::now();
    client.write_all(b"x").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    assert!(start.elapsed() >= Duration::from_millis(30), "{:?}", start.elapsed());
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(70), "{:?}", start.elapsed());

    let rate = Faults { bytes_per_second: NonZeroU64::new(1000), ..Faults::default() };
    let (_, wait) = Chance::of(0, 0, true).piece(&rate, 500, u64::MAX);
    assert_eq!(wait, Duration::from_millis(500));
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let faults = Faults {
        jitter: Duration::from_secs(1),
        slice: NonZeroUsize::new(100),
        uneven: true,
        ..Faults::default()
    };
    let drawn = |seed, number, is_up| -> Vec<_> {
        let mut chance = Chance::of(seed, number, is_up);
        (0..20).map(|_| chance.piece(&faults, 1000, 1000)).collect()
    };
    assert_eq!(drawn(7, 3, true), drawn(7, 3, true));
    for other in [drawn(8, 3, true), drawn(7, 4, true), drawn(7, 3, false)] {
        assert_ne!(drawn(7, 3, true), other);
    }
    assert!(drawn(7, 3, true).iter().all(|(length, wait)| (1..=100).contains(length) && wait.as_secs() < 1));
}
