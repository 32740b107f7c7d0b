use std::sync::Arc;

use anyport_protocol::{Method, jsonrpc::Params};
use bytestring::ByteString;

use crate::{Context, Reply};

/// Answers requests: a tool, a server, a connection to one, or a whole gateway.
pub trait Service: Send + Sync + 'static {
    /// Answers `request`. The reply yields notifications and questions, then exactly one outcome; dropping it
    /// cancels the request.
    ///
    /// Must be called inside a tokio runtime: handlers may use its timers as soon as they are called.
    fn call(&self, request: Request, context: Context) -> Reply;
}

impl<S: Service + ?Sized> Service for Arc<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        (**self).call(request, context)
    }
}

impl<S: Service + ?Sized> Service for Box<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        (**self).call(request, context)
    }
}

/// A request in the newest vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method's name.
    pub method: ByteString,
    /// The params, an object; `{}` when the request had none.
    pub params: Params,
}

impl Request {
    /// A request for one of the protocol's methods.
    pub fn new(method: Method, params: impl Into<Params>) -> Self {
        Self { method: ByteString::from_static(method.as_str()), params: params.into() }
    }

    /// The method, when it is one of the protocol's.
    pub fn known(&self) -> Option<Method> {
        Method::named(&self.method)
    }

    /// Whether this opens a listen stream, which lives as long as its client: limits on calls leave it alone.
    pub fn is_listen(&self) -> bool {
        &*self.method == Method::Listen.as_str()
    }

    /// The target of the request: the tool's or prompt's name, the resource's URI.
    pub fn name(&self) -> Option<ByteString> {
        self.params.member(self.known()?.header_name()?)?.as_string()
    }
}
