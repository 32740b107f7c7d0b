//! The words and signs of a statement.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace},
};

use super::Dialect;
use crate::refusal::Fault;

/// The tokens of a text, of which servers make the same with whatever settings.
pub(super) fn read(dialect: &Dialect, text: &str, most: usize) -> Result<Vec<TokenWithSpan>, Fault> {
    // Whether this ends a string is a setting of many servers.
    if ["\\'", "\\\"", "\\`"].iter().any(|quote| text.contains(quote)) {
        return Err("it has a quote behind a backslash".into());
    }
    if text.contains(|sign: char| sign.is_control() && !matches!(sign, '\t' | '\n' | '\r')) {
        return Err("it has control characters".into());
    }
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(&*grammar, text).tokenize_with_location();
    let tokens = tokens.map_err(|_| "it cannot be parsed")?;
    let is_comment = |token: &Token| {
        matches!(
            token,
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        )
    };
    // Some servers run what is in certain comments, and differ in where a comment ends.
    if tokens.iter().any(|token| is_comment(&token.token)) || text.contains("/*") {
        return Err("it has a comment".into());
    }
    let count = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
    if count > most {
        let why = format!("it has {count} words and signs, more than {most} (guard_sql_tokens)");
        return Err(Fault::of_limit("guard_sql_tokens", why));
    }
    if tokens.iter().any(|token| matches!(&token.token, Token::Word(word) if word.value.contains('\\'))) {
        return Err("it has a name with a backslash".into());
    }
    if tokens.windows(3).any(is_escaped_name) {
        return Err("it has a name with escapes (U&)".into());
    }
    Ok(tokens)
}

/// Whether an `IN` has no parentheses behind it: how far its operand goes differs between grammars.
pub(super) fn has_bare_in(tokens: &[TokenWithSpan]) -> bool {
    let signs =
        tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    let mut signs = signs.peekable();
    while let Some(sign) = signs.next() {
        let is_in = matches!(sign, Token::Word(word) if word.keyword == Keyword::IN);
        if is_in && !matches!(signs.peek(), Some(Token::LParen | Token::LBracket)) {
            return true;
        }
    }
    false
}

/// Whether tokens are `U&"name"`, whose escapes PostgreSQL reads: another grammar has a `U`, a sign and a name.
fn is_escaped_name(tokens: &[TokenWithSpan]) -> bool {
    let [before, sign, name] = tokens else { return false };
    let is_name = match &name.token {
        Token::Word(word) => word.quote_style.is_some(),
        Token::DoubleQuotedString(_) => true,
        _ => false,
    };
    is_name && sign.token == Token::Ampersand && before.token.to_string().ends_with(['u', 'U'])
}
