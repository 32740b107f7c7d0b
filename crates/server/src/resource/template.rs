//! URI templates (RFC 6570), read backwards: from a URI to the values that it was made of.

mod form;
mod found;
mod parse;
mod pattern;
mod tokens;

use form::Form;
use found::Found;
use parse::{Operator, Piece, Variables};
use pattern::Pattern;
use tokens::Token;

use super::typed::Variable;

pub(crate) use parse::TemplateError;

/// A URI template that reads back its URIs: whether it could have made a URI, and from which values.
///
/// # What is read
/// - `{a}`: one or more characters without `/`, `?`, `#` and `\`; in a query also without `&`. A `/` or `\` is not read
///   behind percent-encoding either, so that nobody climbs out of a folder with `%2F`.
/// - `{+a}`: one or more of any characters; without `?` or `#` where one stands further on in the template.
/// - `{#a}`, `{.a}`, `{/a}`: the same behind a `#`, `.` or `/`, or nothing at all: then the variable is absent.
/// - `{?a,b}`, `{&a,b}`, `{;a,b}`: parameters by name, in any order, each of them absent or there once. A parameter that
///   the template does not name is not read: the template did not make it.
/// - several variables in one expression, `{a,b}`, are filled from the left, and those at the end may be absent. Their
///   values have no comma (in `{.a,b}`: no dot).
/// - `{a:3}`: a value of at most three characters. Beside a whole `{a}` it must be its beginning.
/// - `{a*}`: a list. Only as the last variable of its expression, and not with `+` and `#`, whose values may have commas
///   of their own. Maps are not read.
///
/// Ambiguous templates are refused when they are parsed: see [`TemplateError`].
///
/// # What is never read
/// Values are percent-decoded. One that is not UTF-8, that has a NUL, or a segment `..` (between `/` or `\`) is none,
/// whatever the operator: nobody serves such a thing on purpose.
///
/// # Choice
/// Where several readings are possible, what may be absent is there if it can be, later variables are as short as they
/// can be, and so earlier ones are long. Time is linear in the URI's length, whatever the URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UriTemplate {
    /// The prefix of every URI, for a fast refusal.
    start: String,
    variables: Variables,
    /// The part before the query, or all of it if the template has no `{?..}` or `{&..}`.
    head: Pattern,
    query: Option<Query>,
    /// The fragment behind the query.
    tail: Pattern,
}

/// The parameters by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Query {
    form: Form,
    /// How many `&` stand in the fixed part of the query before it; `None` if there is no fixed part.
    before: Option<usize>,
}

/// The longest URI that is matched.
const MAX_URI_BYTES: usize = 64 << 10;

impl UriTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// Why URIs could not be read back with it.
    pub(crate) fn parse(template: &str) -> Result<Self, TemplateError> {
        let pieces = parse::pieces(template)?;
        let variables = parse::variables(&pieces)?;
        let is_query = |piece: &Piece| match piece {
            Piece::Expression(expression) => expression.operator.is_query(),
            Piece::Literal(_) => false,
        };
        let begin = pieces.iter().position(is_query).unwrap_or(pieces.len());
        let length = pieces[begin..].iter().take_while(|piece| is_query(piece)).count();
        let (head, rest) = pieces.split_at(begin);
        let (query, tail) = rest.split_at(length);
        parse::check_query(head, query, tail)?;
        let query = query.first().map(|first| Query {
            form: Form::of(query, &variables),
            before: first.is(Operator::Continuation).then(|| parse::separators(head)),
        });
        let start = match pieces.first() {
            Some(Piece::Literal(text)) => {
                text.split(|c: char| c == '%' || !c.is_ascii()).next().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        let head = Pattern::compile(head, &pieces[begin..], &variables);
        let tail = Pattern::compile(tail, &[], &variables);
        Ok(Self { start, variables, head, query, tail })
    }

    /// The variables, in order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        self.variables.iter().map(|declared| Variable { name: &declared.name, is_list: declared.is_list })
    }

    /// The variables' values in `uri`, if the template could have made it. A list has a value for each item.
    pub(crate) fn read(&self, uri: &str) -> Option<Vec<(String, String)>> {
        self.read_counting(uri, &mut 0)
    }

    /// The same; counts how often a character was looked at.
    pub(super) fn read_counting(&self, uri: &str, steps: &mut usize) -> Option<Vec<(String, String)>> {
        if uri.len() > MAX_URI_BYTES || !uri.starts_with(&self.start) {
            return None;
        }
        let tokens = tokens::of(uri);
        *steps += tokens.len();
        let mut found = Found::new(self.variables.len());
        let (head, query, tail) = match &self.query {
            None => (&*tokens, None, &[][..]),
            Some(query) => query.split(&tokens)?,
        };
        self.head.read(head, &mut found, steps)?;
        if let (Some(tokens), Some(query)) = (query, &self.query) {
            *steps += tokens.len();
            query.form.read(tokens, &mut found)?;
        }
        self.tail.read(tail, &mut found, steps)?;
        let values = found.finish(&self.variables)?;
        let named = self.variables.iter().zip(values);
        let values =
            named.flat_map(|(variable, texts)| texts.into_iter().map(|text| (variable.name.clone(), text)));
        Some(values.collect())
    }
}

/// The part before the parameters, the parameters if there are any, and the part after them.
type Split<'a> = (&'a [Token], Option<&'a [Token]>, &'a [Token]);

impl Query {
    fn split<'a>(&self, tokens: &'a [Token]) -> Option<Split<'a>> {
        let find = |from: usize, to: usize, c: char| {
            tokens[from..to].iter().position(|token| token.is(c)).map(|place| from + place)
        };
        let fragment = find(0, tokens.len(), '#').unwrap_or(tokens.len());
        let mut begin = find(0, fragment, '?');
        if let Some(before) = self.before {
            // Behind the fixed part: at the next `&`.
            let mut place = begin?;
            for _ in 0..before {
                place = find(place + 1, fragment, '&')?;
            }
            begin = find(place + 1, fragment, '&');
        }
        let (head, query) = match begin {
            Some(begin) => (&tokens[..begin], Some(&tokens[begin + 1..fragment])),
            None => (&tokens[..fragment], None),
        };
        Some((head, query, &tokens[fragment..]))
    }
}

#[cfg(test)]
mod expand;
#[cfg(test)]
mod tests;
