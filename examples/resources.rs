//! Things to read: some that are known by their URI, and as many more as a template describes.
//!
//! ```sh
//! cargo run -p anyport-examples --bin resources
//! ```

use anyport::{
    Completion, CompletionRequest, Context, ServeError, Server, protocol::types::Resource, resource, serve,
};

/// The poems: name and text.
const POEMS: [(&str, &str); 3] = [
    ("autumn", "The leaves fall, fall as from afar."),
    ("evening", "The evening slowly changes its garments."),
    ("spring", "Spring is again. The earth is like a child that knows poems."),
];

/// About these poems
// The same for everyone, and good for an hour: clients need not read it again and again.
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
// A template, as RFC 6570 has them: `{name}` is one segment of a path, `{+path}` would be several, `{?from}` is a parameter.
// Each is an argument of the function. What cannot be read as its type is no such resource, and so is a `None` below.
#[resource("poems:///by-name/{name}{?from}", mime_type = "text/plain")]
fn poem(#[arg(complete = names)] name: String, from: Option<usize>) -> Option<String> {
    let (_, text) = POEMS.iter().find(|(known, _)| *known == name)?;
    let words: Vec<&str> = text.split(' ').skip(from.unwrap_or(0)).collect();
    Some(words.join(" "))
}

/// What `name` may be, for clients that ask while their user types it.
async fn names(typed: CompletionRequest, _: Context) -> Completion {
    Completion::starting_with(&typed.value, POEMS.map(|(name, _)| name))
}

/// What there is, for clients that show a list.
async fn all(_: Context) -> Vec<Resource> {
    let poem = |(name, _)| Resource::new(format!("poems:///by-name/{name}"), name);
    POEMS.map(poem).to_vec()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let builder = Server::builder("resources", "1.0.0").add(about).add(seal);
    // What no attribute says is said to the part itself.
    serve(builder.add(poem().list(all)).build()?).stdio().await
}
