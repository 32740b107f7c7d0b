//! Resources: some with a fixed URI, and more that a template describes.
//!
//! ```sh
//! cargo run -p anyport-examples --bin resources
//! ```

use anyport::{Completion, CompletionRequest, Context, ServeError, Server, resource, serve, types::Resource};

/// The poems: name and text.
const POEMS: [(&str, &str); 3] = [
    ("autumn", "The leaves fall, fall as from afar."),
    ("evening", "The evening slowly changes its garments."),
    ("spring", "Spring is again. The earth is like a child that knows poems."),
];

/// About these poems
// The same for all callers, and valid for an hour: clients need not read it again.
#[resource("poems:///about", mime_type = "text/markdown", public, ttl = "1h")]
fn about() -> &'static str {
    "# Poems\n\nLines by R. M. Rilke."
}

/// Bytes are a resource as well
#[resource("poems:///seal", mime_type = "application/octet-stream")]
fn seal() -> Vec<u8> {
    vec![0xCA, 0xFE]
}

/// A poem
// A template of RFC 6570: `{name}` is one segment of a path, `{+path}` would be several, `{?from}` is a query
// parameter. Each is an argument of the function. If a value cannot be read as its type, or the function returns
// `None`, the resource does not exist.
#[resource("poems:///by-name/{name}{?from}", mime_type = "text/plain")]
fn poem(#[arg(complete = names)] name: String, from: Option<usize>) -> Option<String> {
    let (_, text) = POEMS.iter().find(|(known, _)| *known == name)?;
    let words: Vec<&str> = text.split(' ').skip(from.unwrap_or(0)).collect();
    Some(words.join(" "))
}

/// Completion of `name`, while the user types it.
async fn names(typed: CompletionRequest, _: Context) -> Completion {
    Completion::starting_with(&typed.value, POEMS.map(|(name, _)| name))
}

/// The list of resources.
async fn all(_: Context) -> Vec<Resource> {
    let poem = |(name, _)| Resource::new(format!("poems:///by-name/{name}"), name);
    POEMS.map(poem).to_vec()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let builder = Server::builder("resources", "1.0.0").add(about).add(seal);
    // Settings without an attribute are set on the part itself.
    serve(builder.add(poem().list(all)).build()?).stdio().await
}
