//! What the syntax of a file says of modules, definitions, imports and paths.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMacro, ItemMod, ItemUse, Meta, Token, UseTree, Visibility,
    ext::IdentExt as _,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use super::modules::{Declared, Import, Said, Shape};

/// Reads a file.
pub(super) fn file(text: &str) -> syn::Result<Said> {
    Ok(module(&syn::parse_file(text)?.items))
}

fn module(items: &[Item]) -> Said {
    let mut said = Said::default();
    for item in items.iter().filter(|item| !is_test(attributes(item))) {
        match item {
            Item::Mod(module) => said.declared.push(declared(module)),
            item => {
                said.defined.extend(defined(item));
                Scan(&mut said).visit_item(item);
            }
        }
    }
    said
}

fn declared(item: &ItemMod) -> Declared {
    let within = item.content.as_ref().map(|(_, items)| module(items));
    Declared { name: item.ident.unraw().to_string(), within }
}

/// The names that an item defines in its module.
fn defined(item: &Item) -> Vec<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(ItemMacro { ident: Some(ident), .. }) => ident,
        Item::Macro(item) => return made(item.mac.tokens.clone()),
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return Vec::new(),
    };
    vec![name.unraw().to_string()]
}

/// The names that a macro makes, as far as its input looks like Rust: `enum Name`, or `Name = `.
fn made(input: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = input.into_iter().collect();
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] => {
            DEFINES.iter().any(|it| word == it).then_some(name)
        }
        [TokenTree::Ident(name), TokenTree::Punct(mark)] => (mark.as_char() == '=').then_some(name),
        _ => None,
    });
    pairs.map(|name| name.unraw().to_string()).collect()
}

/// The words before a name that is defined.
const DEFINES: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether something is compiled for tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .any(|attribute| attribute.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition)))
}

fn needs_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let mut parts = parts.iter().flatten();
    if list.path.is_ident("all") {
        parts.any(needs_test)
    } else {
        list.path.is_ident("any") && parts.all(needs_test)
    }
}

/// Collects what the code within an item says.
struct Scan<'a>(&'a mut Said);

impl<'ast> Visit<'ast> for Scan<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        // A path from the root of all crates names another crate.
        if item.leading_colon.is_none() {
            import(&item.tree, &mut Vec::new(), public, &mut self.0.imports);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.0
                .paths
                .insert(path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        tokens(call.tokens.clone(), &mut self.0.paths);
    }

    // `pub(in path)` says who may know this, not whom this knows.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn import(tree: &UseTree, path: &mut Vec<String>, public: bool, imports: &mut Vec<Import>) {
    let mut add = |path: Vec<String>, shape| imports.push(Import { path, shape, public });
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.unraw().to_string());
            import(&part.tree, path, public, imports);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                import(tree, path, public, imports);
            }
        }
        UseTree::Glob(_) => add(path.clone(), Shape::Glob),
        UseTree::Name(name) if name.ident == "self" => {
            add(path.clone(), path.last().map_or(Shape::Unnamed, |last| Shape::Named(last.clone())));
        }
        UseTree::Name(name) => {
            let name = name.ident.unraw().to_string();
            add([path.as_slice(), std::slice::from_ref(&name)].concat(), Shape::Named(name));
        }
        UseTree::Rename(renamed) => {
            let (of, name) = (renamed.ident.unraw().to_string(), renamed.rename.unraw().to_string());
            let shape = if name == "_" { Shape::Unnamed } else { Shape::Named(name) };
            let whole = if of == "self" { path.clone() } else { [path.as_slice(), &[of]].concat() };
            add(whole, shape);
        }
    }
}

/// Adds the paths in the input of a macro, whose syntax is its own.
fn tokens(stream: TokenStream, paths: &mut std::collections::BTreeSet<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in stream {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    paths.insert(std::mem::take(&mut path));
                }
                path.push(ident.unraw().to_string());
                colons = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            other => {
                paths.insert(std::mem::take(&mut path));
                colons = 0;
                if let TokenTree::Group(group) = other {
                    tokens(group.stream(), paths);
                }
            }
        }
    }
    paths.insert(path);
    paths.remove([].as_slice());
}
