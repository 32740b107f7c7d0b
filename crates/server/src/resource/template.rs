//! URI templates: RFC 6570 level 1 (`{name}`) and reserved expansion (`{+name}`), read backwards.

use percent_encoding::percent_decode_str;

use super::typed::Variable;

/// A URI template that tells which URIs it could have made, and from which values.
///
/// - `{name}` stands for one or more characters, none of them `/`, `?` or `#`: not as they stand in the URI and,
///   so that nobody climbs out of a folder, not behind percent-encoding either (`%2F`).
/// - `{+name}` stands for one or more of any characters.
///
/// Values are percent-decoded and must be UTF-8. Where several readings are possible, earlier variables are as
/// long as they can be. Time is linear in the URI's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UriTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable { name: String, reserved: bool },
}

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("a brace is not closed or not opened")]
    Brace,
    #[error("{{{0}}} is none of {{name}} and {{+name}}; names have letters, digits, `_` and `.`")]
    Expression(String),
    #[error("the variable {0:?} stands twice")]
    Twice(String),
    #[error("it has no variable: declare a resource instead")]
    NoVariable,
}

/// The longest URI that is matched.
const MAX_URI_BYTES: usize = 64 << 10;

impl UriTemplate {
    /// Reads a template.
    pub(crate) fn parse(template: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let (literal, behind) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            if behind.is_empty() {
                break;
            }
            let inside = behind.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (expression, behind) = inside.split_once('}').ok_or(TemplateError::Brace)?;
            parts.push(variable(expression, &parts)?);
            rest = behind;
        }
        match parts.iter().any(|part| matches!(part, Part::Variable { .. })) {
            true => Ok(Self { parts }),
            false => Err(TemplateError::NoVariable),
        }
    }

    /// The variables, in order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        self.names().map(|name| Variable { name, is_list: false })
    }

    /// The variables' names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The variables' values in `uri`, if the template could have made it.
    pub(crate) fn read(&self, uri: &str) -> Option<Vec<(String, String)>> {
        if uri.len() > MAX_URI_BYTES {
            return None;
        }
        // Where each part may begin; then one way back from the end.
        let mut begins = vec![Begins::at_start(uri.len())];
        for part in &self.parts {
            let next = part.ends(uri, begins.last()?);
            begins.push(next);
        }
        let mut end = uri.len();
        if !begins.last()?.0[end] {
            return None;
        }
        let mut values = Vec::new();
        for (part, begins) in self.parts.iter().zip(&begins).rev() {
            match part {
                Part::Literal(text) => end -= text.len(),
                Part::Variable { name, reserved } => {
                    let begin = part.begin(uri, begins, end)?;
                    values.push((name.clone(), decode(&uri[begin..end], *reserved)?));
                    end = begin;
                }
            }
        }
        values.reverse();
        Some(values)
    }
}

/// At which bytes of a URI something may begin.
struct Begins(Vec<bool>);

impl Begins {
    fn at_start(length: usize) -> Self {
        let mut places = vec![false; length + 1];
        places[0] = true;
        Self(places)
    }
}

impl Part {
    /// Where this part may end, given where it may begin.
    fn ends(&self, uri: &str, begins: &Begins) -> Begins {
        let mut ends = vec![false; uri.len() + 1];
        match self {
            Self::Literal(text) => {
                for (at, _) in uri.match_indices(text.as_str()).chain(overlapping(uri, text)) {
                    ends[at + text.len()] |= begins.0[at];
                }
            }
            Self::Variable { reserved, .. } => {
                let mut open = false;
                for (at, &byte) in uri.as_bytes().iter().enumerate() {
                    open = (open || begins.0[at]) && (*reserved || !is_reserved(byte));
                    ends[at + 1] = open && uri.is_char_boundary(at + 1);
                }
            }
        }
        Begins(ends)
    }

    /// The last place from which this variable reaches to `end`.
    fn begin(&self, uri: &str, begins: &Begins, end: usize) -> Option<usize> {
        let Self::Variable { reserved, .. } = self else { return None };
        let bytes = uri.as_bytes();
        let reaches = |at: &usize| *reserved || !is_reserved(bytes[*at]);
        (0..end).rev().take_while(reaches).find(|&at| begins.0[at])
    }
}

