//! `#[tool]`, `#[resource]` and `#[prompt]`.
#![doc(test(attr(deny(warnings))))]

mod arg;
mod docs;
mod function;
mod settings;
mod support;
mod tool;
mod types;
mod write;

use proc_macro::TokenStream;

/// Makes a tool of a function.
#[proc_macro_attribute]
pub fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
