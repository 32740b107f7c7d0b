use std::{fmt, sync::Arc};

use anyport_protocol::{
    Method, Raw,
    jsonrpc::{ConnectionRefusal, code},
    types::{
        CompleteResult, DiscoverResult, GetPromptResult, Implementation, Prompt, ReadResourceResult,
        Reference, Resource, ResourceTemplate, ServerCapabilities, Tool,
    },
};
use anyport_service::Request;
use bytestring::ByteString;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Call, CallResult, Error, List, Listen, call::Made, core::Core, decode::decode, exchange::Options,
};

/// A client of one server. Clones are the same client.
#[derive(Clone)]
pub struct Client(Arc<Core>);

impl Client {
    /// The connection to the server, when [`Client::connect`] made one.
    #[cfg(feature = "connect")]
    pub fn connection(&self) -> Option<anyport_transport::client::Connection> {
        Some(self.0.connector.as_ref()?.connection())
    }

    pub(crate) fn of(core: Core) -> Self {
        Self(Arc::new(core))
    }

    /// What the server said of itself: the revisions it speaks, what it offers, how it is used.
    pub fn discovered(&self) -> &DiscoverResult {
        // `open` has set it.
        self.0.discovered.get_or_init(DiscoverResult::default)
    }

    /// What the server offers.
    pub fn capabilities(&self) -> &ServerCapabilities {
        &self.discovered().capabilities
    }

    /// How to use the server, for a model.
    pub fn instructions(&self) -> Option<&str> {
        self.discovered().instructions.as_deref()
    }

    /// Who the server says it is. Never decide anything by it.
    pub fn server_info(&self) -> Option<&Implementation> {
        self.discovered().meta.as_ref()?.server_info.as_ref()
    }

    /// The server's tools. What is listed here is what calls are checked by.
    pub fn tools(&self) -> List<Tool> {
        List::new(self.0.clone())
    }

    /// The server's resources.
    pub fn resources(&self) -> List<Resource> {
        List::new(self.0.clone())
    }

    /// The server's templates of resources.
    pub fn templates(&self) -> List<ResourceTemplate> {
        List::new(self.0.clone())
    }

    /// The server's prompts.
    pub fn prompts(&self) -> List<Prompt> {
        List::new(self.0.clone())
    }

    /// Calls the tool `name`. Its arguments are anything that is written as an object: a struct, a map, `json!({...})`;
    /// `()` for none.
    ///
    /// If the tool was listed before, its result is held against its output schema, and arguments are mirrored into
    /// headers where it says so.
    pub fn call(&self, name: impl Into<String>, arguments: impl Serialize) -> Call<CallResult> {
        let (name, method) = (name.into(), Method::ToolsCall);
        let params =
            object(method, &arguments).map(|arguments| json!({"name": name, "arguments": arguments}));
        let finish = |core: Arc<Core>, request, options| -> Made<_> {
            Box::pin(async move { core.call_tool(request, options).await })
        };
        Call::new(self.0.clone(), ByteString::from_static(method.as_str()), params.map(Raw::from), finish)
    }

    /// Reads the resource at `uri`. An answer that is still fresh is not asked for again.
    pub fn read(&self, uri: impl Into<String>) -> Call<ReadResourceResult> {
        self.typed(Method::ResourcesRead, Ok(json!({ "uri": uri.into() })))
    }

    /// Gets the prompt `name`. Arguments are an object of texts; `()` for none.
    pub fn prompt(&self, name: impl Into<String>, arguments: impl Serialize) -> Call<GetPromptResult> {
        let (name, method) = (name.into(), Method::PromptsGet);
        let params =
            object(method, &arguments).map(|arguments| json!({"name": name, "arguments": arguments}));
        self.typed(method, params)
    }

    /// What `value`, the beginning of the argument `argument`, could become. `of` is a
    /// [`PromptReference`](anyport_protocol::types::PromptReference) or a
    /// [`ResourceTemplateReference`](anyport_protocol::types::ResourceTemplateReference).
    pub fn complete(
        &self,
        of: impl Into<Reference>,
        argument: impl Into<String>,
        value: impl Into<String>,
    ) -> Call<CompleteResult> {
        let method = Method::Complete;
        let reference = serde_json::to_value(of.into()).map_err(|error| unsent(method.as_str(), &error));
        let argument = json!({"name": argument.into(), "value": value.into()});
        self.typed(method, reference.map(|reference| json!({"ref": reference, "argument": argument})))
    }

    /// Sends any request; the result is what came, byte for byte. `params` is an object, or `()`.
    pub fn request(&self, method: impl Into<String>, params: impl Serialize) -> Call<Raw> {
        let method = ByteString::from(method.into());
        let params = written(&method, &params).map(Raw::from);
        let finish = |core: Arc<Core>, request, mut options| -> Made<_> {
            Box::pin(async move { Ok(core.send(&request, &mut options).await?.result) })
        };
        Call::new(self.0.clone(), method, params, finish)
    }

    /// Listens to changes of what the server offers: say which, then [`Listen::open`] it.
    pub fn listen(&self) -> Listen {
        Listen::new(self.0.clone())
    }

    /// Forgets all answers that were kept.
    pub fn forget(&self) {
        self.0.cache.clear();
    }

    fn typed<T>(&self, method: Method, params: Result<Value, Error>) -> Call<T>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let finish = |core: Arc<Core>, request: Request, mut options| -> Made<_> {
            Box::pin(async move { decode(&request.method, &core.cached(&request, &mut options).await?.0) })
        };
        Call::new(self.0.clone(), ByteString::from_static(method.as_str()), params.map(Raw::from), finish)
    }
}

impl Core {
    async fn call_tool(self: Arc<Self>, request: Request, mut options: Options) -> Result<CallResult, Error> {
        let mut answered = self.send(&request, &mut options).await;
        // 2026-07-28, streamable-http §Client Behavior: on a mismatch "the client SHOULD call `tools/list` to check for
        // changes to the tool's `inputSchema`, then retry the original request with the appropriate headers".
        if let Err(Error::Refused { error, .. }) = &answered
            && is_header_mismatch(error)
            && !options.has_begun
            && !self.is_connecting()
        {
            self.cache.forget(&[Method::ToolsList]);
            List::<Tool>::new(self.clone()).await?;
            answered = self.send(&request, &mut options).await;
        }
        let result: CallResult = decode(&request.method, &answered?.result)?;
        let name = request.name().unwrap_or_default();
        if options.unchecked { Ok(result) } else { self.outputs.check(&name, result).await }
    }
}

/// Whether a call was refused because of its headers. The code itself is that of a service of this process: no connection
/// passes it on.
fn is_header_mismatch(error: &anyport_protocol::Error) -> bool {
    error.code == code::HEADER_MISMATCH || error.refusal == Some(ConnectionRefusal::HeaderMismatch)
}

/// What `value` is as an object; `null` is `{}`.
fn object(method: Method, value: &impl Serialize) -> Result<Value, Error> {
    written(method.as_str(), value)
}

fn written(method: &str, value: &impl Serialize) -> Result<Value, Error> {
    match serde_json::to_value(value).map_err(|error| unsent(method, &error))? {
        Value::Null => Ok(json!({})),
        object @ Value::Object(_) => Ok(object),
        other => Err(unsent(method, &format!("an object is needed, not {other:.80}"))),
    }
}

fn unsent(method: &str, fault: &impl ToString) -> Error {
    Error::Arguments { method: method.into(), fault: fault.to_string() }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.0.server)
            .field("principal", &self.0.principal)
            .finish_non_exhaustive()
    }
}
