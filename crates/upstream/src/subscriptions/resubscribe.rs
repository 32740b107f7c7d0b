use std::sync::Arc;

use anyport_protocol::{Method, subscription::SubscriptionFilter};
use anyport_service::{Context, Emitter, Event, Outcome, Reply, Request, emit};
use tokio::time::{Instant, sleep};

use super::{
    interruption::{covers, gone, is_outdated, is_transient, meanwhile},
    listen::end,
};
use crate::{call::CallGuard, era::Era, limits::HEALTHY, pool::Pool, slot::Up};

/// Listens to a server for as long as the listener wants: when its stream is cut, or the server comes back in the other era, a
/// stream is opened again, and the listener is notified of what may have changed meanwhile.
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
    let mut granted = None;
    let (mut attempts, mut is_repeated) = (0, false);
    loop {
        let begun = Instant::now();
        let preferred = Era::of(context.revision());
        let hold = pool.hold(context, preferred, false);
        let end = match pool.up_for(hold, context, preferred, false).await {
            Ok((hold, up)) => attend(pool, (hold, &up), request, context, emitter, &mut granted).await,
            Err(failure) => StreamEnd::of(failure.into()),
        };
        let outcome = match end {
            StreamEnd::Final(outcome) => return outcome,
            StreamEnd::Interrupted(outcome) => outcome,
        };
        if granted.is_none() {
            // Who was never heard hears why. A request to listen changes nothing, so one that was lost with a connection that
            // is replaced is made once more.
            let is_lost = matches!(&outcome, Outcome::Failed(failure) if failure.is_lost_connection());
            if !is_lost || std::mem::replace(&mut is_repeated, true) {
                return outcome;
            }
            continue;
        }
        attempts = if begun.elapsed() >= HEALTHY { 1 } else { attempts + 1 };
        sleep(pool.0.limits.backoff_after(attempts)).await;
    }
}

/// How a stream ended.
enum StreamEnd {
    /// The listener hears this.
    Final(Outcome),
    /// A stream is opened again.
    Interrupted(Outcome),
}

impl StreamEnd {
    /// The end of a stream that ended with `outcome`.
    fn of(outcome: Outcome) -> Self {
        match is_transient(&outcome) {
            true => Self::Interrupted(outcome),
            false => Self::Final(outcome),
        }
    }
}

/// Listens on one connection, until that ends.
///
/// `hold`: the listener's place among the calls of the connection, which is not idle while it begins to listen.
async fn attend(
    pool: &Pool,
    (hold, up): (CallGuard, &Arc<Up>),
    request: &Request,
    context: &Context,
    emitter: &Emitter,
    granted: &mut Option<SubscriptionFilter>,
) -> StreamEnd {
    let slot = hold.slot().clone();
    let (reply, is_own) = match Era::of(up.session.revision()) {
        // A client of 2026-07-28 holds a stream of its own to us, too.
        Era::Modern if context.revision().has_listen() => {
            (up.service.call(request.clone(), context.clone()), true)
        }
        Era::Modern => (slot.streams.listen(&slot.listen, request), false),
        Era::Legacy => (slot.listen.open(request.params.raw()), false),
    };
    let end = match is_own {
        // It is not idle while the stream is open, and retired connections are left at once.
        true => tokio::select! {
            biased;
            end = relay(reply, emitter, granted, None) => end,
            () = slot.without(up) => StreamEnd::Interrupted(gone().into()),
        },
        false => relay(reply, emitter, granted, Some(hold)).await,
    };
    match end {
        StreamEnd::Interrupted(outcome) if is_outdated(&outcome) => {
            pool.outdated(&slot, up);
            StreamEnd::Interrupted(gone().into())
        }
        // A stream of a shared subscription goes on by itself after a loss. It ends where the server takes back a resource.
        StreamEnd::Interrupted(outcome @ Outcome::Result(_)) if !is_own => StreamEnd::Final(outcome),
        end => end,
    }
}

/// Passes on what one stream says, until it ends.
///
/// `hold` is given back when the stream has begun: from then on the place knows of the listener.
async fn relay(
    mut reply: Reply,
    emitter: &Emitter,
    granted: &mut Option<SubscriptionFilter>,
    mut hold: Option<CallGuard>,
) -> StreamEnd {
    loop {
        let event = reply.next().await;
        drop(hold.take());
        match event {
            Event::Outcome(outcome) => return StreamEnd::of(outcome),
            Event::Notification(told) if told.method == Method::Acknowledged => {
                let now = SubscriptionFilter::read(&told.params).unwrap_or_default();
                let Some(before) = granted else {
                    *granted = Some(now);
                    emitter.emit(Event::Notification(told)).await;
                    continue;
                };
                // No message takes back a part of an acknowledgement.
                if !covers(&now, before) {
                    return StreamEnd::Final(Outcome::Result(end()));
                }
                for change in meanwhile(before) {
                    emitter.emit(Event::Notification(change)).await;
                }
            }
            event => emitter.emit(event).await,
        }
    }
}