/// Occurrences that [`str::match_indices`] passes over because they overlap with one before.
fn overlapping<'a>(uri: &'a str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let can_overlap =
        (1..text.len()).any(|shift| text.is_char_boundary(shift) && text.starts_with(&text[shift..]));
    let places = if can_overlap { uri.len() } else { 0 };
    (0..places).filter(move |&at| uri.as_bytes()[at..].starts_with(text.as_bytes())).map(move |at| (at, text))
}

fn variable(expression: &str, before: &[Part]) -> Result<Part, TemplateError> {
    let (reserved, name) = match expression.strip_prefix('+') {
        Some(name) => (true, name),
        None => (false, expression),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(TemplateError::Expression(expression.into()));
    }
    let same = |part: &Part| matches!(part, Part::Variable { name: other, .. } if other == name);
    if before.iter().any(same) {
        return Err(TemplateError::Twice(name.into()));
    }
    Ok(Part::Variable { name: name.into(), reserved })
}

fn is_reserved(byte: u8) -> bool {
    matches!(byte, b'/' | b'?' | b'#')
}

fn decode(text: &str, reserved: bool) -> Option<String> {
    let plain = percent_decode_str(text).decode_utf8().ok()?;
    (reserved || !plain.contains('/')).then(|| plain.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str, uri: &str) -> Option<Vec<String>> {
        let template = UriTemplate::parse(template).unwrap();
        let values = template.read(uri)?;
        assert!(template.names().eq(values.iter().map(|(name, _)| name)));
        Some(values.into_iter().map(|(_, value)| value).collect())
    }

    fn check(template: &str, uri: &str, expected: &[&str]) {
        assert_eq!(read(template, uri), Some(expected.iter().map(|&value| value.into()).collect()), "{uri}");
    }

    #[test]
    fn variables_are_read_back() {
        check("test://template/{id}/data", "test://template/123/data", &["123"]);
        check("docs:///{+path}", "docs:///a/b%20c.md", &["a/b c.md"]);
        check("x:{a}-{b}", "x:1-2-3", &["1-2", "3"]);
        check("x:{+p}/x/{v}", "x:a/x/b/x/c", &["a/x/b", "c"]);
        check("x:{+p}aa{v}", "x:baaac", &["ba", "c"]);
        check("{scheme}:{rest}", "é:%E4%B8%96", &["é", "世"]);
    }

    #[test]
    fn what_the_template_could_not_have_made_is_not_read() {
        for (template, uri) in [
            ("test://template/{id}/data", "test://template/1/2/data"),
            ("test://template/{id}/data", "test://template//data"),
            ("test://template/{id}/data", "test://template/1/data/more"),
            ("test://template/{id}/data", "other://template/1/data"),
            ("a:{id}", "a:..%2f..%2Fetc"),
            ("a:{id}", "a:b?c"),
            ("a:{id}", "a:%ff"),
            ("a:{+id}", "a:"),
            ("a:{id}", ""),
        ] {
            assert_eq!(read(template, uri), None, "{uri}");
        }
    }

    #[test]
    fn long_uris_take_linear_time() {
        let template = UriTemplate::parse("x:{+a}/a{+b}/a{+c}/a{+d}/z").unwrap();
        let uri = format!("x:{}", "/a".repeat(MAX_URI_BYTES / 2 - 1));
        assert_eq!(template.read(&uri), None);
        assert_eq!(template.read(&"x".repeat(MAX_URI_BYTES + 1)), None);
    }

    #[test]
    fn bad_templates_are_refused() {
        use TemplateError::*;
        for (template, error) in [
            ("a:{b", Brace),
            ("a:b}", Brace),
            ("a:b", NoVariable),
            ("a:{?q}", Expression("?q".into())),
            ("a:{b*}", Expression("b*".into())),
            ("a:{}", Expression(String::new())),
            ("a:{b}/{+b}", Twice("b".into())),
        ] {
            assert_eq!(UriTemplate::parse(template), Err(error));
        }
    }
}
