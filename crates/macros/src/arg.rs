//! `#[arg(..)]`: the attributes of one parameter.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprLit, Lit, LitStr, RangeLimits, Type, spanned::Spanned};

use crate::{
    settings::{self, Known, Problems, Setting},
    types,
};

/// The settings of a parameter.
#[derive(Debug, Default)]
pub(crate) struct Arg {
    /// The name on the wire.
    pub(crate) name: Option<LitStr>,
    pub(crate) title: Option<TokenStream>,
    pub(crate) description: Option<TokenStream>,
    /// The default of an absent argument.
    pub(crate) default: Option<TokenStream>,
    /// The function that completes it.
    pub(crate) complete: Option<Expr>,
    pub(crate) coerce: bool,
    /// Keywords of its schema, with their values as `json!` takes them.
    pub(crate) keywords: Vec<(&'static str, TokenStream)>,
}

/// For the parameters of a tool.
pub(crate) const OF_TOOL: Known = Known {
    attribute: "#[arg(..)]",
    settings: &[
        "default",
        "description",
        "example",
        "header",
        "coerce",
        "length",
        "name",
        "one_of",
        "pattern",
        "range",
        "title",
    ],
    several: &["example"],
};

/// For the parameters of a resource.
pub(crate) const OF_RESOURCE: Known =
    Known { attribute: "#[arg(..)]", settings: &["complete", "default", "name"], several: &[] };

/// For the parameters of a prompt.
pub(crate) const OF_PROMPT: Known = Known {
    attribute: "#[arg(..)]",
    settings: &["complete", "default", "description", "name", "title"],
    several: &[],
};

impl Arg {
    /// Reads the attributes of a parameter of type `ty`.
    pub(crate) fn read(tokens: TokenStream, ty: &Type, known: &Known) -> syn::Result<Self> {
        let mut arg = Self::default();
        let mut problems = Problems::default();
        let mut one_of = None;
        let mut examples = Vec::new();
        for setting in settings::read(tokens, known)? {
            let result = match &*setting.name {
                "name" => setting.expression().and_then(|name| match name {
                    Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => {
                        arg.name = Some(name);
                        Ok(())
                    }
                    _ => Err(setting.expects("text: `name = \"..\"`")),
                }),
                "title" => setting.text().map(|text| arg.title = Some(text)),
                "description" => setting.text().map(|text| arg.description = Some(text)),
                "default" => default(&setting, ty).map(|default| arg.default = Some(default)),
                "complete" => setting.expression().map(|function| arg.complete = Some(function)),
                "coerce" => setting.flag().map(|coerce| arg.coerce = coerce),
                "range" => range(&setting, ty).map(|bounds| arg.keywords.extend(bounds)),
                "length" => length(&setting, ty).map(|bounds| arg.keywords.extend(bounds)),
                "pattern" => for_text(&setting, ty)
                    .and_then(|()| setting.text())
                    .map(|pattern| arg.keywords.push(("pattern", pattern))),
                "header" => setting.text().map(|header| arg.keywords.push(("x-mcp-header", header))),
                "one_of" => values(&setting).map(|values| one_of = Some(values)),
                "example" => setting.tokens().map(|example| examples.push(example.clone())),
                _ => Ok(()),
            };
            problems.take(result);
        }
        problems.finish()?;
        if let Some(mut values) = one_of {
            // An optional argument may be null too.
            values.extend(types::is_optional(ty).then(|| quote!(null)));
            arg.keywords.push(("enum", quote!([#(#values),*])));
        }
        if !examples.is_empty() {
            arg.keywords.push(("examples", quote!([#(#examples),*])));
        }
        Ok(arg)
    }
}

fn default(setting: &Setting, ty: &Type) -> syn::Result<TokenStream> {
    if types::is_optional(ty) {
        let inside =
            types::argument(ty).map_or_else(|| "T".into(), |inside| inside.to_token_stream().to_string());
        return Err(syn::Error::new(
            setting.span,
            format!("an `Option` that is left out is `None`; for another default take `{inside}`"),
        ));
    }
    let span = ty.span();
    Ok(match setting.optional()? {
        None => quote_spanned!(span=> <#ty as ::core::default::Default>::default()),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            quote_spanned!(span=> <#ty as ::core::convert::From<&'static str>>::from(#text))
        }
        Some(expression) => quote!(#expression),
    })
}

fn range(setting: &Setting, ty: &Type) -> syn::Result<Vec<(&'static str, TokenStream)>> {
    if types::is_one_of(ty, types::TEXTS) || types::is_one_of(ty, &["Vec", "bool"]) {
        let words = "`range` bounds numbers; the length of texts and lists is bounded by `length`";
        return Err(syn::Error::new(setting.span, words));
    }
    let expects = || setting.expects("a range: `1..=100`, `0..`, `..=9`");
    let Ok(Expr::Range(range)) = setting.expression() else { return Err(expects()) };
    let mut bounds = Vec::new();
    bounds.extend(range.start.map(|start| ("minimum", start.to_token_stream())));
    let maximum = match range.limits {
        RangeLimits::Closed(_) => "maximum",
        RangeLimits::HalfOpen(_) => "exclusiveMaximum",
    };
    bounds.extend(range.end.map(|end| (maximum, end.to_token_stream())));
    if bounds.is_empty() { Err(expects()) } else { Ok(bounds) }
}

fn length(setting: &Setting, ty: &Type) -> syn::Result<Vec<(&'static str, TokenStream)>> {
    if types::is_one_of(ty, types::NUMBERS) || types::is_one_of(ty, &["bool", "char"]) {
        let words = "`length` bounds texts and lists; numbers are bounded by `range`";
        return Err(syn::Error::new(setting.span, words));
    }
    let expects = || setting.expects("a length or a range with its end: `8`, `1..=100`, `1..`, `..=9`");
    let (start, end) = match setting.expression() {
        Ok(Expr::Range(range)) if matches!(range.limits, RangeLimits::Closed(_)) || range.end.is_none() => {
            (range.start, range.end)
        }
        Ok(exact @ (Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) | Expr::Path(_))) => {
            (Some(Box::new(exact.clone())), Some(Box::new(exact)))
        }
        _ => return Err(expects()),
    };
    let start = start.map(|start| ("minLength", start.to_token_stream()));
    let end = end.map(|end| ("maxLength", end.to_token_stream()));
    let bounds: Vec<_> = start.into_iter().chain(end).collect();
    if bounds.is_empty() { Err(expects()) } else { Ok(bounds) }
}

fn for_text(setting: &Setting, ty: &Type) -> syn::Result<()> {
    if types::is_one_of(ty, types::NUMBERS) || types::is_one_of(ty, &["bool", "Vec"]) {
        return Err(syn::Error::new(setting.span, "`pattern` is for texts"));
    }
    Ok(())
}

fn values(setting: &Setting) -> syn::Result<Vec<TokenStream>> {
    match setting.expression() {
        Ok(Expr::Array(array)) if !array.elems.is_empty() => {
            Ok(array.elems.iter().map(ToTokens::to_token_stream).collect())
        }
        _ => Err(setting.expects("a list of values: `one_of = [\"small\", \"large\"]`")),
    }
}
