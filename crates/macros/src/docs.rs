//! Doc comments, as descriptions.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns the doc comments among `attributes` as one text, or `None` without doc comments.
///
/// It is all of them, with Markdown as it stands, without the indentation that all lines share.
pub(crate) fn description(attributes: &[Attribute]) -> Option<TokenStream> {
    let values: Vec<&Expr> = attributes.iter().filter_map(documentation).collect();
    if values.is_empty() {
        return None;
    }
    let texts: Option<Vec<String>> = values.iter().map(|value| literal(value)).collect();
    let Some(texts) = texts else {
        // `#[doc = include_str!(..)]`: only the compiler knows the text.
        let lines = values.iter().map(|value| quote!(#value, "\n"));
        return Some(quote!(::core::concat!(#(#lines),*).trim()));
    };
    let text = unindented(&texts.iter().flat_map(|text| lines(text)).collect::<Vec<_>>());
    (!text.is_empty()).then(|| quote!(#text))
}

/// Whether it is a doc comment.
pub(crate) fn is_documentation(attribute: &Attribute) -> bool {
    documentation(attribute).is_some()
}

fn documentation(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => Some(&meta.value),
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// The lines of one comment; those of a block without the stars that line up on its left.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        // An empty line of comment keeps paragraphs apart.
        lines.push("");
    }
    let starred = |line: &&str| line.trim_start().starts_with('*') || line.trim().is_empty();
    let stars = lines.len() > 1 && lines[1..].iter().all(starred);
    let unstarred = |line| match stars {
        true => str::trim_start(line).strip_prefix('*').unwrap_or(line),
        false => line,
    };
    lines.into_iter().map(unstarred).collect()
}

fn unindented(lines: &[&str]) -> String {
    let written = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = written.map(|line| line.len() - line.trim_start_matches(' ').len()).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(indent..).unwrap_or("").trim_end()).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn of(function: &syn::ItemFn) -> String {
        description(&function.attrs).map(|text| text.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_description_is_the_whole_comment_without_its_indentation() {
        let function = parse_quote! {
            /// Adds.
            ///
            /// - **two** numbers
            ///   - or *more*
            #[inline]
            fn add() {}
        };
        assert_eq!(of(&function), r#""Adds.\n\n- **two** numbers\n  - or *more*""#);
        assert_eq!(
            of(&parse_quote!(
                fn add() {}
            )),
            ""
        );
        assert_eq!(
            of(&parse_quote!(
                #[doc = "  "]
                fn add() {}
            )),
            ""
        );
    }

    #[test]
    fn the_stars_of_a_block_comment_are_no_text() {
        let function = parse_quote!(
            #[doc = "\n * Adds.\n * * a list\n "]
            fn add() {}
        );
        assert_eq!(of(&function), r#""Adds.\n* a list""#);
        assert_eq!(
            of(&parse_quote!(
                #[doc = " one "]
                fn add() {}
            )),
            r#""one""#
        );
    }

    #[test]
    fn what_only_the_compiler_can_read_is_left_to_it() {
        let text = of(&parse_quote!(
            #[doc = include_str!("add.md")]
            fn add() {}
        ));
        assert_eq!(text, r#":: core :: concat ! (include_str ! ("add.md") , "\n") . trim ()"#);
    }
}
