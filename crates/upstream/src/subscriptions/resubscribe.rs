use anyport_protocol::{
    Method, Raw,
    failure::Failure,
    json::{Elements, Splice},
};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Reply, Request, emit};
use tokio::time::{Instant, sleep};

use super::end;
use crate::{connect::HEALTHY, pool::Pool, slot::backoff};

/// Listens to a modern server: when its stream ends or is cut it is opened again, and what may have changed meanwhile is
/// told.
pub(crate) fn listen(pool: Pool, request: Request, context: Context) -> Reply {
    emit::reply(|emitter| async move {
        let mut closed = pool.0.closed.subscribe();
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => Outcome::Result(end()),
            outcome = run(&pool, &request, &context, &emitter) => outcome,
        }
    })
}

async fn run(pool: &Pool, request: &Request, context: &Context, emitter: &Emitter) -> Outcome {
    let mut acknowledged = None;
    let mut attempts = 0;
    loop {
        let begun = Instant::now();
        let outcome = match pool.up(context).await {
            // It came back as an older server, which is listened to in another way.
            Ok((_, up)) if !up.revision.is_modern() => return Outcome::Result(end()),
            Ok((_, up)) => {
                let reply = up.service.call(request.clone(), context.clone());
                relay(reply, emitter, &mut acknowledged).await
            }
            Err(failure) => failure.into(),
        };
        // Who was never heard hears why; who was is kept, unless the server says no to what it once granted.
        let transient = match &outcome {
            Outcome::Error(_) => false,
            Outcome::Failed(failure) => match failure.root() {
                Failure::NotSent(_) | Failure::Disconnected(_) | Failure::Unavailable { .. } => true,
                failure => matches!(failure, Failure::Overloaded { .. }),
            },
            _ => true,
        };
        if acknowledged.is_none() || !transient {
            return outcome;
        }
        attempts = if begun.elapsed() >= HEALTHY { 1 } else { attempts + 1 };
        sleep(backoff(attempts, pool.0.limits.backoff)).await;
    }
}

/// Passes on what one stream tells, until it ends.
async fn relay(mut reply: Reply, emitter: &Emitter, acknowledged: &mut Option<Raw>) -> Outcome {
    loop {
        match reply.next().await {
            Event::Outcome(outcome) => return outcome,
            Event::Notification(told) if told.method == Method::Acknowledged => {
                let honoured = told.params.member("notifications").unwrap_or(Raw::EMPTY_OBJECT);
                let again = acknowledged.replace(honoured.clone()).is_some();
                if !again {
                    emitter.emit(Event::Notification(told)).await;
                    continue;
                }
                for change in meanwhile(&honoured) {
                    emitter.emit(Event::Notification(change)).await;
                }
            }
            event => emitter.emit(event).await,
        }
    }
}

/// What may have changed while nobody listened.
fn meanwhile(honoured: &Raw) -> Vec<Notification> {
    let lists = [
        ("toolsListChanged", Method::ToolsChanged),
        ("promptsListChanged", Method::PromptsChanged),
        ("resourcesListChanged", Method::ResourcesChanged),
    ];
    let listened = |name: &str| honoured.member(name).is_some_and(|flag| flag.as_str() == "true");
    let lists = lists.into_iter().filter(|(name, _)| listened(name));
    let mut changes: Vec<_> =
        lists.map(|(_, method)| Notification { method, params: Raw::EMPTY_OBJECT }).collect();
    if let Some(uris) = honoured.member("resourceSubscriptions").filter(Raw::is_array) {
        changes.extend(Elements::of(uris.as_str()).map(|uri| Notification {
            method: Method::ResourceUpdated,
            params: Splice::new().with("uri", &uris.slice(uri)).finish(),
        }));
    }
    changes
}
