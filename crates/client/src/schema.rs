//! Schemas of servers: compiled offline, with faults as one line of text. However a server writes them, a check is bounded.

mod pattern;
mod work;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{schema::check_references, types::Tool};
use anyport_service::sync::Lock;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use self::work::{Extent, MAX_CHECK_STEPS, References, TooMuchWork};
use crate::{CallResult, Error};

/// The output schemas of the listed tools, by the name of the tool.
#[derive(Default)]
pub(crate) struct OutputSchemas(Lock<HashMap<String, Arc<OutputSchema>>>);

struct OutputSchema {
    schema: Arc<Schema>,
    /// Whether a warning has said that it checks nothing.
    is_reported: AtomicBool,
}

/// The most output schemas that are remembered: a server chooses how many tools there are.
const MAX_SCHEMAS: usize = 100_000;

impl OutputSchemas {
    /// Remembers the schema of a listed tool. One that has not changed stays compiled.
    pub(crate) fn learn(&self, tool: &Tool) {
        let mut schemas = self.0.lock();
        let Some(schema) = tool.output_schema.clone().map(Value::Object) else {
            schemas.remove(&tool.name);
            return;
        };
        let known = schemas.get(&tool.name);
        let is_new = known.is_none_or(|known| known.schema.source != schema);
        if is_new && (known.is_some() || schemas.len() < MAX_SCHEMAS) {
            let schema =
                OutputSchema { schema: Arc::new(Schema::new(schema)), is_reported: AtomicBool::new(false) };
            schemas.insert(tool.name.clone(), Arc::new(schema));
        }
    }

    /// Checks the result of the tool `name`. A schema that cannot be used checks nothing.
    ///
    /// 2026-07-28, tools §Output Schema: "Servers MUST provide structured results that conform to this schema", "Clients
    /// SHOULD validate structured results against this schema".
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) async fn check(&self, name: &str, result: CallResult) -> Result<CallResult, Error> {
        let known = self.0.lock().get(name).filter(|_| !result.is_error()).cloned();
        let Some(known) = known else { return Ok(result) };
        let verdict = match result.structured_content() {
            Some(content) => known.schema.check(content).await,
            None => Verdict::Misfit("there is no structured content".into()),
        };
        match verdict {
            Verdict::Fits => Ok(result),
            Verdict::Misfit(fault) => {
                Err(Error::Output { tool: name.into(), fault, result: Box::new(result) })
            }
            Verdict::Unusable(fault) | Verdict::TooSlow(fault) => {
                if !known.is_reported.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        tool = name,
                        fault,
                        "results are not checked: the output schema cannot be used"
                    );
                }
                Ok(result)
            }
        }
    }
}

/// Why the arguments of a tool were not found to fit its `inputSchema`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// They do not fit: each fault with its place, in words.
    #[error("the arguments do not fit the tool's schema: {0}")]
    Misfit(String),
    /// Checking takes longer than a client waits for it. They may fit.
    #[error("checking the arguments by the tool's schema takes too long: {0}")]
    Unchecked(String),
}

/// Checks `arguments` of a tool against its `inputSchema`, as a server does: types, limits, patterns and what must be given.
///
/// Arguments are not checked by a schema that is invalid or refers to another document: the server checks them. A check that
/// may take long runs on a thread for blocking work, for 2 s at most. Must be called within a Tokio runtime.
///
/// # Errors
/// [`ArgumentsError`].
pub async fn check_arguments(
    schema: &Map<String, Value>,
    arguments: &Map<String, Value>,
) -> Result<(), ArgumentsError> {
    let schema = Arc::new(Schema::new(Value::Object(schema.clone())));
    match schema.check(&Value::Object(arguments.clone())).await {
        Verdict::Fits | Verdict::Unusable(_) => Ok(()),
        Verdict::Misfit(fault) => Err(ArgumentsError::Misfit(fault)),
        Verdict::TooSlow(why) => Err(ArgumentsError::Unchecked(why)),
    }
}

/// How long a check is waited for.
const LONGEST_CHECK: Duration = Duration::from_secs(2);
/// The checks of the process that run at once on threads for blocking work. Those that are not waited for any more go on
/// there until they end.
static CHECKS: Semaphore = Semaphore::const_new(4);
/// A check of more steps, or by a schema of more subschemas, runs on a thread for blocking work.
const SHORT_CHECK: usize = 2_000;
/// The largest compiled regular expression of a `pattern`, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The bytes of all compiled regular expressions of a schema; a small one is always allowed.
const MAX_PATTERNS_BYTES: usize = 8 << 20;
/// The bytes that a compiled regular expression may have, however many others there are.
const SMALL_PATTERN_BYTES: usize = 16 << 10;
/// The largest number of reported faults.
const MAX_FAULTS: usize = 4;
/// How long each of them may be.
const MAX_FAULT: usize = 240;

/// A schema of a server, which is compiled when it is first used: most tools that are listed are not called.
struct Schema {
    source: Value,
    extent: OnceLock<Result<Extent, TooMuchWork>>,
    validator: OnceLock<Result<Validator, String>>,
    /// Whether a check took too long. No other one is begun.
    is_slow: AtomicBool,
}

/// What a check came to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fits,
    /// The value does not fit, because of these faults.
    Misfit(String),
    /// The schema is invalid.
    Unusable(String),
    /// The check takes too much work.
    TooSlow(String),
}

