use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, types::DiscoverResult};
use anyport_service::ServerRequest;
use anyport_transport::client::{Aside, Connection};

use crate::handler::{Functions, is_url, server_name};

/// Answers the server requests that belong to no call by the client's own functions: everything on its connection is
/// the client's, so only the client can be meant.
///
/// 2025-11-25, client/roots: a server may ask for roots whenever it likes; some do as soon as they are initialized, and
/// go by the answer from then on.
pub(crate) struct FunctionAnswers {
    functions: Arc<Functions>,
    /// What the server calls itself.
    server: String,
}

impl FunctionAnswers {
    /// Answers what the server at the other end of `connection` asks outside any call, from now on. A modern server asks by
    /// its results alone.
    pub(crate) fn attach(functions: Arc<Functions>, connection: &Connection) {
        if !connection.revision().asks_by_result() {
            let discovered = connection.discovered().decode::<DiscoverResult>().unwrap_or_default();
            let server = server_name(&discovered);
            connection.asides(Arc::new(Self { functions, server }));
        }
    }

    fn is_declared(&self, method: Method, params: &Raw) -> bool {
        match method {
            Method::Elicit if is_url(params) => self.functions.visit.is_some(),
            Method::Elicit => self.functions.elicit.is_some(),
            Method::CreateMessage => self.functions.sample.is_some(),
            Method::ListRoots => self.functions.roots.is_some(),
            _ => false,
        }
    }
}

impl Aside for FunctionAnswers {
    fn ask(&self, request: ServerRequest) -> Result<(), ServerRequest> {
        if !self.is_declared(request.method, &request.params) {
            return Err(request);
        }
        let (functions, server) = (self.functions.clone(), self.server.clone());
        tokio::spawn(async move {
            let ServerRequest { method, params, mut responder } = request;
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
