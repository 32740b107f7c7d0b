//! `#[tool]`, `#[tools]`, `#[resource]` and `#[prompt]`: plain functions and methods as parts of an MCP server.
//!
//! Users have them from `anyport` or `anyport-server`, to which this crate is pinned; so it knows them only by the
//! names that it writes.
//!
//! They only save typing: what each writes is shown in its documentation, and could be written by hand in about as many
//! lines.
//!
//! # Layout
//! - `tool`, `resource`, `prompt`: what each makes of a function. `common`: what they have in common. `tools`: methods.
//! - `function`, `arg`, `settings`, `docs`, `types`, `template`: what is read.
//! - `write`, `support`: what is written, and where it finds what it calls. That is `anyport_server::macros`.

mod common;
mod prompt;
mod resource;
mod tool;
mod tools;

mod arg;
mod docs;
mod function;
mod settings;
mod template;
mod types;

mod support;
mod write;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/tool.md")]
#[proc_macro_attribute]
pub fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(tool::expand(attribute.into(), &item.into()))
}

#[doc = include_str!("../docs/tools.md")]
#[proc_macro_attribute]
pub fn tools(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(tools::expand(attribute.into(), &item.into()))
}

#[doc = include_str!("../docs/resource.md")]
#[proc_macro_attribute]
pub fn resource(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(resource::expand(attribute.into(), &item.into()))
}

#[doc = include_str!("../docs/prompt.md")]
#[proc_macro_attribute]
pub fn prompt(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(prompt::expand(attribute.into(), &item.into()))
}

fn finish(written: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    written.unwrap_or_else(syn::Error::into_compile_error).into()
}
