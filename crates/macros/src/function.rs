//! The function under an attribute: what it takes, and what keeps it from being a tool, a resource or a prompt.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Block, FnArg, GenericParam, ItemFn, Lifetime, LitStr, Meta, Pat, PatType, Receiver, Signature,
    Type, TypeImplTrait, TypeReference, Visibility,
    ext::IdentExt,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    arg::Arg,
    docs,
    settings::{Known, Problems},
    types,
};

/// A function that an attribute stands on.
#[derive(Debug)]
pub(crate) struct Function {
    /// The `cfg` attributes of the function, which apply to all generated code.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) docs: Vec<Attribute>,
    /// Attributes of others, which go with the function itself.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    /// As it is written, without what is for us.
    pub(crate) signature: Signature,
    /// What generated code calls.
    pub(crate) callee: TokenStream,
    pub(crate) block: Block,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter of it.
#[derive(Debug)]
pub(crate) enum Parameter {
    /// A `Context` or `&Context`.
    Context { borrowed: bool },
    /// A `Principal` or `&Principal`.
    Principal { borrowed: bool },
    /// An `Authorization` or `&Authorization`.
    Authorization { borrowed: bool },
    /// A `State<T>` or `&State<T>`, of which this is the `T`.
    State { ty: Box<Type>, borrowed: bool },
    /// What the client sends.
    Plain(Box<Plain>),
}

/// A parameter that the client sends.
#[derive(Debug)]
pub(crate) struct Plain {
    /// Its name on the wire.
    pub(crate) name: LitStr,
    pub(crate) ty: Type,
    pub(crate) arg: Arg,
}

/// The kind of part that an attribute makes.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// The attribute as it is written.
    pub(crate) attribute: &'static str,
    /// The kind with its article.
    pub(crate) noun: &'static str,
    /// The settings of `#[arg(..)]`.
    pub(crate) arg: &'static Known,
}

impl Function {
    /// Reads the item under the attribute.
    ///
    /// # Errors
    /// All that keeps it from being of this kind.
    pub(crate) fn read(item: TokenStream, kind: Kind) -> syn::Result<Self> {
        let ItemFn { attrs, vis: visibility, sig: mut signature, block } = match syn::parse2(item.clone()) {
            Ok(function) => function,
            Err(error) => return Err(no_function(item, kind).unwrap_or(error)),
        };
        let mut problems = Problems::default();
        refuse(&signature, kind, &mut problems);
        let mut parameters = Vec::new();
        for input in &mut signature.inputs {
            let parameter = match input {
                FnArg::Receiver(receiver) => Err(method(receiver, kind)),
                FnArg::Typed(input) => Parameter::read(input, kind),
            };
            parameters.extend(problems.take(parameter));
        }
        twice(&parameters, &mut problems);
        problems.finish()?;
        let (cfgs, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(|one| one.path().is_ident("cfg"));
        let (docs, attributes) = attrs.into_iter().partition(docs::is_documentation);
        let name = &signature.ident;
        let callee = quote!(#name::call);
        Ok(Self { cfgs, docs, attributes, visibility, signature, callee, block: *block, parameters })
    }

    /// The parameters that the client sends.
    pub(crate) fn plain(&self) -> impl Iterator<Item = &Plain> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Plain(plain) => Some(&**plain),
            _ => None,
        })
    }

    /// The name as text.
    pub(crate) fn name(&self) -> String {
        self.signature.ident.unraw().to_string()
    }

    /// The span of its error type, if it is written out.
    pub(crate) fn error_span(&self) -> Option<Span> {
        self.in_result(1)
    }

    fn in_result(&self, argument: usize) -> Option<Span> {
        let syn::ReturnType::Type(_, ty) = &self.signature.output else { return None };
        let result = types::last(ty).filter(|segment| segment.ident == "Result")?;
        let syn::PathArguments::AngleBracketed(arguments) = &result.arguments else { return None };
        arguments.args.get(argument).map(Spanned::span)
    }

    /// The span of its return type.
    pub(crate) fn return_span(&self) -> Span {
        match &self.signature.output {
            syn::ReturnType::Type(_, ty) => ty.span(),
            syn::ReturnType::Default => self.signature.ident.span(),
        }
    }

    /// The span of the returned value: inside the `Result`, if there is one.
    pub(crate) fn output_span(&self) -> Span {
        self.in_result(0).unwrap_or_else(|| self.return_span())
    }
}

