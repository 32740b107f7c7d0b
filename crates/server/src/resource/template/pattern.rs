//! A pattern of literals and values in a URI, matched in linear time.

use super::{
    form::Form,
    found::Found,
    parse::{Expression, Modifier, Operator, Piece, Variables, index},
    tokens::{self, Token, decode},
};

/// Literals and values one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    atoms: Vec<Atom>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Atom {
    kind: Kind,
    /// The atom to go on with where this one and all between are absent.
    skip: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// One of these: as it stands and, if it is not ASCII, as RFC 6570 §3.1 encodes it.
    Literal(Vec<Vec<Token>>),
    Run(Run),
}

/// A stretch of characters that makes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    target: Target,
    /// Whether it may be empty.
    may_be_empty: bool,
    /// Which characters end it, as they stand.
    ends: String,
    /// Whether `/` and `\` may be in it behind percent-encoding.
    reserved: bool,
    /// The most characters, once it is decoded.
    most: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Whole(usize),
    Prefix(usize, usize),
    /// Items of a list, with this between them.
    List(usize, char),
    Form(Form),
}

impl Pattern {
    /// Compiles `pieces`, which `rest` follows.
    pub(super) fn compile(pieces: &[Piece], rest: &[Piece], variables: &Variables) -> Self {
        let mut pattern = Self::default();
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Literal(text) => pattern.literal(text),
                Piece::Expression(expression) => {
                    let in_query = pieces[..place].iter().any(|piece| piece.has('?'));
                    let later = |c: char| pieces[place + 1..].iter().chain(rest).any(|piece| piece.has(c));
                    pattern.expression(expression, ends(expression, in_query, later), variables);
                }
            }
        }
        pattern
    }

    fn literal(&mut self, text: &str) {
        let plain = tokens::of(text);
        let encode = |token: &Token| match token {
            Token::Plain(c) if !c.is_ascii() => {
                c.encode_utf8(&mut [0; 4]).bytes().map(Token::Encoded).collect()
            }
            other => vec![*other],
        };
        let encoded: Vec<Token> = plain.iter().flat_map(encode).collect();
        let both = if encoded == plain { vec![plain] } else { vec![plain, encoded] };
        self.atoms.push(Atom { kind: Kind::Literal(both), skip: None });
    }

    fn expression(&mut self, expression: &Expression, ends: String, variables: &Variables) {
        let Expression { operator, variables: specs, .. } = expression;
        let named = *operator == Operator::Parameters;
        let count = if named { 1 } else { specs.len() };
        // Each variable and, but for a first one without a prefix, the character before it.
        let end = self.atoms.len() + 2 * count - usize::from(operator.prefix().is_none());
        for (place, spec) in specs.iter().take(count).enumerate() {
            let mark = if place == 0 { operator.prefix() } else { Some(operator.separator()) };
            if let Some(mark) = mark {
                let kind = Kind::Literal(vec![vec![Token::Plain(mark)]]);
                self.atoms.push(Atom { kind, skip: Some(end) });
            }
            let variable = index(variables, &spec.name);
            let target = match spec.modifier {
                _ if named => Target::Form(Form::of(&[Piece::Expression(expression.clone())], variables)),
                Modifier::None => Target::Whole(variable),
                Modifier::Prefix(most) => Target::Prefix(variable, most),
                Modifier::Explode => Target::List(variable, operator.separator()),
            };
            let mut ends = ends.clone();
            if let Target::List(_, separator) = target {
                ends.retain(|c| c != separator);
            }
            let run = Run {
                may_be_empty: mark.is_some() && !named,
                ends,
                // What `{;..}` may hold, it says itself.
                reserved: operator.is_reserved() || named,
                most: match target {
                    Target::Prefix(_, most) => Some(most),
                    _ => None,
                },
                target,
            };
            self.atoms.push(Atom { kind: Kind::Run(run), skip: None });
        }
    }

    /// Reads the values in `tokens`; `None` if they are not what the pattern makes.
    pub(super) fn read(&self, tokens: &[Token], found: &mut Found, steps: &mut usize) -> Option<()> {
        let mut rows = vec![Row::new(tokens.len()); self.atoms.len() + 1];
        rows[0].set(0);
        for (place, atom) in self.atoms.iter().enumerate() {
            let (before, behind) = rows.split_at_mut(place + 1);
            if let Some(skip) = atom.skip {
                behind[skip - place - 1].add(&before[place]);
            }
            atom.kind.advance(tokens, &before[place], &mut behind[0], steps);
        }
        // From the end back: where a way leads here at all, it leads on to the start.
        let (mut place, mut end) = (self.atoms.len(), tokens.len());
        if !rows[place].has(end) {
            return None;
        }
        let mut values = Vec::new();
        while place > 0 {
            let kind = &self.atoms[place - 1].kind;
            if let Some(begin) = kind.retreat(tokens, &rows[place - 1], end, steps) {
                if let Kind::Run(run) = kind {
                    values.push((&run.target, &tokens[begin..end]));
                }
                (place, end) = (place - 1, begin);
            } else {
                let mut skips = (0..place).rev();
                place = skips.find(|&from| self.atoms[from].skip == Some(place) && rows[from].has(end))?;
            }
        }
        values.iter().rev().try_for_each(|(target, tokens)| target.take(tokens, found))
    }
}

