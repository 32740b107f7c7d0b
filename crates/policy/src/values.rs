//! The facts as values of CEL. They are made when a condition looks at them, and borrow what they can.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anyport_protocol::Raw;
use anyport_service::Authorization;
use cel::{
    ExecutionError,
    common::{
        traits::{Container, Indexer, Iterable, Iterator as CelIterator, Sizer},
        types::{
            CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, DYN_TYPE,
            LIST_TYPE, Type,
        },
        value::{CowVal, Val},
    },
    context::VariableResolver,
};

use crate::{Facts, Item, check::HAS_ARGUMENT};

/// The most arguments that are kept one by one. Beyond them, all are.
const SINGLE: usize = 4;

/// An argument, by its name.
type SingleArgument = (Box<str>, Box<dyn Val>);

/// The variables of an evaluation.
pub(crate) struct Variables<'a> {
    facts: &'a Facts<'a>,
    argument_bytes_max: usize,
    principal: OnceLock<Record<'a, 6>>,
    tool: OnceLock<Record<'a, 2>>,
    prompt: OnceLock<Record<'a, 2>>,
    resource: OnceLock<Record<'a, 2>>,
    client: OnceLock<Record<'a, 2>>,
    address: OnceLock<CelString<'a>>,
    annotations: OnceLock<Box<dyn Val>>,
    arguments: OnceLock<Option<Box<dyn Val>>>,
    single_arguments: [OnceLock<SingleArgument>; SINGLE],
    unknown_arguments: AtomicBool,
    large_arguments: AtomicBool,
}

impl<'a> Variables<'a> {
    /// The variables of `facts`. Conditions do not look at more than `argument_bytes_max` bytes of arguments.
    pub(crate) fn of(facts: &'a Facts<'a>, argument_bytes_max: usize) -> Self {
        Self {
            facts,
            argument_bytes_max,
            principal: OnceLock::new(),
            tool: OnceLock::new(),
            prompt: OnceLock::new(),
            resource: OnceLock::new(),
            client: OnceLock::new(),
            address: OnceLock::new(),
            annotations: OnceLock::new(),
            arguments: OnceLock::new(),
            single_arguments: Default::default(),
            unknown_arguments: AtomicBool::new(false),
            large_arguments: AtomicBool::new(false),
        }
    }

    /// Whether a condition has looked at arguments that are not known.
    pub(crate) fn took_unknown_arguments(&self) -> bool {
        self.unknown_arguments.swap(false, Ordering::Relaxed)
    }

    /// Whether a condition has looked at arguments that are too large.
    pub(crate) fn took_large_arguments(&self) -> bool {
        self.large_arguments.swap(false, Ordering::Relaxed)
    }

