use std::{future::Future, pin::Pin, sync::Arc};

use anyport_protocol::{
    Error as RpcError, Method, Raw,
    jsonrpc::code,
    meta::LogLevel,
    types::{
        ClientCapabilities, CreateMessageRequestParams, CreateMessageResult, DiscoverResult, ElicitAction,
        ElicitRequestUrlParams, ElicitResult, ElicitationCapability, JsonObject, ListRootsResult,
        LoggingMessageNotificationParams, Root, SamplingCapability,
    },
};
use anyport_service::Answer;
use serde::Serialize;

use super::{
    definition::{Handler, Refused},
    form::{ElicitAnswer, Form, Page},
};

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A function from `A` to a future of `T`, whatever it is made of.
type Function<A, T> = Arc<dyn Fn(A) -> Running<T> + Send + Sync>;

/// The functions that answer questions; what is there is what the client declares.
#[derive(Clone, Default)]
pub(crate) struct Functions {
    pub(crate) elicit: Option<Function<Form, ElicitAnswer>>,
    pub(crate) visit: Option<Function<Page, ElicitAction>>,
    pub(crate) sample: Option<Function<CreateMessageRequestParams, Result<CreateMessageResult, Refused>>>,
    pub(crate) sample_tools: bool,
    pub(crate) roots: Option<Function<(), Result<Vec<Root>, Refused>>>,
    pub(crate) log: Option<(LogLevel, Log)>,
}

pub(crate) type Log = Arc<dyn Fn(LoggingMessageNotificationParams) + Send + Sync>;

/// Hides what `function` and its future are.
pub(crate) fn erased<A, T, F, R>(function: F) -> Function<A, T>
where
    F: Fn(A) -> R + Send + Sync + 'static,
    R: Future<Output = T> + Send + 'static,
{
    Arc::new(move |argument| Box::pin(function(argument)))
}

impl Functions {
    /// Takes the functions that `handler` has.
    pub(crate) fn take(&mut self, handler: impl Handler) {
        let (answers, handler) = (handler.answers(), Arc::new(handler));
        // Each function keeps the handler, and its future too.
        macro_rules! method {
            ($name:ident($($argument:ident)?)) => {{
                let handler = handler.clone();
                let function: Function<_, _> = Arc::new(move |_argument| {
                    let handler = handler.clone();
                    Box::pin(async move { handler.$name($({ let $argument = _argument; $argument })?).await })
                });
                function
            }};
        }
        if answers.elicit {
            self.elicit = Some(method!(elicit(form)));
        }
        if answers.visit {
            self.visit = Some(method!(visit(page)));
        }
        if answers.sample {
            self.sample = Some(method!(sample(question)));
            self.sample_tools = answers.sample_tools;
        }
        if answers.roots {
            self.roots = Some(method!(roots()));
        }
        if let Some(level) = answers.log {
            self.log = Some((level, Arc::new(move |message| handler.log(message))));
        }
    }

    /// The client's capabilities.
    pub(crate) fn capabilities(&self) -> ClientCapabilities {
        let there = |is: bool| is.then(JsonObject::new);
        let elicitation = ElicitationCapability {
            form: there(self.elicit.is_some()),
            url: there(self.visit.is_some()),
            ..Default::default()
        };
        let sampling = SamplingCapability { tools: there(self.sample_tools), ..Default::default() };
        ClientCapabilities {
            elicitation: (self.elicit.is_some() || self.visit.is_some()).then_some(elicitation),
            sampling: self.sample.is_some().then_some(sampling),
            roots: there(self.roots.is_some()),
            ..Default::default()
        }
    }

    /// Answers one question of `server`. What no function is there for is refused, though no server may ask it.
    ///
    /// # Errors
    /// What is wrong with the answer that one of the functions gave.
    pub(crate) async fn answer(&self, server: &str, method: Method, params: &Raw) -> Result<Answer, String> {
        let answer = match method {
            Method::Elicit if is_url(params) => self.visit(server, params).await,
            Method::Elicit => return self.form(server, params).await,
            Method::CreateMessage => self.sample(params).await,
            Method::ListRoots => match &self.roots {
                Some(roots) => {
                    let roots = roots(()).await.map_err(refused);
                    roots.and_then(|roots| written(&ListRootsResult { roots, ..Default::default() }))
                }
                None => Err(undeclared(method)),
            },
            _ => Err(undeclared(method)),
        };
        Ok(answer)
    }

    async fn form(&self, server: &str, params: &Raw) -> Result<Answer, String> {
        let Some(elicit) = &self.elicit else { return Ok(Err(undeclared(Method::Elicit))) };
        let form = match Form::read(server, params) {
            Ok(form) => form,
            Err(error) => return Ok(Err(unreadable(Method::Elicit, &error))),
        };
        let answer = elicit(form.clone()).await;
        form.answered(answer).map(|result| written(&result))
    }

    async fn visit(&self, server: &str, params: &Raw) -> Answer {
        let visit = self.visit.as_ref().ok_or_else(|| undeclared(Method::Elicit))?;
        let asked: ElicitRequestUrlParams =
            params.decode().map_err(|error| unreadable(Method::Elicit, &error))?;
        let page = Page { server: server.into(), message: asked.message, url: asked.url };
        written(&ElicitResult::of(visit(page).await))
    }

    async fn sample(&self, params: &Raw) -> Answer {
        let sample = self.sample.as_ref().ok_or_else(|| undeclared(Method::CreateMessage))?;
        let question: CreateMessageRequestParams =
            params.decode().map_err(|error| unreadable(Method::CreateMessage, &error))?;
        if !self.sample_tools && (question.tools.is_some() || question.tool_choice.is_some()) {
            // 2025-11-25, schema CreateMessageRequestParams.tools: "The client MUST return an error if this field is provided but
            // ClientCapabilities.sampling.tools is not declared."
            return Err(RpcError::invalid_params("sampling.tools is not declared"));
        }
        written(&sample(question).await.map_err(refused)?)
    }
}

/// Whether a question is to visit a page.
pub(crate) fn is_url(params: &Raw) -> bool {
    params.member("mode").is_some_and(|mode| mode.as_str() == "\"url\"")
}

fn written(answer: &impl Serialize) -> Answer {
    Raw::of(answer).map_err(|error| RpcError::internal(format!("the answer is no JSON: {error}")))
}

/// 2025-11-25, sampling §Error Handling: "User rejected sampling request: `-1`".
fn refused(refused: Refused) -> RpcError {
    RpcError::new(-1, refused.to_string())
}

fn undeclared(method: Method) -> RpcError {
    RpcError::new(code::METHOD_NOT_FOUND, format!("{} is not declared by this client", method.as_str()))
}

fn unreadable(method: Method, error: &serde_json::Error) -> RpcError {
    RpcError::invalid_params(format!("the params of {} cannot be read: {error}", method.as_str()))
}

/// What a server calls itself; nothing if it does not.
pub(crate) fn server_name(discovered: &DiscoverResult) -> String {
    let info = discovered.meta.as_ref().and_then(|meta| meta.server_info.as_ref());
    info.map_or_else(String::new, |info| info.title.clone().unwrap_or_else(|| info.name.clone()))
}