impl From<TooMuchWork> for Verdict {
    fn from(work: TooMuchWork) -> Self {
        Self::TooSlow(work.to_string())
    }
}

impl Schema {
    fn new(source: Value) -> Self {
        let (extent, validator) = (OnceLock::new(), OnceLock::new());
        Self { source, extent, validator, is_slow: AtomicBool::new(false) }
    }

    /// Checks `value`, for a short time at most on the thread of the caller.
    async fn check(self: &Arc<Self>, value: &Value) -> Verdict {
        let is_short = match self.extent() {
            Ok(extent) => {
                let is_small =
                    extent.patterns == 0 && extent.subschemas.max(extent.applied) <= SHORT_CHECK / 10;
                is_small && self.steps(value, SHORT_CHECK).is_ok()
            }
            Err(work) => return work.into(),
        };
        if is_short {
            return self.check_now(value, true);
        }
        let too_slow = || Verdict::TooSlow(format!("more than {} s", LONGEST_CHECK.as_secs()));
        if self.is_slow.load(Ordering::Relaxed) {
            return too_slow();
        }
        let (schema, value) = (self.clone(), value.clone());
        let checked = async {
            // It is never closed.
            let permit = CHECKS.acquire().await;
            let check = spawn_blocking(move || {
                let _permit = permit;
                schema.check_now(&value, false)
            });
            match timeout(LONGEST_CHECK, check).await {
                Ok(verdict) => verdict.unwrap_or_else(|panicked| Verdict::Unusable(panicked.to_string())),
                Err(_) => {
                    self.is_slow.store(true, Ordering::Relaxed);
                    too_slow()
                }
            }
        };
        timeout(LONGEST_CHECK * 2, checked).await.unwrap_or_else(|_| too_slow())
    }

    /// Checks `value` on this thread; `is_counted`: the steps that it takes are known to be few.
    fn check_now(&self, value: &Value, is_counted: bool) -> Verdict {
        let validator = match self.validator.get_or_init(|| compile(&self.source, false)) {
            Ok(validator) => validator,
            Err(fault) => return Verdict::Unusable(fault.clone()),
        };
        let counted = if is_counted { Ok(()) } else { self.steps(value, MAX_CHECK_STEPS) };
        match counted {
            Ok(()) => fault(validator, value).map_or(Verdict::Fits, Verdict::Misfit),
            Err(work) => work.into(),
        }
    }

    fn extent(&self) -> Result<Extent, TooMuchWork> {
        *self.extent.get_or_init(|| References::of(&self.source)?.extent())
    }

    fn steps(&self, value: &Value, most: usize) -> Result<(), TooMuchWork> {
        References::of(&self.source)?.steps(value, most)
    }
}

/// Checks `value` by `schema` on this thread, `format` included. The work is bounded as that of every check.
///
/// # Errors
/// What is wrong with the value, or why the schema is not used.
pub(crate) fn check_form(schema: &Value, value: &Value) -> Result<(), String> {
    let unchecked = |fault: String| format!("the form itself cannot be checked: {fault}");
    let validator = compile(schema, true).map_err(unchecked)?;
    let steps = References::of(schema).and_then(|references| references.steps(value, MAX_CHECK_STEPS));
    steps.map_err(|work| unchecked(work.to_string()))?;
    fault(&validator, value).map_or(Ok(()), Err)
}

/// Compiles `schema` in its dialect; `format` is checked if `formats`.
///
/// 2026-07-28, basic §JSON Schema Usage: implementations "MUST NOT automatically dereference `$ref` values that resolve
/// to a network URI" and "SHOULD apply reasonable bounds".
///
/// # Errors
/// Why it cannot be.
fn compile(schema: &Value, formats: bool) -> Result<Validator, String> {
    check_references(schema).map_err(|error| error.to_string())?;
    let extent = References::of(schema).and_then(|references| references.extent());
    let patterns = extent.map_err(|work| work.to_string())?.patterns;
    // The `regex` engine runs in linear time, whatever the pattern and the text.
    let bytes = (MAX_PATTERNS_BYTES / patterns.max(1)).clamp(SMALL_PATTERN_BYTES, MAX_PATTERN_BYTES);
    let patterns = PatternOptions::regex().size_limit(bytes).dfa_size_limit(bytes);
    let options = jsonschema::options().offline().with_pattern_options(patterns);
    options.should_validate_formats(formats).build(schema).map_err(|error| cut(&error.to_string()))
}

/// Returns the faults of `value`, or `None` if it fits.
fn fault(validator: &Validator, value: &Value) -> Option<String> {
    // Finding that there are none takes a small part of the time.
    if validator.is_valid(value) {
        return None;
    }
    let faults = validator.iter_errors(value).take(MAX_FAULTS).map(|error| {
        let place = error.instance_path().to_string();
        let place = place.trim_start_matches('/').replace('/', ".");
        match place.is_empty() {
            true => cut(&error.to_string()),
            false => format!("{place}: {}", cut(&error.to_string())),
        }
    });
    let faults: Vec<String> = faults.collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// `text`, cut where it becomes too long: the value that it repeats may be of any size.
fn cut(text: &str) -> String {
    if text.len() <= MAX_FAULT {
        return text.into();
    }
    // What was expected stands at the end.
    let (start, end) =
        (text.floor_char_boundary(MAX_FAULT / 2), text.ceil_char_boundary(text.len() - MAX_FAULT / 2));
    format!("{} … {}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests;
