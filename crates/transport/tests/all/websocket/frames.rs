//! Hostile frames, written byte by byte (RFC 6455 §5, §7.4).

use std::time::Duration;

use anyport_transport::websocket;
use serde_json::json;

use super::{Server, call, config, frame, raw, read_close, read_frame, start, within};

/// Sends `bytes` on a WebSocket of its own, and returns how it ends.
async fn ends(server: &Server, bytes: &[u8]) -> (u16, String) {
    let mut connection = raw(server).await;
    connection.send(bytes).await;
    let ended = read_close(&mut connection).await;
    // The connection is closed, and nothing more is said.
    assert_eq!(connection.closed().await, b"");
    server.canary().await;
    ended
}

fn echo() -> Vec<u8> {
    call(1, "echo", json!({"text": "x"})).to_string().into_bytes()
}

#[tokio::test]
async fn what_is_against_the_protocol_ends_the_connection_with_1002() {
    let server = start().await;
    let unmasked =
        [&[0x81, u8::try_from(echo().len().min(125)).unwrap()][..], &echo()[..125.min(echo().len())]];
    let cases: [(&str, Vec<u8>); 9] = [
        ("an unmasked frame", unmasked.concat()),
        ("a reserved bit", frame(0x81 | 0x40, &echo())),
        ("an unknown kind of data", frame(0x83, b"{}")),
        ("an unknown kind of control", frame(0x8b, b"")),
        ("a continuation of nothing", frame(0x80, b"{}")),
        ("a message within another", [frame(0x01, b"{"), frame(0x81, b"}")].concat()),
        ("a fragmented ping", frame(0x09, b"x")),
        ("a ping that is too long", frame(0x89, &[b'x'; 126])),
        ("a close frame of one byte", frame(0x88, b"x")),
    ];
    for (name, bytes) in cases {
        let (code, reason) = ends(&server, &bytes).await;
        assert_eq!(code, 1002, "{name}: {reason}");
    }
}

#[tokio::test]
async fn a_binary_frame_ends_the_connection_with_1003() {
    let server = start().await;
    assert_eq!(ends(&server, &frame(0x82, &echo())).await, (1003, "messages are text frames".into()));
}

#[tokio::test]
async fn what_is_no_utf_8_ends_the_connection_with_1007() {
    let server = start().await;
    assert_eq!(ends(&server, &frame(0x81, b"{\"a\":\"\xff\"}")).await.0, 1007);
    assert_eq!(ends(&server, &[frame(0x01, b"{\"a\":\""), frame(0x80, b"\xc3\"}")].concat()).await.0, 1007);
    // A surrogate, and a letter that breaks off.
    assert_eq!(ends(&server, &frame(0x81, b"\xed\xa0\x80")).await.0, 1007);
    assert_eq!(ends(&server, &frame(0x81, b"\xe6\x97")).await.0, 1007);
}

#[tokio::test]
async fn fragments_make_one_message_and_a_ping_may_stand_between() {
    let server = start().await;
    let mut connection = raw(&server).await;
    let message = echo();
    let (first, rest) = message.split_at(10);
    connection.send(&frame(0x01, first)).await;
    connection.send(&frame(0x89, b"between")).await;
    assert_eq!(read_frame(&mut connection).await, (0x8a, b"between".to_vec()));
    for byte in rest {
        connection.send(&frame(0x00, &[*byte])).await;
        connection.send(&frame(0x00, b"")).await;
    }
    connection.send(&frame(0x80, b"")).await;
    let (first, answer) = read_frame(&mut connection).await;
    assert_eq!(first, 0x81);
    assert!(String::from_utf8(answer).unwrap().contains("\"id\":1"));
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let server = start().await;
    let mut connection = raw(&server).await;
    for byte in frame(0x81, &echo()) {
        connection.send(&[byte]).await;
    }
    assert_eq!(read_frame(&mut connection).await.0, 0x81);
}

#[tokio::test]
async fn whatever_a_frame_says_of_its_length_no_room_is_made_for_more_than_may_be() {
    let server = start().await;
    for length in [u64::MAX, 1 << 63, 1 << 40, (4 << 20) + 1] {
        let mut bytes = vec![0x81, 0x80 | 127];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0; 4]);
        let (code, reason) = ends(&server, &bytes).await;
        assert!(matches!(code, 1002 | 1009), "{length}: {code} {reason}");
    }
}

#[tokio::test]
async fn arbitrary_bytes_end_the_connection_and_nothing_else() {
    let server = start().await;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..100 {
        let mut connection = raw(&server).await;
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed.to_le_bytes()[0]
            })
            .collect();
        let _ = connection.try_send(&bytes).await;
    }
    server.canary().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_given_up() {
    let server = Server::start(config(
        websocket::Config::default()
            .ping_interval(Duration::from_millis(50))
            .pong_timeout(Duration::from_millis(200)),
    ))
    .await;
    // A client that reads and says nothing, as when the network between lost its way back.
    let mut half_open = raw(&server).await;
    half_open.send(&frame(0x81, call(1, "wait", json!({})).to_string().as_bytes())).await;
    assert_eq!(read_frame(&mut half_open).await, (0x89, Vec::new()));
    let (code, reason) = read_close(&mut half_open).await;
    assert_eq!(code, 1011);
    assert!(reason.contains("pong_timeout"), "{reason}");
    server.fake.until(|counts| counts.cancelled == 1).await;

    // One that answers stays, however long its call takes.
    let mut answering = raw(&server).await;
    answering.send(&frame(0x81, call(1, "wait", json!({})).to_string().as_bytes())).await;
    for _ in 0..10 {
        let (first, payload) = read_frame(&mut answering).await;
        assert_eq!(first, 0x89);
        answering.send(&frame(0x8a, &payload)).await;
    }
    server.fake.release(1);
    while read_frame(&mut answering).await.0 != 0x81 {}
}

#[tokio::test]
async fn a_close_frame_is_answered_and_the_connection_closed() {
    let server = start().await;
    let mut connection = raw(&server).await;
    connection.send(&frame(0x88, &[&1000_u16.to_be_bytes()[..], b"bye"].concat())).await;
    let (first, payload) = read_frame(&mut connection).await;
    assert_eq!((first, &payload[..2]), (0x88, &1000_u16.to_be_bytes()[..]));
    assert_eq!(within(connection.closed()).await, b"");
}