    /// The arguments, if they are known and not too large.
    fn readable_arguments(&self) -> Option<&'a Raw> {
        let Some(arguments) = self.facts.arguments else {
            self.unknown_arguments.store(true, Ordering::Relaxed);
            return None;
        };
        if arguments.as_str().len() > self.argument_bytes_max {
            self.large_arguments.store(true, Ordering::Relaxed);
            return None;
        }
        Some(arguments)
    }

    /// One argument, without a map of all of them: most conditions look at one or two. `None` if it is not there: then the evaluation asks
    /// for [`Variables::arguments`] and says what is missing.
    fn argument(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let arguments = self.readable_arguments()?;
        // A qualified name, `arguments.a.b`, is asked for as a whole first: an argument that is called `a.b` is another one.
        if name.contains('.') || self.arguments.get().is_some() {
            return None;
        }
        for place in &self.single_arguments {
            match place.get() {
                Some((known, value)) if **known == *name => return Some(CowVal::Borrowed(&**value)),
                Some(_) => {}
                None => {
                    let value = of_json(arguments.member(name)?.decode().ok()?);
                    let (_, value) = place.get_or_init(|| (name.into(), value));
                    return Some(CowVal::Borrowed(&**value));
                }
            }
        }
        None
    }

    /// Whether there is an argument.
    fn has_argument(&self, name: &str) -> Option<CowVal<'_, '_>> {
        // Of what is no object, nothing is said.
        let arguments = self.readable_arguments().filter(|arguments| arguments.as_str().starts_with('{'))?;
        Some(CowVal::owned(CelBool::from(arguments.member(name).is_some())))
    }

    fn arguments(&self) -> Option<CowVal<'_, '_>> {
        let arguments = self.readable_arguments()?;
        let value = self.arguments.get_or_init(|| arguments.decode().ok().map(of_json));
        Some(CowVal::Borrowed(&**value.as_ref()?))
    }

    fn annotations(&self) -> &dyn Val {
        &**self.annotations.get_or_init(|| {
            let hints = if matches!(self.facts.item, Item::Tool { .. }) { TOOL_HINTS } else { READING_HINTS };
            let written = self.facts.definition.and_then(|definition| definition.member("annotations"));
            annotations(written.as_ref(), hints)
        })
    }

    fn principal(&self) -> &Record<'a, 6> {
        self.principal.get_or_init(|| {
            let (caller, principal) = (self.facts.caller, self.facts.caller.principal());
            let text = |text: Option<&'a str>| Field::Text(text.unwrap_or_default().into());
            Record([
                ("id", Field::Text(principal.to_string().into())),
                ("issuer", text(principal.issuer())),
                ("is_anonymous", Field::Bool(principal.is_anonymous().into())),
                ("name", text(principal.name())),
                ("permissions", Field::Permissions(Permissions::of(caller))),
                ("subject", text(principal.subject())),
            ])
        })
    }

    fn tool(&self) -> &Record<'a, 2> {
        self.tool.get_or_init(|| match self.facts.item {
            Item::Tool { name, own_name } => Record::named(name, own_name),
            _ => Record::named("", ""),
        })
    }

    fn prompt(&self) -> &Record<'a, 2> {
        self.prompt.get_or_init(|| match self.facts.item {
            Item::Prompt { name, own_name } => Record::named(name, own_name),
            _ => Record::named("", ""),
        })
    }

    fn resource(&self) -> &Record<'a, 2> {
        self.resource.get_or_init(|| {
            let (uri, own_uri) = match self.facts.item {
                Item::Resource { uri, own_uri } => (uri, own_uri),
                _ => ("", ""),
            };
            Record([("uri", Field::Text(uri.into())), ("own_uri", Field::Text(own_uri.into()))])
        })
    }

    fn client(&self) -> &Record<'a, 2> {
        self.client.get_or_init(|| {
            let text = |key| {
                let text =
                    self.facts.client.and_then(|client| client.member(key)).and_then(|text| text.as_string());
                Field::Text(text.map(|text| text.to_string()).unwrap_or_default().into())
            };
            Record([("name", text("name")), ("version", text("version"))])
        })
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let text = |text: &'b str| CowVal::owned(CelString::from(text));
        Some(match variable {
            "address" => CowVal::Borrowed(self.address.get_or_init(|| {
                self.facts
                    .address
                    .map(|address| address.to_canonical().to_string())
                    .unwrap_or_default()
                    .into()
            })),
            "annotations" => CowVal::Borrowed(self.annotations()),
            "arguments" => return self.arguments(),
            "client" => CowVal::Borrowed(self.client()),
            "method" => text(self.facts.method),
            "principal" => CowVal::Borrowed(self.principal()),
            "prompt" => CowVal::Borrowed(self.prompt()),
            "resource" => CowVal::Borrowed(self.resource()),
            "revision" => text(self.facts.revision.as_str()),
            "tool" => CowVal::Borrowed(self.tool()),
            "upstream" => text(self.facts.upstream),
            _ => {
                return match variable.strip_prefix(HAS_ARGUMENT) {
                    Some(name) => self.has_argument(name),
                    // CEL, §Name Resolution: of a qualified name, the longest prefix that is a variable counts.
                    None => self.argument(variable.strip_prefix("arguments.")?),
                };
            }
        })
    }
}

impl fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.fmt(f)
    }
}

/// A value with named members.
#[derive(Clone, Debug)]
struct Record<'a, const N: usize>([(&'static str, Field<'a>); N]);

