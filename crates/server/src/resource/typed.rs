//! The types of a template's variables, checked when the server is built.

use anyport_protocol::suggest::similar;

use crate::{
    completer::{Completer, Completers},
    values::{Check, Traced, Wanted},
};

/// A variable of a template.
pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    /// Whether it has many values.
    pub(super) is_list: bool,
}

/// Checks that what the function takes can be read from `variables`, and lets those complete themselves of which all
/// values are known.
pub(super) fn fit(
    check: Check,
    variables: &[Variable<'_>],
    completers: &mut Completers,
    problems: &mut Vec<String>,
) {
    let names: Vec<&str> = variables.iter().map(|variable| variable.name).collect();
    let traced = check(&names);
    let type_name = traced.type_name;
    if !traced.is_map {
        return problems.push(format!(
            "it is read with a `{type_name}`, which takes no variables by name: take a struct with the fields {}",
            names.join(", ")
        ));
    }
    problems.extend(traced.unknown.iter().map(|field| unknown(type_name, field, &names)));
    for (variable, wanted) in variables.iter().zip(&traced.wanted) {
        let name = variable.name;
        match (wanted, variable.is_list) {
            (Wanted::List, false) => problems.push(format!(
                "`{type_name}` takes {{{name}}} as a list, but it has one value: write {{{name}*}}"
            )),
            (Wanted::Text | Wanted::Choice(_), true) => problems
                .push(format!("`{type_name}` takes {{{name}*}} as one value, but it has many: take a `Vec`")),
            (Wanted::Object, _) => {
                problems.push(format!("`{type_name}` takes {{{name}}} as an object, and a URI has none"))
            }
            (Wanted::Refused, _) => problems.push(format!(
                "`{type_name}` has no field for {{{name}}}, and denies fields that it does not know"
            )),
            _ => {}
        }
    }
    complete_choices(&traced, &names, completers);
}

/// Words for a field that none of `names` is.
pub(crate) fn unknown(type_name: &str, field: &str, names: &[&str]) -> String {
    let meant = similar(field, names.iter().copied());
    let hint = match meant.first() {
        Some(meant) => format!("is {meant:?} meant?"),
        None => format!("there is {}", names.join(", ")),
    };
    format!("`{type_name}` has the field {field:?}, and nothing of that name is given to it; {hint}")
}

/// Lets those values that are one of a few complete themselves, unless a function does.
pub(crate) fn complete_choices(traced: &Traced, names: &[&str], completers: &mut Completers) {
    for (name, wanted) in names.iter().zip(&traced.wanted) {
        if let Wanted::Choice(choices) = wanted
            && let Some((_, completer @ None)) = completers.iter_mut().find(|(known, _)| known == name)
        {
            *completer = Some(Completer::choices(choices.iter().copied()));
        }
    }
}
