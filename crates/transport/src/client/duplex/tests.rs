//! How long a channel is waited for.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Limits, Method, Raw, Revision, meta::LogLevel};
use anyport_service::{Context, Outcome, Principal, Reply, Request, Service};

use crate::client::{ConnectError, Dial, Opening, Target, connect};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn times_that_the_clock_cannot_tell_are_waited_for_ever() {
    let opening = Opening {
        open_timeout: Duration::MAX,
        probe_timeout: Duration::MAX,
        log_hold: Duration::MAX,
        roots_hold: Duration::MAX,
        ..Opening::default()
    };
    struct Empty;
    impl Service for Empty {
        fn call(&self, request: Request, _: Context) -> Reply {
            Reply::ready(Ok(match request.known() {
                Some(Method::Discover) => {
                    raw(r#"{"supportedVersions":["2026-07-28"],"capabilities":{"logging":{}}}"#)
                }
                _ => Raw::EMPTY_OBJECT,
            }))
        }
    }
    for revision in [None, Some(Revision::V2025_11_25)] {
        let opening = Opening { revision, ..opening.clone() };
        let connection = connect(&Target::Service(Arc::new(Empty)), &opening).await.unwrap();
        let context =
            Context::new(Principal::local(), Revision::NEWEST).with_log_level(Some(LogLevel::Debug));
        let request = Request::new(Method::ToolsList, Raw::EMPTY_OBJECT);
        assert!(matches!(connection.call(request, context).outcome().await, Outcome::Result(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_made_is_waited_for_no_longer_than_may_be() {
    let never = Dial::new(|| std::future::pending::<std::io::Result<tokio::io::DuplexStream>>());
    let error = connect(&Target::Stream(never), &Opening::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Silent(_)), "{error}");
}
