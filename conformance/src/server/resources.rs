//! Resources: text, binary, a template, and one that can be watched.

use anyport::{
    Context, Resource, Template,
    server::{Builder, Values},
};

use crate::content::PNG;

pub(crate) fn add(builder: Builder) -> Builder {
    builder
        .resource(
            Resource::new("test://static-text")
                .name("static_text")
                .description("A text that never changes.")
                .mime_type("text/plain")
                .read(async |_: Context| "This is the content of the static text resource."),
        )
        .resource(
            Resource::new("test://static-binary")
                .name("static_binary")
                .description("An image that never changes.")
                .mime_type("image/png")
                .read(async |_: Context| PNG.to_vec()),
        )
        .resource(
            Resource::new("test://watched-resource")
                .name("watched_resource")
                .description("A text that can be watched.")
                .mime_type("text/plain")
                .read(async |_: Context| "Watched resource content."),
        )
        .template(
            Template::new("test://template/{id}/data")
                .name("template")
                .description("Data by its id.")
                .mime_type("application/json")
                .read(async |variables: Values, _: Context| {
                    let id = variables.get("id").unwrap_or_default();
                    serde_json::json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")})
                        .to_string()
                }),
        )
}
