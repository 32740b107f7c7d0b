//! Things to read: some that are known by their URI, and as many more as a template describes.

use std::{error::Error, future::pending, time::Duration};

use anyport::{Context, Resource, Server, Template, live, protocol::types, stdio};
use serde::Deserialize;

/// The poems: name and text.
const POEMS: [(&str, &str); 3] = [
    ("autumn", "The leaves fall, fall as from afar."),
    ("evening", "The evening slowly changes its garments."),
    ("spring", "Spring is again. The earth is like a child that knows poems."),
];

/// What the template below has variables for. Text becomes numbers, enums and so on; what does not fit names no poem.
#[derive(Deserialize)]
struct Poem {
    name: String,
    /// From which word on.
    from: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let about = Resource::new("poems:///about")
        .name("about")
        .title("About these poems")
        .mime_type("text/markdown")
        // The same for everyone, and good for an hour: clients need not read it again and again.
        .public()
        .ttl(Duration::from_secs(3600))
        .read(async |_: Context| "# Poems\n\nLines by R. M. Rilke.");

    // Bytes are a resource as well.
    let seal = Resource::new("poems:///seal")
        .name("seal")
        .mime_type("application/octet-stream")
        .read(async |_: Context| vec![0xCA_u8, 0xFE]);

    // RFC 6570: `{name}` stands for one segment of a path, `{+path}` for several, `{?from}` for a parameter.
    let poem = Template::new("poems:///by-name/{name}{?from}")
        .name("poem")
        .mime_type("text/plain")
        // Clients can ask what `name` may be while their user types it.
        .choices("name", POEMS.map(|(name, _)| name))
        // What there is, for clients that show a list.
        .list(async |_: Context| {
            let poem = |(name, _)| types::Resource::new(format!("poems:///by-name/{name}"), name);
            POEMS.map(poem).to_vec()
        })
        // `None` says that there is no such resource, in the way of the client's revision.
        .read(async |Poem { name, from }: Poem, _: Context| {
            let (_, text) = POEMS.iter().find(|(known, _)| *known == name)?;
            let words: Vec<&str> = text.split(' ').skip(from.unwrap_or(0)).collect();
            Some(words.join(" "))
        });

    let server = Server::builder("resources_and_templates", "1.0.0")
        .resource(about)
        .resource(seal)
        .template(poem)
        .build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