/// A member of a record.
#[derive(Clone, Debug)]
enum Field<'a> {
    Text(CelString<'a>),
    Bool(CelBool),
    Permissions(Permissions<'a>),
}

impl<'a> Record<'a, 2> {
    fn named(name: &'a str, own_name: &'a str) -> Self {
        Self([("name", Field::Text(name.into())), ("own_name", Field::Text(own_name.into()))])
    }
}

impl<'a> Field<'a> {
    fn value<'b, 'v>(&'b self) -> &'b (dyn Val + 'v)
    where
        'a: 'v,
    {
        match self {
            Self::Text(text) => text,
            Self::Bool(is) => is,
            Self::Permissions(permissions) => permissions,
        }
    }
}

impl<const N: usize> Val for Record<'_, N> {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }

    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl<const N: usize> Indexer for Record<'_, N> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = key.downcast_ref::<CelString<'_>>().map(CelString::inner).unwrap_or_default();
        let found = self.0.iter().find(|(name, _)| *name == key);
        found
            .map(|(_, field)| CowVal::Borrowed(field.value()))
            .ok_or_else(|| ExecutionError::no_such_key(key))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(self.get(key)?.into_owned())
    }
}

/// The scopes of a caller, as [`Authorization::allows`] has them: a caller without limits has every scope.
#[derive(Clone, Debug)]
struct Permissions<'a> {
    caller: &'a Authorization,
    /// Those that were granted by name, once they are gone through: most conditions ask for one alone.
    named: OnceLock<Vec<CelString<'a>>>,
}

impl<'a> Permissions<'a> {
    fn of(caller: &'a Authorization) -> Self {
        Self { caller, named: OnceLock::new() }
    }

    fn named(&self) -> &[CelString<'a>] {
        self.named.get_or_init(|| self.caller.scopes().into_iter().flatten().map(CelString::from).collect())
    }
}

impl Val for Permissions<'_> {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Container for Permissions<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(value.downcast_ref::<CelString<'_>>().is_some_and(|scope| self.caller.allows(scope.inner())))
    }
}

/// Over the scopes that were named: of a caller without limits, there are none.
impl Iterable for Permissions<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn CelIterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Scopes(self.named().iter()))
    }
}

impl Sizer for Permissions<'_> {
    fn size(&self) -> CelInt {
        i64::try_from(self.named().len()).unwrap_or(i64::MAX).into()
    }
}

struct Scopes<'b, 'a>(std::slice::Iter<'b, CelString<'a>>);

impl<'b, 'v, 'a: 'v> CelIterator<'b, 'v> for Scopes<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|scope| scope as &(dyn Val + 'v))
    }
}

/// The hints of a tool that does not give them: 2026-07-28, schema §ToolAnnotations: `readOnlyHint` "Default: false",
/// `destructiveHint` "Default: true", `idempotentHint` "Default: false", `openWorldHint` "Default: true".
const TOOL_HINTS: [(&str, bool); 4] =
    [("readOnlyHint", false), ("destructiveHint", true), ("idempotentHint", false), ("openWorldHint", true)];

/// Those of prompts and resources, which are only read, so that a rule about tools that change something does not hold for them.
const READING_HINTS: [(&str, bool); 4] =
    [("readOnlyHint", true), ("destructiveHint", false), ("idempotentHint", true), ("openWorldHint", false)];

/// The annotations of an item, with the hints that it does not give.
fn annotations(written: Option<&Raw>, hints: [(&str, bool); 4]) -> Box<dyn Val> {
    let written = written.and_then(|raw| raw.decode::<serde_json::Map<String, serde_json::Value>>().ok());
    let mut all = written.unwrap_or_default();
    for (hint, default) in hints {
        all.entry(hint).or_insert(default.into());
    }
    of_json(all.into())
}

/// A JSON value. Whole numbers are `int` where they fit, as literals in conditions are.
fn of_json(value: serde_json::Value) -> Box<dyn Val> {
    use serde_json::Value;
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(is) => Box::new(CelBool::from(is)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text)),
        Value::Array(items) => Box::new(CelList::from(items.into_iter().map(of_json).collect::<Vec<_>>())),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| (CelMapKey::from(key), of_json(value)));
            Box::new(CelMap::from(members.collect::<std::collections::HashMap<_, _>>()))
        }
    }
}
