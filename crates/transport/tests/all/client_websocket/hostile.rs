//! Servers that write what they may not (RFC 6455 §5, §7.4): their own calls end and say why, and what they sent is held
//! against the limits before there is room for it.
//!
//! Invariant: Over a WebSocket, our client works with our server in every revision, and a violation closes
//! the connection with its code.

use std::{future::Future, time::Duration};

use anyport_protocol::Limits;
use anyport_transport::client::{CloseReason, ConnectOptions, Connection, websocket::Config};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    call, open, opening,
    peer::{Peer, at, frame, peer},
    text,
};
use crate::common::{refused, within};

/// A connection to a server that does `then` once it has read a call.
async fn calling<F>(
    opening: &ConnectOptions,
    config: Config,
    then: impl Fn(Peer) -> F + Send + Sync + 'static,
) -> Connection
where
    F: Future<Output = ()> + Send + 'static,
{
    let then = std::sync::Arc::new(then);
    let address = peer(move |mut peer| {
        let then = then.clone();
        async move {
            peer.modern().await;
            peer.hear().await.unwrap();
            then(peer).await;
        }
    })
    .await;
    open(at(address).config(config), opening).await.unwrap()
}

/// What a call, and the connection, end with.
async fn ends(connection: Connection) -> String {
    let outcome = within(call(&connection, "echo", json!({})).outcome()).await;
    let error = refused(outcome);
    assert_eq!(error.data.unwrap().member("reason").unwrap().as_str(), "\"upstream_lost\"");
    let CloseReason::Lost(why) = within(connection.closed()).await else { panic!() };
    assert!(error.message.contains(&*why), "{} {why}", error.message);
    // Those that come later are told, too.
    let later = within(call(&connection, "echo", json!({})).outcome()).await;
    refused(later);
    why.to_string()
}

#[tokio::test]
async fn what_may_not_be_sent_ends_the_connection_by_its_close_code() {
    let masked = [&[0x81, 0x82][..], &[0; 4], b"{}"].concat();
    let cases: [(&str, Vec<u8>, u16); 12] = [
        ("a masked frame", masked, 1002),
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("an unknown kind of data", frame(0x83, b"{}"), 1002),
        ("an unknown kind of control", frame(0x8b, b""), 1002),
        ("a continuation of nothing", frame(0x80, b"{}"), 1002),
        ("a message within another", [frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        ("a fragmented ping", frame(0x09, b"x"), 1002),
        ("a ping that is too long", frame(0x89, &[b'x'; 126]), 1002),
        ("a close frame of one byte", frame(0x88, b"x"), 1002),
        ("a binary frame", frame(0x82, b"{}"), 1003),
        ("no UTF-8", frame(0x81, b"{\"a\":\"\xff\"}"), 1007),
        ("a letter that breaks off", frame(0x81, b"\xe6\x97"), 1007),
    ];
    for (name, bytes, code) in cases {
        let (sender, mut closes) = mpsc::unbounded_channel();
        let connection = calling(&opening(None), Config::default(), move |mut peer| {
            let (bytes, sender) = (bytes.clone(), sender.clone());
            async move {
                peer.write(&bytes).await;
                sender.send(peer.closed().await).unwrap();
            }
        })
        .await;
        let why = ends(connection).await;
        let (said, reason) = within(closes.recv()).await.unwrap();
        assert_eq!(said, code, "{name}: {reason}");
        assert_eq!(why, format!("the WebSocket was given up: {reason}"), "{name}");
    }
}

#[tokio::test]
async fn whatever_a_frame_says_of_its_length_no_room_is_made_for_more_than_may_be() {
    let small = opening(None).limits(Limits::default().bytes(1000));
    let claims = |length: u64| [&[0x81, 127][..], &length.to_be_bytes(), b"{"].concat();
    let fragments = [frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 600])].concat();
    for bytes in [claims(1 << 62), claims(1 << 40), claims(1001), frame(0x81, &[b'x'; 1001]), fragments] {
        let connection = calling(&small, Config::default(), move |mut peer| {
            let bytes = bytes.clone();
            async move {
                peer.write(&bytes).await;
                assert_eq!(peer.closed().await.0, 1009);
            }
        })
        .await;
        let why = ends(connection).await;
        assert!(why.contains("larger than 1000 bytes"), "{why}");
    }
    let config = Config::default().max_frame_bytes(Some(500));
    let connection =
        calling(&small, config, async |mut peer: Peer| peer.write(&frame(0x81, &[b'x'; 501])).await).await;
    assert!(ends(connection).await.contains("max_frame_bytes"));
}

