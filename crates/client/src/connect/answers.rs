use std::sync::Arc;

use anyport_protocol::{Error, Method, types::DiscoverResult};
use anyport_service::{PeerEvent, ServerRequest, peer::UnsolicitedRequest};
use anyport_transport::client::Connection;

use crate::handler::{Functions, is_url, server_name};

/// Answers the server requests that belong to no call by the client's own functions: everything on its connection is
/// the client's, so only the client can be meant. A modern server asks by its results alone.
///
/// 2025-11-25, client/roots: a server may ask for roots whenever it likes; some do as soon as they are initialized, and
/// go by the answer from then on.
pub(crate) fn answer_unsolicited(functions: &Arc<Functions>, connection: &Connection) {
    if connection.revision().asks_by_result() {
        return;
    }
    let server = server_name(&connection.discovered().decode::<DiscoverResult>().unwrap_or_default());
    let (functions, mut events) = (functions.clone(), connection.peer().subscribe());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let PeerEvent::Request(request) = event
                && let Some(request) = declared(&functions, &request)
            {
                tokio::spawn(answer(functions.clone(), server.clone(), request));
            }
        }
    });
}

/// Claims a request that the client has declared a function for.
fn declared(functions: &Functions, request: &UnsolicitedRequest) -> Option<ServerRequest> {
    let is_declared = match request.method() {
        Method::Elicit if is_url(request.params()) => functions.visit.is_some(),
        Method::Elicit => functions.elicit.is_some(),
        Method::CreateMessage => functions.sample.is_some(),
        Method::ListRoots => functions.roots.is_some(),
        _ => false,
    };
    is_declared.then(|| request.claim()).flatten()
}

async fn answer(functions: Arc<Functions>, server: String, request: ServerRequest) {
    let ServerRequest { method, params, mut responder } = request;
    tokio::select! {
        biased;
        () = responder.withdrawn() => {}
        answered = functions.answer(&server, method, &params) => {
            responder.answer(answered.unwrap_or_else(|fault| Err(Error::internal(fault))));
        }
    }
}
