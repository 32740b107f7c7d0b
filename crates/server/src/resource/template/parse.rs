//! The grammar of templates, and what of it cannot be read back.

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Expression(Expression),
}

/// The content of braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    /// As it is written, without the braces.
    pub(super) text: String,
    pub(super) operator: Operator,
    pub(super) variables: Vec<Spec>,
}

/// A variable in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) modifier: Modifier,
}

/// RFC 6570 §2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modifier {
    None,
    /// The most characters.
    Prefix(usize),
    Explode,
}

/// RFC 6570 §2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Simple,
    Reserved,
    Fragment,
    Label,
    Path,
    Parameters,
    Query,
    Continuation,
}

/// Every variable once, in order.
pub(super) type Variables = Vec<Declared>;

/// A variable of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) is_list: bool,
    /// Whether all of it stands in the template, or only its beginning.
    pub(super) is_whole: bool,
}

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("a brace is not closed or not opened")]
    Brace,
    #[error("{0:?} cannot stand in a URI: write it percent-encoded")]
    Character(char),
    #[error(
        "{{{0}}} is no expression: it has names of letters, digits, `_` and `.`, with commas between them, as in \
         {{name}}, {{+path}} or {{?a,b}}"
    )]
    Expression(String),
    #[error("{{{0}}}: the operator is reserved for what RFC 6570 may become; there are + # . / ; ? and &")]
    Operator(String),
    #[error("{{{0}}}: a prefix is a number from 1 to 9999, and a list has none")]
    Prefix(String),
    #[error("the variable {0:?} stands twice")]
    Twice(String),
    #[error("it has no variable: declare a resource instead")]
    NoVariable,
    #[error("{{{0}}}: nothing tells where the list ends: put it last into its expression")]
    ListEnd(String),
    #[error(
        "{{{0}}}: its values may have commas, which nothing tells from those of the list: write {{/list*}}"
    )]
    ListItems(String),
    #[error("nothing tells where {{{0}}} ends and {{{1}}} begins: put a character between them")]
    Touching(String, String),
    #[error("nothing tells {{{0}}} from {{{1}}}: put their variables into one expression")]
    Alike(String, String),
    #[error("behind {{{0}}} there can be a `/`, `?` or `#`, or the end")]
    BehindParameters(String),
    #[error("behind {{{0}}} there can be {{&..}}, a fragment, or the end; fixed parameters stand before it")]
    BehindQuery(String),
    #[error("before {{{0}}} there is a `?` already: write {{&..}}")]
    SecondQuery(String),
    #[error("before {{{0}}} there is no `?`: write {{?..}}")]
    NoQuery(String),
    #[error("before {{{0}}} there is a `#`: a query comes before the fragment")]
    QueryInFragment(String),
}

impl Operator {
    /// Whether it makes the parameters of a query.
    pub(super) fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::Continuation)
    }

    /// The operator of an expression, if it has one.
    pub(super) fn prefix(self) -> Option<char> {
        match self {
            Self::Simple | Self::Reserved => None,
            Self::Fragment => Some('#'),
            Self::Label => Some('.'),
            Self::Path => Some('/'),
            Self::Parameters => Some(';'),
            Self::Query => Some('?'),
            Self::Continuation => Some('&'),
        }
    }

    /// The separator of its variables.
    pub(super) fn separator(self) -> char {
        match self {
            Self::Simple | Self::Reserved | Self::Fragment => ',',
            Self::Label => '.',
            Self::Path => '/',
            Self::Parameters => ';',
            Self::Query | Self::Continuation => '&',
        }
    }

    /// Whether values may have reserved characters as they stand.
    pub(super) fn is_reserved(self) -> bool {
        matches!(self, Self::Reserved | Self::Fragment)
    }
}

impl Piece {
    pub(super) fn is(&self, operator: Operator) -> bool {
        matches!(self, Self::Expression(expression) if expression.operator == operator)
    }

    /// Whether `c` stands in it, beside the values.
    pub(super) fn has(&self, c: char) -> bool {
        match self {
            Self::Literal(text) => text.contains(c),
            Self::Expression(expression) => expression.operator.prefix() == Some(c),
        }
    }
}

