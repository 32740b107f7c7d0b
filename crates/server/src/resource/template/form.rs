//! Parameters by name: `{?a,b}`, `{&a,b}` and `{;a,b}`.

use super::{
    found::Found,
    parse::{Modifier, Operator, Piece, Variables, index},
    tokens::{Token, decode},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    separator: char,
    parameters: Vec<Parameter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    variable: usize,
    modifier: Modifier,
}

impl Form {
    /// The parameters of these expressions.
    pub(super) fn of(expressions: &[Piece], variables: &Variables) -> Self {
        let mut form = Self { separator: '&', parameters: Vec::new() };
        for piece in expressions {
            let Piece::Expression(expression) = piece else { continue };
            if expression.operator == Operator::Parameters {
                form.separator = ';';
            }
            form.parameters.extend(expression.variables.iter().map(|spec| Parameter {
                name: spec.name.clone(),
                variable: index(variables, &spec.name),
                modifier: spec.modifier,
            }));
        }
        form
    }

    /// Reads the parameters in `tokens`, which begin behind the first separator.
    pub(super) fn read(&self, tokens: &[Token], found: &mut Found) -> Option<()> {
        let mut seen = vec![false; self.parameters.len()];
        for piece in tokens.split(|token| token.is(self.separator)) {
            let sign = piece.iter().position(|token| token.is('=')).unwrap_or(piece.len());
            let name = decode(&piece[..sign])?;
            let value = piece.get(sign + 1..).unwrap_or_default();
            // In a path, nothing that is encoded may become a path of its own.
            if self.separator == ';'
                && value.iter().any(|token| matches!(token, Token::Encoded(b'/' | b'\\')))
            {
                return None;
            }
            // `{?a:1,a}` names one variable twice: its values stand in this order.
            let mut places = self.parameters.iter().enumerate();
            let (place, parameter) = places.find(|(place, parameter)| {
                parameter.name == name && (!seen[*place] || parameter.modifier == Modifier::Explode)
            })?;
            seen[place] = true;
            match parameter.modifier {
                Modifier::None => found.whole(parameter.variable, decode(value)?),
                Modifier::Explode => found.item(parameter.variable, decode(value)?),
                Modifier::Prefix(most) => found.prefix(parameter.variable, decode(value)?, most)?,
            }
        }
        Some(())
    }
}
