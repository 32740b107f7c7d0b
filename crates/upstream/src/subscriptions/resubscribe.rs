use anyport_protocol::{Method, subscription::SubscriptionFilter};
use anyport_service::{Context, Emitter, Event, Outcome, Reply, Request, emit};
use tokio::time::{Instant, sleep};

use super::{
    interruption::{is_transient, meanwhile},
    listen::end,
};
use crate::{era::Era, limits::HEALTHY, pool::Pool};

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
    let mut acknowledged = false;
    let mut attempts = 0;
    loop {
        let begun = Instant::now();
        let outcome = match pool.up(context, Era::Modern).await {
            // It came back as an older server, which is listened to in another way.
            Ok((_, up)) if !up.session.revision().has_listen() => return Outcome::Result(end()),
            Ok((_, up)) => {
                let reply = up.service.call(request.clone(), context.clone());
                relay(reply, emitter, &mut acknowledged).await
            }
            Err(failure) => failure.into(),
        };
        // Who was never heard hears why; who was is kept, unless the server says no to what it once granted. A request to
        // listen changes nothing, so a stream that was cut is as good as one that was never opened.
        if !acknowledged || !is_transient(&outcome) {
            return outcome;
        }
        attempts = if begun.elapsed() >= HEALTHY { 1 } else { attempts + 1 };
        sleep(pool.0.limits.backoff_after(attempts)).await;
    }
}

/// Passes on what one stream tells, until it ends.
async fn relay(mut reply: Reply, emitter: &Emitter, acknowledged: &mut bool) -> Outcome {
    loop {
        match reply.next().await {
            Event::Outcome(outcome) => return outcome,
            Event::Notification(told) if told.method == Method::Acknowledged => {
                let granted = SubscriptionFilter::read(&told.params).unwrap_or_default();
                if !std::mem::replace(acknowledged, true) {
                    emitter.emit(Event::Notification(told)).await;
                    continue;
                }
                for change in meanwhile(&granted) {
                    emitter.emit(Event::Notification(change)).await;
                }
            }
            event => emitter.emit(event).await,
        }
    }
}