impl Parameter {
    /// Reads one parameter, and strips it of what only we understand.
    fn read(input: &mut PatType, kind: Kind) -> syn::Result<Self> {
        let args = take_args(&mut input.attrs)?;
        let description = docs::description(&input.attrs);
        input.attrs.retain(|attribute| !docs::is_documentation(attribute));
        if let Some(cfg) = input.attrs.iter().find(|one| one.path().is_ident("cfg")) {
            let words = "a parameter is there or not for everybody: put `#[cfg]` on the whole function";
            return Err(syn::Error::new_spanned(cfg, words));
        }
        let (ty, borrowed) = match &*input.ty {
            Type::Reference(TypeReference { elem, mutability: None, .. }) => (&**elem, true),
            Type::Reference(TypeReference { elem, .. }) if is_given(elem) => {
                let words = "it is shared: take it without `mut`";
                return Err(syn::Error::new_spanned(&input.ty, words));
            }
            ty => (ty, false),
        };
        if is_given(ty) {
            if !args.is_empty() {
                let words = "`#[arg(..)]` says something of what a client sends; this is what the server has";
                return Err(syn::Error::new_spanned(&args, words));
            }
            return Ok(match types::argument(ty) {
                Some(state) => Self::State { ty: Box::new(state.clone()), borrowed },
                None if types::is(ty, "Principal") => Self::Principal { borrowed },
                None if types::is(ty, "Authorization") => Self::Authorization { borrowed },
                None => Self::Context { borrowed },
            });
        }
        owned(&input.ty, kind)?;
        let mut arg = Arg::read(args, &input.ty, kind.arg)?;
        if arg.description.is_none() {
            arg.description = description;
        }
        let name = match (&arg.name, &*input.pat) {
            (Some(name), _) => name.clone(),
            (None, Pat::Ident(pattern)) if pattern.subpat.is_none() => {
                LitStr::new(&pattern.ident.unraw().to_string(), pattern.ident.span())
            }
            (None, pattern) => {
                let words = "the name of a parameter is what clients call it: write `name: Type`, or name it with \
                             `#[arg(name = \"..\")]`";
                return Err(syn::Error::new_spanned(pattern, words));
            }
        };
        Ok(Self::Plain(Box::new(Plain { name, ty: (*input.ty).clone(), arg })))
    }
}

impl Plain {
    /// Whether a client may leave it out.
    pub(crate) fn may_be_absent(&self) -> bool {
        types::is_optional(&self.ty) || self.arg.default.is_some()
    }
}

/// Whether it comes from the server: a `Context`, what it knows of the caller, or a `State<T>`.
fn is_given(ty: &Type) -> bool {
    let plain =
        |name| types::is(ty, name) && types::last(ty).is_some_and(|segment| segment.arguments.is_empty());
    plain("Context")
        || plain("Principal")
        || plain("Authorization")
        || (types::is(ty, "State") && types::argument(ty).is_some())
}

