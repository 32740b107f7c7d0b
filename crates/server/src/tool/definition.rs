use std::{future::Future, sync::Arc, time::Duration};

use anyport_protocol::{
    Raw,
    meta::key,
    types::{self, Icon, JsonObject, MetaObject, ToolAnnotations},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{coerce::Coercion, result::IntoToolResult};
use crate::{
    Context, Fault, Question, ToolResult,
    ask::HandlerFuture,
    blocking, schema,
    scopes::{RequiredScopes, require},
    state::{StateType, needs_state},
    validation,
    visibility::{VisibilityRule, visible_to},
};

/// A tool: its definition and its function.
///
/// ```
/// use anyport_server::{Context, Tool};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add {
///     /// First summand
///     a: i64,
///     /// Second summand
///     b: i64,
/// }
///
/// let tool = Tool::new("add")
///     .description("Adds two numbers")
///     .run(async |Add { a, b }: Add, _: Context| (a + b).to_string());
/// # let _ = tool;
/// ```
#[derive(Debug)]
pub struct Tool<H = ToolHandler> {
    pub(super) definition: types::Tool,
    pub(super) input_schema: Option<Value>,
    pub(super) output_schema: Option<Value>,
    /// Whether results are checked against the output schema; the first ones, unless said.
    pub(super) check_output: Option<bool>,
    pub(super) coerce: Option<Coercion>,
    /// Why questions that the function asks cannot be asked.
    pub(super) unaskable: Vec<String>,
    /// Whether the function has a type that reads the arguments.
    pub(super) reads_null: bool,
    pub(crate) needs: Vec<StateType>,
    pub(super) timeout: Option<Duration>,
    pub(super) uncached: bool,
    pub(crate) visible: Option<VisibilityRule>,
    pub(crate) scopes: RequiredScopes,
    pub(super) handler: H,
}

/// The function behind a tool.
pub struct ToolHandler(pub(super) Box<Run>);

/// Is given the params and, borrowed from them, the arguments; the error is what is wrong with the arguments.
pub(super) type Run =
    dyn Fn(&Raw, Option<&str>, Context) -> Result<HandlerFuture<ToolResult>, Vec<Fault>> + Send + Sync;

/// The arguments of a tool without arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub struct NoArguments {}

impl Tool<()> {
    /// Begins the tool `name`; [`Tool::run`] or [`Tool::run_raw`] adds its function.
    ///
    /// 2026-07-28, server/tools §Tool Names: 1 to 128 ASCII letters, digits, `_`, `-` and `.` (we allow `/` too).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            definition: types::Tool::new(name, JsonObject::new()),
            input_schema: None,
            output_schema: None,
            check_output: None,
            coerce: None,
            unaskable: Vec::new(),
            reads_null: false,
            needs: Vec::new(),
            timeout: None,
            uncached: false,
            visible: None,
            scopes: RequiredScopes::default(),
            handler: (),
        }
    }

    /// Sets the function, which gets the arguments as an `A`. They are validated against the schema of `A` first, which
    /// refuses unknown members unless the type says otherwise.
    pub fn run<A, F, R>(mut self, function: F) -> Tool
    where
        A: DeserializeOwned + JsonSchema + 'static,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoToolResult> + Send + 'static,
    {
        self.input_schema.get_or_insert_with(schema::arguments_schema::<A>);
        self.reads_null = true;
        self.handled::<R::Output>(ToolHandler(Box::new(move |_, arguments, context| {
            let arguments = arguments.unwrap_or("{}");
            let read = serde_json::from_str(arguments);
            let arguments: A = read.map_err(|error| validation::of_type::<A>(arguments, &error))?;
            let result = function(arguments, context);
            Ok(Box::pin(async move { result.await.into_tool_result() }))
        })))
    }

    /// Sets the function, which gets the arguments as JSON, validated against [`Tool::input_schema`].
    pub fn run_raw<F, R>(self, function: F) -> Tool
    where
        F: Fn(Raw, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoToolResult> + Send + 'static,
    {
        self.handled::<R::Output>(ToolHandler(Box::new(move |params, arguments, context| {
            let arguments = arguments.map_or(Raw::EMPTY_OBJECT, |text| params.slice(text));
            let result = function(arguments, context);
            Ok(Box::pin(async move { result.await.into_tool_result() }))
        })))
    }

    /// Sets a function that blocks its thread, which gets the arguments as an `A`, validated as by [`Tool::run`]. It runs on
    /// a thread of a bounded pool ([`crate::Builder::max_blocking`]); while all are in use, calls wait. A function that
    /// another one calls ([`Context::call`]) may run in its place.
    ///
    /// A thread cannot be stopped: if the call is cancelled or times out, the function runs to its end and its result is
    /// dropped. [`Context::has_ended`] tells it that; with [`Context::block_on`] it sends progress and asks.
    pub fn run_blocking<A, F, R>(mut self, function: F) -> Tool
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: IntoToolResult,
    {
        self.input_schema.get_or_insert_with(schema::arguments_schema::<A>);
        self.reads_null = true;
        let function = Arc::new(function);
        self.handled::<R>(ToolHandler(Box::new(move |_, arguments, context| {
            let arguments = arguments.unwrap_or("{}");
            let read = serde_json::from_str(arguments);
            let arguments: A = read.map_err(|error| validation::of_type::<A>(arguments, &error))?;
            let function = function.clone();
            Ok(blocking::run(context, move |context| function(arguments, context).into_tool_result()))
        })))
    }

    fn handled<T: IntoToolResult>(self, handler: ToolHandler) -> Tool {
        let output_schema = self.output_schema.or_else(T::output_schema);
        let Self {
            definition,
            input_schema,
            check_output,
            coerce,
            unaskable,
            reads_null,
            needs,
            timeout,
            uncached,
            visible,
            scopes,
            ..
        } = self;
        Tool {
            definition,
            input_schema,
            output_schema,
            check_output,
            coerce,
            unaskable,
            reads_null,
            needs,
            timeout,
            uncached,
            visible,
            scopes,
            handler,
        }
    }
}

