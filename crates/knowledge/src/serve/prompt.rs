//! A standard, and the code that it is applied to.

use std::{collections::BTreeSet, sync::Arc};

use anyport_protocol::types::ResourceContents;
use anyport_server::{Completion, CompletionRequest, Context, Messages, NotFound, Prompt, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::offer::Offer;
use crate::{
    Library,
    answers::{MARKDOWN, StandardQuery, same},
};

/// Which standard is applied to what.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// Programming language, such as python
    language: String,
    /// Domain area, such as testing
    domain: String,
    /// The code that the standard is applied to
    code: String,
    /// Title of a section of the standard; only that section is applied
    section: Option<String>,
}

pub(super) fn apply_standard(offer: &Arc<Offer>) -> Prompt {
    let (asked, languages, domains) = (offer.clone(), offer.clone(), offer.clone());
    Prompt::new("apply_standard")
        .title("Apply a coding standard")
        .description("Has code reviewed and rewritten by the standard for a language and a domain.")
        .arguments::<Arguments>()
        .complete("language", move |partial: CompletionRequest, _: Context| {
            let library = languages.knowledge.library();
            async move { Completion::matching(&partial.value, of_standards(&library, None)) }
        })
        .complete("domain", move |partial: CompletionRequest, _: Context| {
            let library = domains.knowledge.library();
            async move {
                let language = partial.arguments.get("language");
                Completion::matching(&partial.value, of_standards(&library, Some(language)))
            }
        })
        .get(move |arguments: Arguments, _: Context| {
            let offer = asked.clone();
            async move { messages(&offer, arguments).await }
        })
}

/// The standard, the code, and what to do.
async fn messages(offer: &Offer, arguments: Arguments) -> Result<Messages, ToolError> {
    let Arguments { language, domain, code, section } = arguments;
    let query = StandardQuery { language, domain, section, max_chars: None };
    let max = offer.options.max_answer_chars;
    let standard = offer.knowledge.library().beginning_of_standard(&query, max).await?;
    let (Some(content), Some(uri)) = (standard.content, standard.uri) else {
        return Err(NotFound::new(standard.message.unwrap_or_default()).into());
    };
    let title = standard.title.unwrap_or_default();
    let mut task = format!(
        "Apply the standard \u{201c}{title}\u{201d} ({uri}, above) to the code below. Name each rule of it that the code \
         breaks, with the line, and then show the code as the standard wants it. Change nothing else."
    );
    if let Some(note) = standard.message {
        task.push_str("\n\nThe standard is not all there. ");
        task.push_str(&note);
    }
    let fence = fence(&code);
    let word: String = query.language.chars().filter(|character| character.is_ascii_alphanumeric()).collect();
    task.push_str(&format!("\n\n{fence}{}\n{}\n{fence}", word.to_lowercase(), code.trim_end_matches('\n')));
    // Every revision knows embedded resources in prompts, the first one included.
    Ok(Messages::new()
        .description(format!("{title}, applied to code"))
        .user(ResourceContents::text(uri, content).with_mime_type(MARKDOWN))
        .user(task))
}

/// A fence that the code does not end.
fn fence(code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(3.max(longest + 1))
}

/// The languages of the standards; or the domains of `language`, or all domains if there is no such language.
fn of_standards(library: &Library, language: Option<Option<&str>>) -> BTreeSet<String> {
    let standards =
        || library.iter().filter_map(|document| document.language.as_deref().zip(document.domain.as_deref()));
    let Some(language) = language else {
        return standards().map(|(language, _)| language.to_lowercase()).collect();
    };
    let of_language = |has: &str| language.is_none_or(|wanted| same(has, wanted));
    standards().filter(|(has, _)| of_language(has)).map(|(_, domain)| domain.to_lowercase()).collect()
}
