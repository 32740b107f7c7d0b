//! `#[tool]`, `#[resource]` and `#[prompt]`.
#![doc(test(attr(deny(warnings))))]

mod arg;
mod common;
mod docs;
mod function;
mod prompt;
mod resource;
mod settings;
mod support;
mod template;
mod tool;
mod types;
mod write;

use proc_macro::TokenStream;

/// Makes a tool of a function.
#[proc_macro_attribute]
pub fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(attribute.into(), &item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a resource or a template of a function.
#[proc_macro_attribute]
pub fn resource(attribute: TokenStream, item: TokenStream) -> TokenStream {
    resource::expand(attribute.into(), &item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a prompt of a function.
#[proc_macro_attribute]
pub fn prompt(attribute: TokenStream, item: TokenStream) -> TokenStream {
    prompt::expand(attribute.into(), &item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