/// The content of the `#[arg(..)]` attributes of a parameter.
fn take_args(attributes: &mut Vec<Attribute>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("arg")) {
        match attribute.meta {
            Meta::List(list) => {
                let inside = list.tokens;
                tokens.extend(quote!(#inside,));
            }
            other => {
                return Err(syn::Error::new_spanned(&other, "write `#[arg(..)]`, with its settings inside"));
            }
        }
    }
    // `#[arg(a,)]` has its comma already.
    let mut trees: Vec<_> = tokens.into_iter().collect();
    trees.dedup_by(|one, other| [&*one, &*other].iter().all(|tree| tree.to_string() == ","));
    Ok(trees.into_iter().collect())
}

/// Refuses what a function must not be.
fn refuse(signature: &Signature, kind: Kind, problems: &mut Problems) {
    let noun = kind.noun;
    let Signature { constness, unsafety, abi, generics, variadic, .. } = signature;
    let mut must_not = |part: Option<Span>, what: &str| {
        if let Some(span) = part {
            problems.push(span, format!("{noun} is a plain `fn` or `async fn`, not {what}"));
        }
    };
    must_not(constness.as_ref().map(Spanned::span), "a `const` one");
    must_not(unsafety.as_ref().map(Spanned::span), "an `unsafe` one");
    must_not(abi.as_ref().map(Spanned::span), "an `extern` one");
    must_not(variadic.as_ref().map(Spanned::span), "a variadic one");
    let is_lifetime = |one: &GenericParam| matches!(one, GenericParam::Lifetime(_));
    if generics.params.iter().any(|one| !is_lifetime(one)) {
        let words = format!(
            "{noun} cannot be generic: clients are told of one function with one schema; write one for each type, \
             which calls yours"
        );
        problems.add(syn::Error::new_spanned(&generics.params, words));
    } else if let Some(clause) = &generics.where_clause {
        problems.add(syn::Error::new_spanned(
            clause,
            format!("{noun} cannot be generic, so there is nothing to say with `where`"),
        ));
    } else if let Some(lifetime) = generics.params.first() {
        problems
            .push(lifetime.span(), format!("{noun} has no lifetimes: what it takes and returns is its own"));
    }
}

fn method(receiver: &Receiver, kind: Kind) -> syn::Error {
    let words = format!(
        "{} is a plain function, not a method: put `#[tools]` on the `impl`, whose methods may be tools; or write it \
         outside, and take what is shared as `State<..>`, which the builder is given with `.state(..)`",
        kind.noun
    );
    syn::Error::new_spanned(receiver, words)
}

/// Refuses a parameter that borrows, or has no type of its own.
fn owned(ty: &Type, kind: Kind) -> syn::Result<()> {
    if let Type::Reference(TypeReference { elem, .. }) = ty {
        return Err(syn::Error::new_spanned(ty, borrowed(elem)));
    }
    let mut look = Look { found: None, noun: kind.noun };
    look.visit_type(ty);
    look.found.map_or(Ok(()), Err)
}

/// The type to use instead of a reference.
fn borrowed(ty: &Type) -> String {
    let instead = match ty {
        Type::Slice(slice) => format!("Vec<{}>", written(&slice.elem)),
        ty if types::is(ty, "str") => "String".to_owned(),
        ty if types::is(ty, "Path") => "PathBuf".to_owned(),
        ty => written(ty),
    };
    format!("arguments are read for the function and are its own: take `{instead}`")
}

fn written(ty: &impl ToTokens) -> String {
    ty.to_token_stream().to_string().replace(" < ", "<").replace(" >", ">").replace(" , ", ", ")
}

/// Looks for what a parameter's type must not have inside.
struct Look {
    found: Option<syn::Error>,
    noun: &'static str,
}

impl<'ast> Visit<'ast> for Look {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        self.found = Some(syn::Error::new_spanned(reference, borrowed(&reference.elem)));
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let words =
                "arguments are read for the function and are its own: take a type that borrows nothing";
            self.found = Some(syn::Error::new_spanned(lifetime, words));
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let words = format!(
            "{} cannot take `{}`: clients must be told which type it is, so name one, such as `String`",
            self.noun,
            written(ty)
        );
        self.found = Some(syn::Error::new_spanned(ty, words));
    }

    fn visit_type(&mut self, ty: &'ast Type) {
        if self.found.is_none() {
            visit::visit_type(self, ty);
        }
    }
}

/// Refuses two parameters of one name.
fn twice(parameters: &[Parameter], problems: &mut Problems) {
    let mut seen: Vec<String> = Vec::new();
    for parameter in parameters {
        let Parameter::Plain(plain) = parameter else { continue };
        let name = plain.name.value();
        if seen.contains(&name) {
            problems.push(plain.name.span(), format!("there are two parameters called `{name}`"));
        }
        seen.push(name);
    }
}

/// The error for an item that is not a function.
fn no_function(item: TokenStream, kind: Kind) -> Option<syn::Error> {
    let (what, span) = match syn::parse2::<syn::Item>(item).ok()? {
        syn::Item::Struct(item) => ("a struct", item.struct_token.span),
        syn::Item::Enum(item) => ("an enum", item.enum_token.span),
        syn::Item::Impl(item) => ("an `impl`", item.impl_token.span),
        syn::Item::Trait(item) => ("a trait", item.trait_token.span),
        syn::Item::Mod(item) => ("a module", item.mod_token.span),
        syn::Item::Fn(_) => return None,
        other => ("something else", other.span()),
    };
    let Kind { attribute, noun, .. } = kind;
    Some(syn::Error::new(span, format!("`{attribute}` makes {noun} of a function, and this is {what}")))
}
