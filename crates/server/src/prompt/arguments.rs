//! Arguments of a prompt, and the types that they are read as.

use schemars::JsonSchema;
use serde_json::Value;

use super::argument::Argument;
use crate::{
    completer::Completers,
    resource::{complete_choices, unknown},
    schema,
    values::{Check, Wanted},
};

/// Checks that what the function takes can be read from the declared arguments, and lets those complete themselves of
/// which all values are known.
pub(super) fn fit(check: Check, completers: &mut Completers, problems: &mut Vec<String>) {
    let names: Vec<String> = completers.iter().map(|(name, _)| name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let traced = check(&names);
    let type_name = traced.type_name;
    if !traced.is_map {
        return problems.push(format!(
            "its function takes a `{type_name}`, which takes no arguments by name: take a struct with the fields {}",
            names.join(", ")
        ));
    }
    problems.extend(traced.unknown.iter().map(|field| unknown(type_name, field, &names)));
    for (name, wanted) in names.iter().zip(&traced.wanted) {
        if *wanted == Wanted::Refused {
            problems.push(format!(
                "`{type_name}` has no field for {name:?}, and denies fields that it does not know"
            ));
        }
    }
    complete_choices(&traced, &names, completers);
}

/// The arguments that `A` has, in the order of its fields.
///
/// # Errors
/// Words for a type that is no struct with named fields.
pub(super) fn of<A: JsonSchema>() -> Result<Vec<Argument>, String> {
    let schema = schema::of_fields::<A>();
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(format!(
            "`{}` cannot be its arguments: it is no struct with named fields",
            A::schema_name()
        ));
    }
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let arguments = properties.into_iter().flatten().map(|(name, property)| {
        let words = |key: &str| property.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut argument = Argument::new(name);
        argument.definition.title = words("title");
        argument.definition.description = words("description");
        argument.definition.required = required(name).then_some(true);
        argument
    });
    Ok(arguments.collect())
}