/// The place of the variable `name`. It has one: the variables are gathered from the very pieces that name them.
pub(super) fn index(variables: &Variables, name: &str) -> usize {
    variables.iter().position(|declared| declared.name == name).unwrap_or_default()
}

/// Cuts a template into its pieces.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (literal, behind) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
        if !literal.is_empty() {
            check_literal(literal)?;
            pieces.push(Piece::Literal(literal.into()));
        }
        if behind.is_empty() {
            break;
        }
        let inside = behind.strip_prefix('{').ok_or(TemplateError::Brace)?;
        let (text, behind) = inside.split_once('}').ok_or(TemplateError::Brace)?;
        pieces.push(Piece::Expression(expression(text)?));
        rest = behind;
    }
    check_neighbours(&pieces)?;
    Ok(pieces)
}

/// RFC 6570 §2.1: literals are "any Unicode character except" controls, space, `"`, `'`, `%` (aside from
/// percent-encoding), `<`, `>`, `\`, `^`, `` ` ``, `{`, `|` and `}`. Its erratum 6937 lets `'` stand.
fn check_literal(literal: &str) -> Result<(), TemplateError> {
    let is_wrong = |c: &char| c.is_control() || matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '|');
    match literal.chars().find(is_wrong) {
        Some(wrong) => Err(TemplateError::Character(wrong)),
        None if !percents_are_encoding(literal) => Err(TemplateError::Character('%')),
        None => Ok(()),
    }
}

fn percents_are_encoding(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| {
        let digits = behind.as_bytes().get(..2).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
    })
}

fn expression(text: &str) -> Result<Expression, TemplateError> {
    let operator = match text.chars().next() {
        Some('+') => Operator::Reserved,
        Some('#') => Operator::Fragment,
        Some('.') => Operator::Label,
        Some('/') => Operator::Path,
        Some(';') => Operator::Parameters,
        Some('?') => Operator::Query,
        Some('&') => Operator::Continuation,
        // RFC 6570 §2.2: "The operator characters equals (...), comma, exclamation, at sign, and pipe are reserved for
        // future extensions."
        Some('=' | ',' | '!' | '@' | '|') => return Err(TemplateError::Operator(text.into())),
        _ => Operator::Simple,
    };
    let names = if operator == Operator::Simple { text } else { &text[1..] };
    let variables: Vec<Spec> = names.split(',').map(|name| spec(name, text)).collect::<Result<_, _>>()?;
    if let Some(list) = variables.iter().position(|spec| spec.modifier == Modifier::Explode) {
        let named = operator.is_query() || operator == Operator::Parameters;
        if operator.is_reserved() {
            return Err(TemplateError::ListItems(text.into()));
        }
        if !named && list + 1 < variables.len() {
            return Err(TemplateError::ListEnd(text.into()));
        }
    }
    Ok(Expression { text: text.into(), operator, variables })
}

fn spec(text: &str, expression: &str) -> Result<Spec, TemplateError> {
    let (name, modifier) = match (text.strip_suffix('*'), text.split_once(':')) {
        (Some(name), None) => (name, Modifier::Explode),
        (None, None) => (text, Modifier::None),
        (_, Some((name, length))) => {
            let is_length = length.len() <= 4 && length.bytes().all(|byte| byte.is_ascii_digit());
            let most = length.parse().ok().filter(|_| is_length && !length.starts_with('0'));
            (name, Modifier::Prefix(most.ok_or_else(|| TemplateError::Prefix(expression.into()))?))
        }
    };
    let is_name = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%');
        !part.is_empty() && part.bytes().all(allowed)
    };
    match name.split('.').all(is_name) && percents_are_encoding(name) {
        true => Ok(Spec { name: name.into(), modifier }),
        false => Err(TemplateError::Expression(expression.into())),
    }
}

