//! Things to read: some that are known by their URI, and as many more as a template describes.

use std::{error::Error, future::pending, time::Duration};

use anyport::{
    Context, Resource, Server, Template, live,
    server::{Partial, Values},
    stdio,
};

/// The poems: name and text.
const POEMS: [(&str, &str); 3] = [
    ("autumn", "The leaves fall, fall as from afar."),
    ("evening", "The evening slowly changes its garments."),
    ("spring", "Spring is again. The earth is like a child that knows poems."),
];

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

    // RFC 6570: `{name}` stands for one segment of a path, `{+path}` for several.
    let poem = Template::new("poems:///by-name/{name}")
        .name("poem")
        .mime_type("text/plain")
        // Clients can ask what `name` may be while their user types it.
        .complete("name", async |typed: Partial, _: Context| {
            let names = POEMS.iter().map(|(name, _)| (*name).to_owned());
            names.filter(|name| name.starts_with(&typed.value)).collect::<Vec<_>>()
        })
        // `None` says that there is no such resource, in the way of the client's revision.
        .read(async |values: Values, _: Context| {
            let name = values.get("name")?;
            POEMS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
        });

    let server = Server::builder("resources_and_templates", "1.0.0")
        .resource(about)
        .resource(seal)
        .template(poem)
        .build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
