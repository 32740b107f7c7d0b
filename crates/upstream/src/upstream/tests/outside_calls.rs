//! What servers and clients say outside any call.

use std::sync::Mutex;

use anyport_protocol::Raw;
use anyport_service::{
    PeerEvent, WeakPeer,
    peer::{PeerChannel, PeerTransport, ToPeer},
};
use tokio::sync::oneshot::error::TryRecvError;

use super::*;

/// A legacy session of a client.
struct Session {
    id: SessionId,
    events: PeerChannel,
    sent: Mutex<Vec<ToPeer>>,
}

impl PeerTransport for Session {
    fn id(&self) -> SessionId {
        self.id
    }

    fn send(&self, message: ToPeer) -> Result<(), ToPeer> {
        self.sent.lock().unwrap().push(message);
        Ok(())
    }

    fn events(&self) -> &PeerChannel {
        &self.events
    }
}

impl Session {
    fn new() -> Arc<Self> {
        Arc::new(Self { id: SessionId::next(), events: PeerChannel::default(), sent: Mutex::default() })
    }

    /// The context of its calls.
    fn context(self: &Arc<Self>) -> Context {
        let context = caller(LEGACY, json!({"elicitation": {}, "roots": {"listChanged": true}}));
        let (transport, profile) = (Arc::downgrade(self), context.profile());
        context.with_session(self.id).with_peer(WeakPeer::new(transport), profile)
    }
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_subscribes_to_an_upstream_hears_each_of_its_connections() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    let mut events = upstream.events();
    for capabilities in [json!({}), json!({"sampling": {}})] {
        let context = caller(LEGACY, capabilities);
        result(upstream.call(call("read", json!({})), context).outcome().await);
    }
    for (index, change) in [Method::ToolsChanged, Method::PromptsChanged].into_iter().enumerate() {
        farm.server(index).say(change, json!({}));
        assert_eq!(events.next().await.unwrap().into_notification().unwrap().method, change);
    }
    upstream.shut_down().await;
    drop(upstream);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_connections_own_session_is_asked_and_heard() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    let session = Session::new();
    result(upstream.call(call("read", json!({})), session.context()).outcome().await);
    let _answer = farm.server(0).ask(Method::Elicit);
    settle().await;
    assert!(
        matches!(&session.sent.lock().unwrap()[..], [ToPeer::Request(request)] if request.method == Method::Elicit)
    );
    let changed = Method::RootsChanged.as_str();
    session.events.send(PeerEvent::Notification(changed.into(), Raw::EMPTY_OBJECT));
    settle().await;
    assert_eq!(farm.server(0).heard(), [changed]);
}

#[tokio::test(start_paused = true)]
async fn of_several_sessions_none_is_asked_and_each_gets_a_connection_of_its_own() {
    for asks_outside in [true, false] {
        let farm = Farm::new(LEGACY);
        let upstream = upstream(&farm);
        let sessions = [Session::new(), Session::new()];
        for session in &sessions {
            result(upstream.call(call("read", json!({})), session.context()).outcome().await);
        }
        assert_eq!(farm.connections(), 1);
        if asks_outside {
            let mut roots = farm.server(0).ask(Method::ListRoots);
            settle().await;
            assert_eq!(roots.try_recv(), Err(TryRecvError::Closed), "it is declined");
            result(upstream.call(call("read", json!({})), sessions[0].context()).outcome().await);
            assert_eq!(farm.connections(), 1, "nearly every server asks for roots");
            let mut form = farm.server(0).ask(Method::Elicit);
            settle().await;
            assert_eq!(form.try_recv(), Err(TryRecvError::Closed));
        } else {
            farm.server(0).attribute(Attribution::Ambiguous);
        }
        assert!(sessions.iter().all(|session| session.sent.lock().unwrap().is_empty()));
        for session in &sessions {
            result(upstream.call(call("read", json!({})), session.context()).outcome().await);
        }
        assert_eq!(farm.connections(), 3);
    }
}