/// Refuses adjacent expressions that are ambiguous.
fn check_neighbours(pieces: &[Piece]) -> Result<(), TemplateError> {
    for (place, piece) in pieces.iter().enumerate() {
        let Piece::Expression(one) = piece else { continue };
        if let Some(Piece::Expression(next)) = pieces.get(place + 1) {
            if next.operator.prefix().is_none() {
                return Err(TemplateError::Touching(one.text.clone(), next.text.clone()));
            }
            if next.operator == one.operator && !next.operator.is_query() {
                return Err(TemplateError::Alike(one.text.clone(), next.text.clone()));
            }
        }
        if one.operator == Operator::Parameters && !ends_parameters(&pieces[place + 1..]) {
            return Err(TemplateError::BehindParameters(one.text.clone()));
        }
    }
    Ok(())
}

/// Whether what follows `{;..}` shows where the parameters end.
fn ends_parameters(following: &[Piece]) -> bool {
    for piece in following {
        match piece {
            Piece::Literal(text) => return text.starts_with(['/', '?', '#']),
            Piece::Expression(expression) => match expression.operator {
                Operator::Query => return true,
                // They may be absent.
                Operator::Path | Operator::Fragment => {}
                _ => return false,
            },
        }
    }
    true
}

/// The variables, each once.
///
/// A whole value may stand beside beginnings of it, as in `{/name:1,name}`.
pub(super) fn variables(pieces: &[Piece]) -> Result<Variables, TemplateError> {
    let mut variables = Variables::new();
    let expressions = pieces.iter().filter_map(|piece| match piece {
        Piece::Expression(expression) => Some(expression),
        Piece::Literal(_) => None,
    });
    let specs: Vec<&Spec> = expressions.flat_map(|expression| &expression.variables).collect();
    for spec in &specs {
        if variables.iter().any(|declared| declared.name == spec.name) {
            continue;
        }
        let same = || specs.iter().filter(|other| other.name == spec.name);
        let is_whole = |spec: &&&Spec| !matches!(spec.modifier, Modifier::Prefix(_));
        let is_list = same().any(|spec| spec.modifier == Modifier::Explode);
        let wholes = same().filter(is_whole).count();
        if same().count() > 1 && (is_list || wholes != 1) {
            return Err(TemplateError::Twice(spec.name.clone()));
        }
        variables.push(Declared { name: spec.name.clone(), is_list, is_whole: wholes == 1 });
    }
    if variables.is_empty() { Err(TemplateError::NoVariable) } else { Ok(variables) }
}

/// Refuses a query that is not where it can be found.
pub(super) fn check_query(head: &[Piece], query: &[Piece], tail: &[Piece]) -> Result<(), TemplateError> {
    let Some(Piece::Expression(first)) = query.first() else { return Ok(()) };
    let has = |c: char| head.iter().any(|piece| piece.has(c));
    if has('#') {
        return Err(TemplateError::QueryInFragment(first.text.clone()));
    }
    match first.operator {
        Operator::Query if has('?') => return Err(TemplateError::SecondQuery(first.text.clone())),
        Operator::Continuation if !has('?') => return Err(TemplateError::NoQuery(first.text.clone())),
        _ => {}
    }
    for piece in &query[1..] {
        if let Piece::Expression(next) = piece
            && next.operator == Operator::Query
        {
            return Err(TemplateError::SecondQuery(next.text.clone()));
        }
    }
    let begins_fragment = match tail.first() {
        None => true,
        Some(Piece::Literal(text)) => text.starts_with('#'),
        Some(piece) => piece.is(Operator::Fragment),
    };
    let has_more =
        tail.iter().any(|piece| matches!(piece, Piece::Expression(more) if more.operator.is_query()));
    if begins_fragment && !has_more { Ok(()) } else { Err(TemplateError::BehindQuery(first.text.clone())) }
}

/// How many `&` stand in the fixed part of a query.
pub(super) fn separators(head: &[Piece]) -> usize {
    let literals = head.iter().filter_map(|piece| match piece {
        Piece::Literal(text) => Some(text.as_str()),
        Piece::Expression(_) => None,
    });
    let text: String = literals.collect();
    text.split_once('?').map_or(0, |(_, query)| query.matches('&').count())
}
