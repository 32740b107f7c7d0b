//! What an older server asks while no call is open.

use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, types::DiscoverResult};
use anyport_service::ServerRequest;
use anyport_transport::client::{Aside, Connection};

use crate::{
    client::server_name,
    handler::{Functions, is_url},
};

/// Answers it by the client's own functions. Everything on its connection is the client's, so nobody else can be meant.
///
/// 2025-11-25, client/roots: a server may ask for roots whenever it likes; some do as soon as they are initialized, and
/// go by the answer from then on.
struct Answering {
    functions: Arc<Functions>,
    server: String,
}

/// Lets `functions` answer what the server asks outside any call.
pub(crate) fn answer_asides(connection: &Connection, functions: &Arc<Functions>) {
    if connection.revision().is_modern() {
        // It asks by its results alone.
        return;
    }
    let discovered = connection.discovered().decode::<DiscoverResult>().unwrap_or_default();
    let server = server_name(&discovered);
    connection.asides(Arc::new(Answering { functions: functions.clone(), server }));
}

impl Answering {
    fn declared(&self, method: Method, params: &Raw) -> bool {
        match method {
            Method::Elicit if is_url(params) => self.functions.visit.is_some(),
            Method::Elicit => self.functions.elicit.is_some(),
            Method::CreateMessage => self.functions.sample.is_some(),
            Method::ListRoots => self.functions.roots.is_some(),
            _ => false,
        }
    }
}

impl Aside for Answering {
    fn ask(&self, question: ServerRequest) -> Result<(), ServerRequest> {
        if !self.declared(question.method, &question.params) {
            return Err(question);
        }
        let (functions, server) = (self.functions.clone(), self.server.clone());
        tokio::spawn(async move {
            let ServerRequest { method, params, mut responder } = question;
            tokio::select! {
                biased;
                () = responder.withdrawn() => {}
                answered = functions.answer(&server, method, &params) => {
                    responder.answer(answered.unwrap_or_else(|fault| Err(Error::internal(fault))));
                }
            }
        });
        Ok(())
    }

    fn several(&self) {
        // All calls of this connection have one caller.
    }
}
