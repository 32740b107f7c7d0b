//! Settings in the brackets of an attribute: `name = value`, `flag`, `list(..)`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name as it is written.
    pub(crate) name: String,
    pub(crate) span: Span,
    value: Value,
}

#[derive(Debug)]
enum Value {
    None,
    /// Behind `=`.
    Is(TokenStream),
    /// In parentheses.
    List(TokenStream),
}

/// The known settings of an attribute.
pub(crate) struct Known {
    /// The attribute, as it is written.
    pub(crate) attribute: &'static str,
    pub(crate) settings: &'static [&'static str],
    /// Those that may be there several times.
    pub(crate) several: &'static [&'static str],
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            let what = text.value();
            return Err(syn::Error::new(
                text.span(),
                format!("a text here needs a name, as in `description = {what:?}`"),
            ));
        }
        let name = Ident::parse_any(input)?;
        let value = if input.peek(syn::token::Paren) {
            let inside;
            syn::parenthesized!(inside in input);
            Value::List(inside.parse()?)
        } else if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Is(until_comma(input)?)
        } else {
            Value::None
        };
        Ok(Self { name: name.to_string(), span: name.span(), value })
    }
}

/// The tokens before the next comma. Commas in brackets are inside of one token.
fn until_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    if tokens.is_empty() {
        return Err(input.error("a value is missing behind `=`"));
    }
    Ok(tokens)
}

/// Reads settings, of which each must be `known` and, unless the attribute knows better, there once.
///
/// # Errors
/// All that is wrong at once.
pub(crate) fn read(tokens: TokenStream, known: &Known) -> syn::Result<Vec<Setting>> {
    let settings = Punctuated::<Setting, Token![,]>::parse_terminated.parse2(tokens)?;
    let settings: Vec<Setting> = settings.into_iter().collect();
    let mut problems = Problems::default();
    for (at, setting) in settings.iter().enumerate() {
        let name = &*setting.name;
        if !known.settings.contains(&name) {
            problems.push(setting.span, unknown(name, known));
        } else if !known.several.contains(&name) && settings[..at].iter().any(|earlier| earlier.name == name)
        {
            problems.push(setting.span, format!("`{name}` is set twice"));
        }
    }
    problems.finish().map(|()| settings)
}

fn unknown(name: &str, known: &Known) -> String {
    let closest = known
        .settings
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(name, setting), setting))
        .filter(|(distance, setting)| *distance <= 1 + name.len().min(setting.len()) / 4)
        .min();
    let hint = closest.map(|(_, setting)| format!("; did you mean `{setting}`?")).unwrap_or_default();
    let list = known.settings.join("`, `");
    format!("`{}` has no setting `{name}`{hint}\nits settings are `{list}`", known.attribute)
}

impl Setting {
    /// Whether it is on: `flag`, `flag = true` or `flag = false`.
    pub(crate) fn flag(&self) -> syn::Result<bool> {
        match &self.value {
            Value::None => Ok(true),
            Value::Is(tokens) => match syn::parse2::<syn::LitBool>(tokens.clone()) {
                Ok(value) => Ok(value.value),
                Err(_) => Err(self.expects("`true` or `false`, or nothing, which is `true`")),
            },
            Value::List(_) => Err(self.expects("`true` or `false`, or nothing, which is `true`")),
        }
    }

    /// An expression that is text. Of a literal it is known; what a constant is, the compiler says.
    pub(crate) fn text(&self) -> syn::Result<TokenStream> {
        let expects = || self.expects(&format!("text: `{} = \"..\"`", self.name));
        match self.expression() {
            Ok(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Ok(text.to_token_stream()),
            Ok(Expr::Lit(_)) | Err(_) => Err(expects()),
            Ok(other) => Ok(other.to_token_stream()),
        }
    }

    /// A duration: seconds as a number, a text such as `"30s"`, or an expression that is a `Duration`.
    pub(crate) fn duration(&self) -> syn::Result<TokenStream> {
        let expects = || {
            let name = &self.name;
            self.expects(&format!(
                "a duration: seconds as a number, or a text: `{name} = \"30s\"` (ms, s, m, h)"
            ))
        };
        let millis = match self.expression().map_err(|_| expects())? {
            Expr::Lit(ExprLit { lit: Lit::Int(seconds), .. }) => {
                seconds.base10_parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1000))
            }
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => milliseconds(&text.value()),
            Expr::Lit(_) => None,
            other => return Ok(other.to_token_stream()),
        };
        let millis = millis.ok_or_else(expects)?;
        Ok(quote!(::core::time::Duration::from_millis(#millis)))
    }

    /// An expression.
    pub(crate) fn expression(&self) -> syn::Result<Expr> {
        syn::parse2(self.tokens()?.clone()).map_err(|_| self.expects("an expression"))
    }

    /// JSON as the macro `json!` takes it.
    pub(crate) fn tokens(&self) -> syn::Result<&TokenStream> {
        match &self.value {
            Value::Is(tokens) => Ok(tokens),
            _ => Err(self.expects(&format!("a value: `{} = ..`", self.name))),
        }
    }

    /// The value, if there is one.
    pub(crate) fn optional(&self) -> syn::Result<Option<Expr>> {
        match &self.value {
            Value::None => Ok(None),
            _ => self.expression().map(Some),
        }
    }

    /// The content of parentheses: `list(key = json, "key" = json)`.
    pub(crate) fn members(&self) -> syn::Result<Vec<(LitStr, TokenStream)>> {
        let example =
            || self.expects(&format!("members: `{}(key = \"value\", \"dev.example/key\" = 1)`", self.name));
        let Value::List(tokens) = &self.value else { return Err(example()) };
        let member = |input: ParseStream<'_>| {
            let key = match input.peek(LitStr) {
                true => input.parse::<LitStr>()?,
                false => Ident::parse_any(input).map(|key| LitStr::new(&key.to_string(), key.span()))?,
            };
            input.parse::<Token![=]>()?;
            Ok((key, until_comma(input)?))
        };
        let members = |input: ParseStream<'_>| input.parse_terminated(member, Token![,]);
        members.parse2(tokens.clone()).map(|members| members.into_iter().collect()).map_err(|_| example())
    }

    /// The error that `what` was expected.
    pub(crate) fn expects(&self, what: &str) -> syn::Error {
        let span = match &self.value {
            Value::None => self.span,
            Value::Is(tokens) | Value::List(tokens) => tokens.span(),
        };
        syn::Error::new(span, format!("`{}` expects {what}", self.name))
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|digit: char| !digit.is_ascii_digit())?);
    let unit = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// The faults of a function, reported together.
#[derive(Debug, Default)]
pub(crate) struct Problems(Option<syn::Error>);

impl Problems {
    pub(crate) fn push(&mut self, span: Span, words: impl std::fmt::Display) {
        self.add(syn::Error::new(span, words));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, unless it is another problem.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
