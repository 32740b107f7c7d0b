//! The variables of an RFC 6570 template. Whether a template can be read back is the server's to say.

/// The names of the variables in `template`, and of each whether it is a list (`{name*}`).
pub(crate) fn variables(template: &str) -> Vec<(&str, bool)> {
    let mut variables = Vec::new();
    let mut rest = template;
    while let Some((expression, behind)) = rest.split_once('{').and_then(|(_, inside)| inside.split_once('}'))
    {
        // RFC 6570 §2.2: `operator = op-level2 / op-level3 / op-reserve`, behind the opening brace.
        let list =
            expression.trim_start_matches(['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|']);
        variables.extend(list.split(',').map(variable).filter(|(name, _)| !name.is_empty()));
        rest = behind;
    }
    variables
}

/// §2.4: a name may be followed by `:` and a length, or by `*`.
fn variable(written: &str) -> (&str, bool) {
    let name = written.split(':').next().unwrap_or(written).trim();
    match name.strip_suffix('*') {
        Some(name) => (name, true),
        None => (name, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_every_operator_are_found() {
        let template = "x://{a}/{+b}{#c}{.d}{/e*}{;f}{?g,h:3}{&i.j,k*}";
        let names: Vec<_> = variables(template).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f", "g", "h", "i.j", "k"]);
        let lists: Vec<_> = variables(template).into_iter().filter(|(_, list)| *list).collect();
        assert_eq!(lists, [("e", true), ("k", true)]);
    }

    #[test]
    fn what_is_no_expression_has_no_variables() {
        for template in ["x:///plain", "x://{", "x://}{", "{}"] {
            assert!(variables(template).is_empty(), "{template}");
        }
    }
}
