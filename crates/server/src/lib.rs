//! Build an MCP server from functions.
//!
//! ```
//! use anyport_server::{Context, Json, Resource, Server, Tool};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Add {
//!     a: i64,
//!     b: i64,
//! }
//!
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! struct Sum {
//!     value: i64,
//! }
//!
//! let server = Server::builder("calculator", "1.0.0")
//!     .tool(
//!         Tool::new("add")
//!             .description("Adds two numbers")
//!             .run(async |Add { a, b }: Add, _: Context| Json(Sum { value: a + b })),
//!     )
//!     .resource(Resource::new("calculator:///pi").read(async |_: Context| "3.14159"))
//!     .build()?;
//! # let _ = server;
//! # Ok::<(), anyport_server::BuildError>(())
//! ```
//!
//! A plain function becomes a tool, a resource or a prompt under [`macro@tool`], [`macro@resource`] or [`macro@prompt`], which
//! write these calls of the builder:
//!
//! ```
//! # #[derive(serde::Serialize, schemars::JsonSchema)]
//! # struct Sum { value: i64 }
//! use anyport_server::{Server, tool};
//!
//! /// Adds two numbers
//! #[tool]
//! async fn add(a: i64, b: i64) -> Sum { Sum { value: a + b } }
//!
//! let server = Server::builder("calculator", "1.0.0").add(add).build()?;
//! # let _ = server;
//! # Ok::<(), anyport_server::BuildError>(())
//! ```
//!
//! The methods of a type that is the server's state become tools under [`macro@tools`] on its `impl`.
//!
//! A [`Server`] is a [`Service`](anyport_service::Service) that speaks the newest revision only; transports translate
//! for clients of older ones.
//!
//! # Server requests
//! A handler asks the client with [`Context::elicit`], [`Context::elicit_url`], [`Context::sample`],
//! [`Context::list_roots`] or, for any [`Question`], [`Context::ask`], as if the answer arrived at once. In fact the round
//! ends with `input_required`, the client calls again with its answers, and the handler runs again from its top. So:
//! - code before an unanswered `ask` runs once per round; what has effects goes into [`Context::once`];
//! - the keys of `ask` and `once` are the handler's own, and stay the same from round to round.
//!
//! # Lifecycle
//! A program calls [`Server::start`] before it serves and [`Server::stop`] afterwards; they run the hooks of
//! [`Builder::on_start`] and [`Builder::on_stop`] once. A call lives as long as its reply: dropping that cancels the call.
//! Work that must outlive it goes to [`Context::spawn_background`], a function that blocks its thread to
//! [`Tool::run_blocking`]; [`Tool::timeout`] limits its time. Tools call each other with [`Context::call`].
//!
//! # Layout
//! - [`Server`], [`Builder`]: a server, and how it is built.
//! - [`Tool`], [`Resource`], [`Template`], [`Prompt`]: what a server offers; each is a [`Part`].
//! - [`Change`], [`Mount`]: changes while it runs, and servers in servers.
//! - [`Context`]: the context of a call; [`State`]: values that handlers share.
//! - [`Form`], [`Confirmation`], [`Question`]: server requests.
//! - [`NotFound`], [`InvalidParams`], [`ToolError`] ...: errors with a kind ([`ErrorKind`]).
//! - [`Events`]: change notifications.
//!
//! The modules are floors, each of which knows only those below: serving (`builder`, `server`, `dispatch`, `core`), the
//! `registry`, definitions (`tool`, `resource`, `prompt`), the `context` of a call, what stands around it (`ask`, `events`,
//! `blocking`, `background`), and text (`params`, `write`, `schema`, `error`). No file is in a circle of files.
//!
//! # Limits
//! Schemas: [`MAX_SCHEMA_DEPTH`], [`MAX_SUBSCHEMAS`], [`MAX_PATTERN_BYTES`]; patterns run in linear time and have no
//! look-around. States: [`DEFAULT_STATE_TTL`], [`DEFAULT_STATE_BYTES`]. Lists: [`DEFAULT_PAGE_SIZE`]. Listen streams:
//! [`DEFAULT_MAX_LISTENERS`], [`DEFAULT_MAX_SUBSCRIPTIONS`], [`DEFAULT_MAX_SUBSCRIPTION_BYTES`]. Functions:
//! [`DEFAULT_MAX_BLOCKING`], [`DEFAULT_MAX_BLOCKING_WAITING`], [`DEFAULT_MAX_BACKGROUND`], [`DEFAULT_MAX_CALL_DEPTH`]. What
//! limits refuse is counted in [`Server::metrics`]. Completion: [`MAX_COMPLETIONS`]. The size of arguments is
//! bounded by the transport's [`anyport_protocol::Limits`].

// The macros write `::anyport_server`, here too.
#[allow(unused_extern_crates, reason = "only what macros write uses it")]
extern crate self as anyport_server;

mod builder;
mod server;
mod start_stop;
mod subcall;

mod dispatch;

mod core;
mod lifecycle;
mod mount;

mod registry;

mod part;
mod prompt;
mod resource;
mod tool;

mod completer;
mod context;

mod ask;
mod background;
mod blocking;
mod call_env;
mod events;

mod completion;
mod mount_context;
mod state;
mod visibility;

pub mod error;
mod failure;
mod list;
mod meta;
mod middleware;
mod params;
mod rename;
mod schema;
mod scopes;
mod validation;
mod values;
mod write;

#[doc(hidden)]
pub mod macros;

#[doc(hidden)]
pub use resource::fuzzing;

pub use anyport_macros::{prompt, resource, tool, tools};
pub use anyport_service::{Authorization, Principal};
pub use ask::{
    Clock, Confirmation, DEFAULT_STATE_BYTES, DEFAULT_STATE_TTL, Elicited, Form, Question, QuestionError,
    QuestionKey,
};
pub use background::{BackgroundError, DEFAULT_MAX_BACKGROUND};
pub use blocking::{BlockOnError, DEFAULT_MAX_BLOCKING, DEFAULT_MAX_BLOCKING_WAITING};
pub use builder::{Builder, DEFAULT_LIST_TTL};
pub use call_env::DEFAULT_MAX_CALL_DEPTH;
pub use completer::CompletionInput;
pub use completion::{Completion, CompletionRequest, IntoCompletion, MAX_COMPLETIONS};
pub use context::{Context, ProgressValue};
pub use error::{
    BuildError, ContextError, ErrorKind, Fault, InternalError, InvalidParams, NotFound, PermissionDenied,
    RateLimited, StateError, ToolError,
};
pub use events::{DEFAULT_MAX_LISTENERS, DEFAULT_MAX_SUBSCRIPTION_BYTES, DEFAULT_MAX_SUBSCRIPTIONS, Events};
pub use failure::Failure;
pub use lifecycle::{DEFAULT_DRAIN, StartError};
pub use list::{DEFAULT_PAGE_SIZE, List};
pub use middleware::{IntoOutcome, MiddlewareRequest};
pub use mount::Mount;
pub use part::Part;
pub use prompt::{Argument, IntoMessages, Messages, Prompt, PromptHandler};
pub use registry::Change;
pub use resource::{
    Contents, IntoContents, IntoResourcePage, IntoResources, PageQuery, Resource, ResourceHandler,
    ResourcePage, Template, TemplateHandler,
};
pub use schema::{MAX_PATTERN_BYTES, MAX_SCHEMA_DEPTH, MAX_SUBSCHEMAS, arguments_schema};
pub use server::Server;
pub use state::State;
pub use subcall::CallError;
pub use tool::{IntoToolResult, Json, NoArguments, Tool, ToolHandler, ToolResult};
pub use values::Values;

/// The examples of the macros' documentation, which need this crate: theirs cannot depend on it.
#[cfg(doctest)]
mod examples_of_macros {
    #[doc = include_str!("../../macros/docs/prompt.md")]
    struct Prompt;
    #[doc = include_str!("../../macros/docs/resource.md")]
    struct Resource;
    #[doc = include_str!("../../macros/docs/tool.md")]
    struct Tool;
    #[doc = include_str!("../../macros/docs/tools.md")]
    struct Tools;
}
