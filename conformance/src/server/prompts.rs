//! Prompts: plain, with arguments, with a resource, with an image, and one that asks the user first.

use anyport::{
    CompletionRequest, Context, Prompt,
    ask::{Elicited, Form},
    server::{Argument, Builder, Values},
    types::{ContentBlock, PromptMessage, ResourceContents},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::content::PNG;

#[derive(Deserialize, JsonSchema)]
struct Situation {
    context: String,
}

pub(crate) fn add(builder: Builder) -> Builder {
    builder
        .prompt(
            Prompt::new("test_simple_prompt")
                .description("Text alone.")
                .get(async |_: Values, _| "This is a simple prompt for testing."),
        )
        .prompt(
            Prompt::new("test_prompt_with_arguments")
                .description("Has two arguments.")
                .argument(
                    Argument::new("arg1")
                        .description("First test argument")
                        .required()
                        .complete(async |_: CompletionRequest, _: Context| vec!["paris", "park", "party"]),
                )
                .argument(Argument::new("arg2").description("Second test argument").required())
                .get(async |arguments: Values, _| {
                    let value = |name| arguments.get(name).unwrap_or_default();
                    format!("Prompt with arguments: arg1='{}', arg2='{}'", value("arg1"), value("arg2"))
                }),
        )
        .prompt(
            Prompt::new("test_prompt_with_embedded_resource")
                .description("Embeds a resource.")
                .argument(Argument::new("resourceUri").description("URI of the resource to embed").required())
                .get(async |arguments: Values, _| {
                    let uri = arguments.get("resourceUri").unwrap_or_default();
                    let resource = ResourceContents::text(uri, "Embedded resource content for testing.")
                        .with_mime_type("text/plain");
                    vec![
                        PromptMessage::user(ContentBlock::embedded(resource)),
                        PromptMessage::user("Please process the embedded resource above."),
                    ]
                }),
        )
        .prompt(Prompt::new("test_prompt_with_image").description("Has an image.").get(
            async |_: Values, _| {
                vec![
                    PromptMessage::user(ContentBlock::image(PNG, "image/png")),
                    PromptMessage::user("Please analyze the image above."),
                ]
            },
        ))
        .prompt(Prompt::new("test_input_required_result_prompt").description("Asks the user first.").get(
            async |_: Values, context: Context| {
                let situation =
                    context.ask("user_context", Form::<Situation>::new("What is this about?")).await;
                match situation {
                    Elicited::Accepted(Situation { context }) => format!("The context is: {context}"),
                    Elicited::Declined | Elicited::Cancelled => "There is no context.".to_owned(),
                }
            },
        ))
}