impl<H> Tool<H> {
    /// Sets its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// Sets its description, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.definition.description = Some(description.into());
        self
    }

    /// Sets its annotations: hints on its effects.
    #[must_use]
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.definition.annotations = Some(annotations);
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.get_or_insert_default().push(icon);
        self
    }

    /// Adds metadata; a later value of the same key takes the place of an earlier one.
    #[must_use]
    pub fn meta(mut self, meta: MetaObject) -> Self {
        self.definition.meta.get_or_insert_default().extend(meta);
        self
    }

    /// Sets its category, for registries of tools. Listed in its metadata as [`key::CATEGORY`].
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.set_meta(key::CATEGORY, category.into().into());
        self
    }

    /// Sets its own version, apart from the server's. Listed in its metadata as [`key::VERSION`].
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.set_meta(key::VERSION, version.into().into());
        self
    }

    /// Adds an example of its arguments, which its input schema must accept. Listed in its metadata as
    /// [`key::EXAMPLES`].
    ///
    /// ```
    /// use anyport_server::{Context, Tool};
    /// use serde_json::json;
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Add {
    ///     a: i64,
    ///     b: i64,
    /// }
    ///
    /// let tool = Tool::new("add")
    ///     .category("mathematics")
    ///     .version("1.0")
    ///     .example(json!({"a": 1, "b": 2}))
    ///     .requires("nothing but patience")
    ///     .run(async |Add { a, b }: Add, _: Context| (a + b).to_string());
    /// assert_eq!(tool.definition().category(), Some("mathematics"));
    /// ```
    #[must_use]
    pub fn example(mut self, arguments: Value) -> Self {
        self.add_meta(key::EXAMPLES, arguments);
        self
    }

    /// Adds a requirement, in words. Listed in its metadata as [`key::REQUIREMENTS`].
    #[must_use]
    pub fn requires(mut self, requirement: impl Into<String>) -> Self {
        self.add_meta(key::REQUIREMENTS, requirement.into().into());
        self
    }

    /// The definition that `tools/list` shows; its schemas are added when the server is built.
    pub fn definition(&self) -> &types::Tool {
        &self.definition
    }

    fn set_meta(&mut self, key: &str, value: Value) {
        self.definition.meta.get_or_insert_default().insert(key.to_owned(), value);
    }

    fn add_meta(&mut self, key: &str, value: Value) {
        let meta = self.definition.meta.get_or_insert_default();
        match meta.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(list) => list.push(value),
            // Somebody put something else there: that was the value of an earlier `meta`.
            other => *other = Value::Array(vec![value]),
        }
    }

    /// Sets the JSON Schema of its arguments, instead of that of the function's type.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = Some(schema);
        self
    }

    /// Sets the JSON Schema of its structured content, instead of that of the function's type. Results are validated
    /// against it; an invalid one ends the call with -32603. See [`Tool::validate_output`].
    ///
    /// 2026-07-28, server/tools §Output Schema: "Servers MUST provide structured results that conform to this schema."
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self.check_output.get_or_insert(true);
        self
    }

    /// Sets whether every result is validated against the output schema.
    ///
    /// Unless set, all are if the schema comes from [`Tool::output_schema`]. If it is that of the result's type, the first
    /// 16 are: the two differ only if `Serialize` writes something else than `JsonSchema` describes (for example with
    /// `serialize_with`), which the first results show. After one invalid result, all results of the tool are validated.
    ///
    /// 2026-07-28, server/tools §Output Schema: "Servers MUST provide structured results that conform to this schema."
    /// So `false` is for tools that are known to conform and cannot afford the cost: each result is parsed again.
    #[must_use]
    pub fn validate_output(mut self, all: bool) -> Self {
        self.check_output = Some(all);
        self
    }

    /// Coerces arguments of the wrong type to the type that the schema wants: text that contains a number, a boolean,
    /// `null`, an array or an object as JSON (`"5"`, `" true "`, `"[1, 2]"`), and a number or a boolean where text is
    /// wanted. `1` is not a boolean, and neither is `yes`. A valid value is left alone, so a string stays one wherever the
    /// schema allows strings. Values inside of arrays and objects are coerced likewise.
    ///
    /// The function gets the coerced arguments; headers and states are compared with what was sent. Valid arguments cost
    /// nothing extra.
    ///
    /// ```
    /// use anyport_server::{Context, Tool};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Add {
    ///     a: i64,
    ///     b: i64,
    /// }
    ///
    /// // {"a": "1", "b": 2} is 3.
    /// let tool = Tool::new("add").coerce().run(async |Add { a, b }: Add, _: Context| (a + b).to_string());
    /// # let _ = tool;
    /// ```
    #[must_use]
    pub fn coerce(mut self) -> Self {
        self.coerce = Some(Coercion::All);
        self
    }

    /// Declares a question that the function asks, such as a [`Form`](crate::Form), so that a server with a form that cannot be
    /// asked is not built. Otherwise the call that asks it fails. May be called several times.
    ///
    /// ```
    /// use anyport_server::{Context, Form, NoArguments, Server, Tool};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Trip {
    ///     /// Forms have no lists of numbers.
    ///     days: Vec<u8>,
    /// }
    ///
    /// let book = Tool::new("book").asks(Form::<Trip>::new("Where to?")).run(async |_: NoArguments, context: Context| {
    ///     context.elicit::<Trip>("trip", "Where to?").await;
    /// });
    /// let refused = Server::builder("agency", "1.0.0").add(book).build().unwrap_err();
    /// assert!(refused.to_string().contains("the field \"days\""));
    /// ```
    #[must_use]
    pub fn asks(mut self, question: impl Question) -> Self {
        self.unaskable.extend(question.params().err().map(|unfit| unfit.to_string()));
        self
    }

    /// Coerces only these arguments, as [`Tool::coerce`] does. May be called several times.
    #[must_use]
    pub fn coerce_fields(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let fields = fields.into_iter().map(Into::into);
        match &mut self.coerce {
            None => self.coerce = Some(Coercion::Fields(fields.collect())),
            Some(Coercion::Fields(known)) => known.extend(fields),
            Some(Coercion::All) => {}
        }
        self
    }

    /// Sets the timeout of its function, instead of [`crate::Builder::default_timeout`]. After that the function is dropped
    /// and the model receives an error. The time in which a client answers questions does not count: each round has the
    /// whole time. [`Duration::MAX`] is no limit.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }
}

visible_to!(Tool);
require!(Tool);
needs_state!(Tool);

impl std::fmt::Debug for ToolHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToolHandler")
    }
}