#[tokio::test]
async fn a_server_that_breaks_off_or_closes_is_told_with_its_words() {
    let cut = |bytes: &'static [u8]| {
        move |mut peer: Peer| async move {
            peer.write(bytes).await;
        }
    };
    let cases: [(&[u8], &str); 5] = [
        (b"", "broke"),
        (b"\x81", "broke"),
        (b"\x81\x20{\"jsonrpc\":", "broke"),
        (b"\x88\x00", "the server closed the WebSocket"),
        (b"\x88\x0a\x03\xe9too much", "the server closed the WebSocket: too much (1001)"),
    ];
    for (bytes, words) in cases {
        let why = ends(calling(&opening(None), Config::default(), cut(bytes)).await).await;
        assert!(why.contains(words), "{bytes:?}: {why}");
    }
}

#[tokio::test]
async fn nonsense_in_frames_costs_nobody_else_an_answer() {
    let connection = calling(&opening(None), Config::default(), async |mut peer: Peer| {
        for nonsense in
            ["", "{", "[]", "null", "\u{0}", r#"{"id":77}"#, r#"{"jsonrpc":"2.0","id":99,"result":{}}"#]
        {
            peer.write(&frame(0x81, nonsense.as_bytes())).await;
        }
        peer.write(&frame(0x89, b"ping")).await;
        peer.write(&frame(0x8a, b"nobody asked")).await;
        // The answer, in as many fragments as it has bytes.
        let answer =
            json!({"jsonrpc": "2.0", "id": 2, "result": {"content": [{"type": "text", "text": "on"}]}});
        let answer = answer.to_string();
        peer.write(&frame(0x01, b"")).await;
        for byte in answer.as_bytes() {
            peer.write(&frame(0x00, &[*byte])).await;
        }
        peer.write(&frame(0x80, b"")).await;
        assert_eq!(peer.read_frame().await, Some((0x8a, b"ping".to_vec())));
        _ = peer.read_frame().await;
    })
    .await;
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "on");
}

#[tokio::test]
async fn too_many_pings_end_the_connection() {
    let config = Config::default().max_pings(10);
    let connection = calling(&opening(None), config, async |mut peer: Peer| {
        peer.write(&frame(0x89, b"").repeat(11)).await;
        assert_eq!(peer.closed().await.0, 1008);
    })
    .await;
    assert!(ends(connection).await.contains("max_pings"));
}

#[tokio::test]
async fn a_server_that_shows_no_sign_of_life_is_given_up() {
    let config =
        Config::default().ping_interval(Duration::from_millis(20)).pong_timeout(Duration::from_millis(100));
    let connection = calling(&opening(None), config, async |mut peer: Peer| {
        // Reads, and answers no ping.
        assert_eq!(peer.closed().await.0, 1011);
    })
    .await;
    assert!(ends(connection).await.contains("pong_timeout"));
}

#[tokio::test]
async fn a_server_that_reads_nothing_is_given_up() {
    let config = Config::default().write_timeout(Duration::from_millis(200));
    let address = peer(|mut peer: Peer| async move {
        peer.modern().await;
        std::future::pending::<()>().await;
    })
    .await;
    let connection = open(at(address).config(config), &opening(None)).await.unwrap();
    let large = json!({"text": "x".repeat(12 << 20)});
    let outcome = within(call(&connection, "echo", large).outcome()).await;
    let error = refused(outcome);
    assert!(error.message.contains("write_timeout"), "{}", error.message);
}
