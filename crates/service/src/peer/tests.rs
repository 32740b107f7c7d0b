use std::{
    pin::Pin,
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::Method;
use futures_core::Stream as _;

use super::{channel::MAX_EVENT_BYTES, *};
use crate::sync::Lock;

/// A transport that keeps what it is given, up to one message.
struct Kept {
    id: SessionId,
    sent: Lock<Vec<ToPeer>>,
    events: PeerChannel,
}

impl PeerTransport for Kept {
    fn id(&self) -> SessionId {
        self.id
    }

    fn send(&self, message: ToPeer) -> Result<(), ToPeer> {
        let mut sent = self.sent.lock();
        if !sent.is_empty() {
            return Err(message);
        }
        sent.push(message);
        Ok(())
    }

    fn events(&self) -> &PeerChannel {
        &self.events
    }
}

fn transport() -> Arc<Kept> {
    Arc::new(Kept { id: SessionId::next(), sent: Lock::default(), events: PeerChannel::default() })
}

fn notification(number: u64) -> PeerEvent {
    PeerEvent::Notification(
        "notifications/x".into(),
        Raw::trusted(format!(r#"{{"n":{number}}}"#).into_bytes()),
    )
}

fn request() -> (ServerRequest, tokio::sync::oneshot::Receiver<crate::Answer>) {
    ServerRequest::new(Method::ListRoots, Raw::EMPTY_OBJECT)
}

fn poll(events: &mut PeerEvents) -> Poll<Option<PeerEvent>> {
    Pin::new(events).poll_next(&mut Task::from_waker(Waker::noop()))
}

/// Whatever `events` has now, as text.
fn read(events: &mut PeerEvents) -> Vec<String> {
    let mut all = Vec::new();
    while let Poll::Ready(event) = poll(events) {
        match event {
            Some(PeerEvent::Notification(_, params)) => all.push(params.to_string()),
            Some(PeerEvent::Request(request)) => all.push(request.method().as_str().to_owned()),
            Some(PeerEvent::Lagged(events)) => all.push(format!("lagged {events}")),
            Some(PeerEvent::Unsubscribed(uris)) => all.extend(uris.iter().map(ToString::to_string)),
            Some(PeerEvent::Silent) => all.push("silent".to_owned()),
            None => {
                all.push("end".to_owned());
                break;
            }
        }
    }
    all
}

#[test]
fn a_full_queue_gives_the_message_back() {
    let transport = transport();
    let peer = Peer::new(transport.clone());
    assert!(peer.notify("notifications/x", Raw::EMPTY_OBJECT));
    assert!(!peer.notify("notifications/x", Raw::EMPTY_OBJECT));
    let refused = peer.request(request().0).unwrap_err();
    assert_eq!(refused.method, Method::ListRoots);
    transport.sent.lock().clear();
    assert!(peer.request(request().0).is_ok());
}

#[test]
fn a_weak_peer_is_gone_with_its_connection() {
    let transport = transport();
    let peer = Peer::new(transport.clone());
    assert_ne!(peer.id(), SessionId::next());
    let weak = peer.downgrade();
    drop(transport);
    assert!(!weak.is_gone() && weak.upgrade().is_some_and(|again| again.id() == peer.id()));
    drop(peer);
    assert!(weak.is_gone() && weak.upgrade().is_none());
}

#[test]
fn each_subscriber_hears_everything_since_it_came() {
    let channel = PeerChannel::default();
    assert!(channel.send(notification(0)), "nobody has to listen");
    let mut first = channel.subscribe();
    assert!(channel.send(notification(1)));
    let mut second = channel.subscribe();
    assert!(channel.send(notification(2)));
    assert_eq!(read(&mut first), [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(channel.waiting(), 1, "kept for the second");
    assert_eq!(read(&mut second), [r#"{"n":2}"#]);
    assert_eq!(channel.waiting(), 0);
    channel.send(notification(3));
    channel.close(CloseReason::lost("cut"));
    assert!(!channel.send(notification(4)));
    assert_eq!(read(&mut first), [r#"{"n":3}"#, "end"], "what was said before the end is heard");
    assert_eq!(read(&mut channel.subscribe()), ["end"]);
}

#[test]
fn a_slow_subscriber_lags_and_holds_nobody_up() {
    let channel = PeerChannel::new(2);
    let (mut slow, mut quick) = (channel.subscribe(), channel.subscribe());
    for number in 0..5 {
        channel.send(notification(number));
        assert_eq!(read(&mut quick).len(), 1);
    }
    assert_eq!(read(&mut slow), ["lagged 3", r#"{"n":3}"#, r#"{"n":4}"#]);
    let large = Raw::string(&"x".repeat(MAX_EVENT_BYTES));
    assert!(!channel.send(PeerEvent::Notification("notifications/x".into(), large)));
}

#[test]
fn a_subscriber_that_reads_nothing_keeps_256_events() {
    let channel = PeerChannel::default();
    let mut slow = channel.subscribe();
    for number in 0..300 {
        assert!(channel.send(notification(number)));
    }
    assert_eq!(channel.waiting(), 256);
    let all = read(&mut slow);
    assert_eq!((all[0].as_str(), all.len()), ("lagged 44", 257));
    let largest = "x".repeat(MAX_EVENT_BYTES - 2);
    assert!(channel.send(PeerEvent::Notification("notifications/x".into(), Raw::string(&largest))));
    assert_eq!(MAX_EVENT_BYTES, 256 << 10);
}

#[test]
fn the_first_claim_has_an_unsolicited_request() {
    let channel = PeerChannel::default();
    let (mut first, mut second) = (channel.subscribe(), channel.subscribe());
    let (request, mut answer) = request();
    channel.send(PeerEvent::Request(UnsolicitedRequest::new(request)));
    let offered = |events: &mut PeerEvents| match poll(events) {
        Poll::Ready(Some(PeerEvent::Request(request))) => request,
        other => panic!("{other:?}"),
    };
    let (one, other) = (offered(&mut first), offered(&mut second));
    let claimed = one.claim().unwrap();
    assert!(other.claim().is_none());
    claimed.responder.answer(Ok(Raw::EMPTY_OBJECT));
    assert_eq!(answer.try_recv().unwrap(), Ok(Raw::EMPTY_OBJECT));
}

#[test]
fn a_request_that_nobody_claims_is_declined() {
    let declined = |channel: &PeerChannel, then: &dyn Fn()| {
        let (request, mut answer) = request();
        channel.send(PeerEvent::Request(UnsolicitedRequest::new(request)));
        then();
        answer.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Closed)
    };
    let channel = PeerChannel::new(1);
    assert!(declined(&channel, &|| {}), "nobody has subscribed");
    let events = Lock::new(Some(channel.subscribe()));
    assert!(!declined(&channel, &|| {}), "somebody may yet read it");
    assert!(declined(&channel, &|| drop(read(events.lock().as_mut().unwrap()))), "it was read and dropped");
    assert!(
        declined(&channel, &|| assert!(channel.send(notification(1)))),
        "the queue is full of newer events"
    );
    assert!(declined(&channel, &|| drop(events.lock().take())), "the last subscriber has gone");
}

#[tokio::test]
async fn the_end_is_heard_by_whoever_waits_for_it() {
    let transport = transport();
    let peer = Peer::new(transport.clone());
    let (closed, mut events) = (peer.closed(), peer.subscribe());
    let waiting = tokio::spawn(async move { (closed.await, events.next().await.is_none()) });
    tokio::task::yield_now().await;
    transport.events.close(CloseReason::lost("cut"));
    transport.events.close(CloseReason::Closed);
    assert_eq!(waiting.await.unwrap(), (CloseReason::lost("cut"), true), "the first reason stays");
    assert_eq!(peer.closed().await, CloseReason::lost("cut"));
}

#[tokio::test]
async fn a_transport_that_is_dropped_is_closed() {
    let transport = transport();
    let (closed, mut events) = (transport.events.closed(), transport.events.subscribe());
    transport.events.send(notification(1));
    drop(transport);
    assert_eq!(closed.await, CloseReason::Closed);
    assert!(matches!(events.next().await, Some(PeerEvent::Notification(..))));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn an_event_wakes_the_subscriber() {
    let channel = PeerChannel::default();
    let mut events = channel.subscribe();
    let waiting = tokio::spawn(async move { events.next().await });
    tokio::task::yield_now().await;
    channel.send(notification(7));
    assert!(matches!(waiting.await.unwrap(), Some(PeerEvent::Notification(..))));
}
