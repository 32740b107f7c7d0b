//! Tools that handlers call.

use std::{future::Future, sync::Arc};

use anyport_protocol::{Error, Raw};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Context, Fault, ToolResult,
    ask::{HandlerFuture, Once},
    background,
    context::SubcallPosition,
    core::Served,
    dispatch::argument_words,
    registry::{Item, Target},
    tool::{Entry, Timeout},
};

/// Why a tool that a handler called has no result.
///
/// A tool that fails in words for the model has one: see [`ToolResult::is_error`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such tool, or the caller may not see it.
    #[error("{0}")]
    Unknown(String),
    /// The arguments are not what the tool takes.
    #[error("{words}")]
    Arguments {
        /// In words for the model.
        words: String,
        /// Field by field.
        faults: Vec<Fault>,
    },
    /// Tools call each other without end.
    #[error("{name}: calls of tools by tools are {depth} deep (max_call_depth)")]
    TooDeep {
        /// The tool that was not called any more.
        name: String,
        /// The limit.
        depth: usize,
    },
    /// The tool ended its call with a protocol error.
    #[error("{name}: {}", .error.message)]
    Failed {
        /// The tool.
        name: String,
        /// How it ended.
        error: Error,
    },
    /// [`Context::call_as`]: the tool failed, in these words.
    #[error("{name}: {text}")]
    Tool {
        /// The tool.
        name: String,
        /// Its text.
        text: String,
    },
    /// [`Context::call_as`]: the structured content does not have the requested type.
    #[error("{name}: {fault}")]
    Content {
        /// The tool.
        name: String,
        /// The fault.
        fault: String,
    },
}

impl Context {
    /// Calls another tool of this server, for the same caller and as a part of this call. `arguments` are an object; they
    /// are validated as those of any call.
    ///
    /// - Its progress and log messages are those of this call.
    /// - Its server requests are those of this call. Its keys of `ask` and `once` stand on the wire with `name/` before them, and
    ///   with `name#2/` when it is called for the second time. So call tools in the same order in each round.
    /// - Its timeout and the pool of blocking functions hold. Middleware sees this call only.
    /// - A tool of a server that is mounted in this one is called by its name here; that server's state and limits hold.
    /// - Dropping the future cancels it.
    ///
    /// ```
    /// # use anyport_server::{CallError, Context, NoArguments, Tool};
    /// async fn twice(_: NoArguments, context: Context) -> Result<String, CallError> {
    ///     let roll = serde_json::json!({"sides": 6});
    ///     let (one, two) = tokio::try_join!(context.call("roll", &roll), context.call("roll", &roll))?;
    ///     Ok(format!("{} and {}", one.words(), two.words()))
    /// }
    /// # let _ = Tool::new("twice").run(twice);
    /// ```
    ///
    /// # Errors
    /// Where there is no result: [`CallError`]. A tool's failure in words for the model is a result.
    pub fn call<A>(
        &self,
        name: &str,
        arguments: &A,
    ) -> impl Future<Output = Result<ToolResult, CallError>> + Send + use<A>
    where
        A: Serialize + ?Sized,
    {
        let (caller, name) = (self.clone(), name.to_owned());
        let arguments = Raw::of(arguments).map_err(|error| CallError::Arguments {
            words: format!("the arguments for {name} are no JSON: {error}"),
            faults: Vec::new(),
        });
        // Now, not when it is first polled: the order in which calls stand in the code is that of every round.
        let nested = SubcallPosition::within(self, &name);
        async move { run(&caller, name, arguments?, nested).await }
    }

    /// Calls another tool as [`Context::call`] does, and reads its structured content.
    ///
    /// # Errors
    /// Also when the tool failed in words for the model, or its structured content is no `T`.
    pub fn call_as<T, A>(
        &self,
        name: &str,
        arguments: &A,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<T, A>
    where
        T: DeserializeOwned,
        A: Serialize + ?Sized,
    {
        let (called, name) = (self.call(name, arguments), name.to_owned());
        async move {
            let result = called.await?;
            if result.is_error() {
                return Err(CallError::Tool { name, text: result.words() });
            }
            let read = result.output().map(Raw::decode);
            match read {
                Some(Ok(content)) => Ok(content),
                Some(Err(fault)) => Err(CallError::Content { name, fault: format!("{fault:.240}") }),
                None => Err(CallError::Content { name, fault: "there is no structured content".to_owned() }),
            }
        }
    }
}

async fn run(
    caller: &Context,
    name: String,
    arguments: Raw,
    mut nested: SubcallPosition,
) -> Result<ToolResult, CallError> {
    // Now: where the call was made says nothing of what waits for it.
    nested.awaiter.once |= Once::is_polling();
    nested.awaiter.background |= background::is_polling();
    let resources = &caller.env().resources;
    if nested.depth > resources.max_call_depth {
        resources.refused.max_call_depth.increment();
        return Err(CallError::TooDeep { name, depth: resources.max_call_depth });
    }
    let called = begin(caller, &name, arguments, nested)?;
    let _over = Over(called.context);
    let result = called.handling.await;
    called.item.entry().conform(result).map_err(|error| CallError::Failed { name, error })
}

/// Ends a nested call however its future ends: tasks that its handler left behind send nothing any more.
struct Over(Context);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A call that a handler made.
struct StartedSubcall {
    /// The tool; it may be removed before the call ends.
    item: Arc<Item<Entry>>,
    context: Context,
    handling: HandlerFuture<ToolResult>,
}

/// Begins the call of `name` with `arguments` that `caller` makes: like any other, but for what only a client brings,
/// headers and states.
fn begin(
    caller: &Context,
    name: &str,
    arguments: Raw,
    place: SubcallPosition,
) -> Result<StartedSubcall, CallError> {
    let mut server = Served::of(caller);
    let tools = server.core.registry.load().tools.clone();
    let mut item = tools.find(name, caller.principal()).cloned().ok_or_else(|| {
        let hint = tools.hint(name, caller.principal());
        CallError::Unknown(format!("unknown tool: {name:.128}{hint}"))
    })?;
    // Where it is mounted, it runs as a tool of the server that it belongs to.
    while let Target::Mounted(place, inner) = &item.target {
        let view = server.view(*place);
        server = view.ok_or_else(|| CallError::Unknown(format!("unknown tool: {name:.128}")))?;
        item = inner.clone();
    }
    let entry = item.entry();
    let allowed = entry.scopes.check(caller.service().authorization());
    allowed.map_err(|error| CallError::Failed { name: name.to_owned(), error })?;
    let invalid = |faults: Vec<Fault>| CallError::Arguments { words: argument_words(name, &faults), faults };
    if !arguments.is_object() {
        return Err(invalid(vec![Fault::new("", "an object")]));
    }
    let coerced = entry.check(&arguments, Some(arguments.as_str())).map_err(invalid)?;
    let arguments = coerced.unwrap_or(arguments);
    let (timeout, service) = Timeout::begin(entry.timeout, &server.env.resources, caller.service().clone());
    let context = Context::nest(server.handle(), service, arguments.clone(), place);
    let handling = entry.begin(&arguments, Some(arguments.as_str()), context.clone());
    let handling = handling.map_err(invalid)?;
    let handling = Timeout::bound(timeout, handling, &server.env.resources);
    Ok(StartedSubcall { item, context, handling })
}