/// Which characters end the values of an expression.
fn ends(expression: &Expression, in_query: bool, later: impl Fn(char) -> bool) -> String {
    let operator = expression.operator;
    let mut ends = String::from('\0');
    if operator == Operator::Parameters {
        return ends + "/?#\\";
    }
    if !operator.is_reserved() {
        ends.push_str("/?#\\");
    }
    let several = expression.variables.len() > 1
        || expression.variables.iter().any(|spec| spec.modifier == Modifier::Explode);
    if several {
        ends.push(operator.separator());
    }
    // What stands further on as a delimiter is none of the value: `{+path}{?page}`.
    ends.extend(['?', '#', ';'].into_iter().filter(|c| later(*c)));
    if in_query && (!operator.is_reserved() || later('&')) {
        ends.push('&');
    }
    ends
}

impl Kind {
    /// Where it may end, given where it may begin.
    fn advance(&self, tokens: &[Token], begins: &Row, ends: &mut Row, steps: &mut usize) {
        match self {
            Self::Literal(texts) => {
                for at in begins.places() {
                    for text in texts.iter().filter(|text| tokens[at..].starts_with(text)) {
                        ends.set(at + text.len());
                    }
                    *steps += 1;
                }
            }
            Self::Run(run) => run.advance(tokens, begins, ends, steps),
        }
    }

    /// The last place where it may begin to end at `end`.
    fn retreat(&self, tokens: &[Token], begins: &Row, end: usize, steps: &mut usize) -> Option<usize> {
        match self {
            Self::Literal(texts) => {
                *steps += 1;
                let mut places = texts.iter().filter(|text| tokens[..end].ends_with(text));
                places.find_map(|text| Some(end - text.len()).filter(|&begin| begins.has(begin)))
            }
            Self::Run(run) => run.retreat(tokens, begins, end, steps),
        }
    }
}

impl Run {
    fn allows(&self, token: Token) -> bool {
        match token {
            Token::Plain(c) => !self.ends.contains(c),
            Token::Encoded(0) => false,
            Token::Encoded(b'/' | b'\\') => self.reserved,
            Token::Encoded(_) => true,
        }
    }

    fn advance(&self, tokens: &[Token], begins: &Row, ends: &mut Row, steps: &mut usize) {
        // How many characters there are from the last place where it may begin: no other leaves fewer.
        let mut length = None;
        for at in 0..=tokens.len() {
            *steps += 1;
            if begins.has(at) {
                length = Some(0);
                if self.may_be_empty {
                    ends.set(at);
                }
            }
            let Some(&token) = tokens.get(at) else { break };
            length = length
                .filter(|_| self.allows(token))
                .map(|length| length + usize::from(token.begins_character()));
            if length.is_some_and(|length| self.most.is_none_or(|most| length <= most)) {
                ends.set(at + 1);
            }
        }
    }

    fn retreat(&self, tokens: &[Token], begins: &Row, end: usize, steps: &mut usize) -> Option<usize> {
        if self.may_be_empty && begins.has(end) {
            return Some(end);
        }
        let mut length = 0;
        for at in (0..end).rev() {
            *steps += 1;
            length += usize::from(tokens[at].begins_character());
            if !self.allows(tokens[at]) || self.most.is_some_and(|most| length > most) {
                return None;
            }
            if begins.has(at) {
                return Some(at);
            }
        }
        None
    }
}

impl Target {
    fn take(&self, tokens: &[Token], found: &mut Found) -> Option<()> {
        match self {
            Self::Whole(variable) => found.whole(*variable, decode(tokens)?),
            Self::Prefix(variable, most) => found.prefix(*variable, decode(tokens)?, *most)?,
            Self::List(variable, separator) => {
                // An empty item would, in a path that is put together again, lead to the root.
                for item in tokens.split(|token| token.is(*separator)) {
                    found.item(*variable, decode(item).filter(|item| !item.is_empty())?);
                }
            }
            Self::Form(form) => form.read(tokens, found)?,
        }
        Some(())
    }
}

/// Places in a URI, one bit for each.
#[derive(Clone)]
struct Row(Vec<u64>);

impl Row {
    fn new(length: usize) -> Self {
        Self(vec![0; length / 64 + 1])
    }

    fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & 1 << (place % 64) != 0
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(at, &word)| {
            (0..64).filter(move |bit| word & 1 << bit != 0).map(move |bit| at * 64 + bit)
        })
    }
}
