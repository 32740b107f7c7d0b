//! The functions that conditions can call: the standard ones of CEL, and `inNetwork`.

use std::{
    any::Any,
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use cel::{
    Env, ExecutionError,
    common::{
        types::{CelBool, CelString, DYN_TYPE, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use ipnet::IpNet;
use regex::Regex;

use crate::budget;

/// The names of all functions, for the check of an expression.
pub(crate) const NAMES: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "inNetwork",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// The name under which an expression counts a step, which no source can write.
pub(crate) const STEP: &str = "@step";

/// The name under which an expression counts the elements of a loop.
pub(crate) const ELEMENTS: &str = "@elements";

/// The environment of all expressions.
pub(crate) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        // Each name is declared once, which a test shows.
        let declared = [
            env.add_overload(STEP, STEP, vec![DYN_TYPE], step),
            env.add_overload(ELEMENTS, ELEMENTS, vec![DYN_TYPE], elements),
            env.add_overload("matches", "matches", vec![STRING_TYPE, PATTERN_TYPE.to_owned()], matches),
            env.add_member_overload(
                "matches",
                "string_matches",
                STRING_TYPE,
                vec![PATTERN_TYPE.to_owned()],
                matches,
            ),
            env.add_overload("inNetwork", "inNetwork", vec![STRING_TYPE, STRING_TYPE], in_network),
        ];
        debug_assert!(declared.iter().all(Result::is_ok), "{declared:?}");
        Arc::new(env)
    });
    ENVIRONMENT.clone()
}

/// A regular expression, compiled when the expression was parsed.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(pub(crate) Regex);

static PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN_TYPE
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

fn step<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    budget::take(1)?;
    only(arguments)
}

fn elements<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let range = only(arguments)?;
    let count = range.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    budget::take(usize::try_from(count).unwrap_or_default().saturating_add(1))?;
    Ok(range)
}

fn only<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    arguments.into_iter().next().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = &*arguments else { return Err(ExecutionError::missing_argument_or_target()) };
    let (Some(text), Some(pattern)) =
        (text.downcast_ref::<CelString<'_>>(), pattern.downcast_ref::<Pattern>())
    else {
        return Err(ExecutionError::function_error("matches", "needs a string and a pattern"));
    };
    Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text.inner()))))
}

/// Whether an IP address is in a network, which is written as RFC 4632 and RFC 4291 have it: `10.0.0.0/8`, `fd00::/8`. An IPv4
/// address in IPv6 (`::ffff:10.0.0.1`) is the IPv4 address. Without an address, `""`, it is in none.
fn in_network<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [address, network] = &*arguments else { return Err(ExecutionError::missing_argument_or_target()) };
    let (Some(address), Some(network)) =
        (address.downcast_ref::<CelString<'_>>(), network.downcast_ref::<CelString<'_>>())
    else {
        return Err(ExecutionError::function_error("inNetwork", "needs two strings"));
    };
    let network: IpNet = network
        .inner()
        .parse()
        .map_err(|_| ExecutionError::function_error("inNetwork", "the second argument is no network"))?;
    let is_in = match address.inner() {
        "" => false,
        address => {
            let address: IpAddr = address.parse().map_err(|_| {
                ExecutionError::function_error("inNetwork", "the first argument is no IP address")
            })?;
            network.contains(&address.to_canonical())
        }
    };
    Ok(CowVal::owned(CelBool::from(is_in)))
}
