use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, types::DiscoverResult};
use anyport_service::ServerRequest;
use anyport_transport::client::{Aside, Connection};
use anyport_upstream::{AnswerRequests, ServerInfo};

use crate::{
    client::server_name,
    handler::{Functions, is_url},
};

/// Answers the server requests that belong to no call by the client's own functions: everything on its connection is
/// the client's, so only the client can be meant.
///
/// 2025-11-25, client/roots: a server may ask for roots whenever it likes; some do as soon as they are initialized, and
/// go by the answer from then on.
pub(crate) struct FunctionAnswers(Arc<Functions>);

impl FunctionAnswers {
    pub(crate) fn new(functions: Arc<Functions>) -> Self {
        Self(functions)
    }

    /// Answers what the server at the other end of `connection` asks outside any call. A modern server asks by its results
    /// alone.
    pub(crate) fn attach(self, connection: &Connection) {
        if !connection.revision().is_modern() {
            let server = name(connection.discovered());
            connection.asides(Arc::new(ConnectionAnswers { answers: self, server }));
        }
    }

    fn is_declared(&self, method: Method, params: &Raw) -> bool {
        match method {
            Method::Elicit if is_url(params) => self.0.visit.is_some(),
            Method::Elicit => self.0.elicit.is_some(),
            Method::CreateMessage => self.0.sample.is_some(),
            Method::ListRoots => self.0.roots.is_some(),
            _ => false,
        }
    }

    fn ask(&self, server: String, request: ServerRequest) -> Result<(), ServerRequest> {
        if !self.is_declared(request.method, &request.params) {
            return Err(request);
        }
        let functions = self.0.clone();
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
}

impl AnswerRequests for FunctionAnswers {
    fn answer(&self, server: &ServerInfo, request: ServerRequest) -> Result<(), ServerRequest> {
        self.ask(name(&server.discovered), request)
    }
}

/// The same, for a connection that the client did not make.
struct ConnectionAnswers {
    answers: FunctionAnswers,
    server: String,
}

impl Aside for ConnectionAnswers {
    fn ask(&self, request: ServerRequest) -> Result<(), ServerRequest> {
        self.answers.ask(self.server.clone(), request)
    }

    fn several(&self) {
        // All calls of this connection have one caller.
    }
}

fn name(discovered: &Raw) -> String {
    server_name(&discovered.decode::<DiscoverResult>().unwrap_or_default())
}
