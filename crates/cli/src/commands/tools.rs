//! `anyport tools`: the tools of a server, or one of them.

use std::process::ExitCode;

use anyhow::Result;
use anyport_protocol::{suggest::did_you_mean, types::Tool};
use serde_json::json;

use super::{
    in_order,
    list::{nothing, some},
};
use crate::{
    client_session::{self, errors, output::Output},
    exit::Exit,
    list_cache::Listed,
    logging,
    render::{
        lists, safe,
        tool::{self, ServerWords},
    },
    user_error::UserError,
};

/// The arguments of `anyport tools`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport tools [OPTIONS] SERVER [TOOL]\n       anyport tools [OPTIONS] [TOOL] -- COMMAND [ARGS]...",
    after_help = "Examples:\n  anyport tools https://example.com/mcp --grep 'search issues'\n  \
        anyport tools search_issues -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// The server (a URL, FILE#NAME or NAME of a running gateway, an anyport.toml or an mcp.json), unless a command stands after
    /// --; then the name of a tool, which is shown with all its arguments.
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    /// Only tools whose name, title, description or names of arguments contain each of these words.
    #[arg(long, value_name = "WORDS")]
    grep: Option<String>,
    #[command(flatten)]
    pub(crate) options: client_session::Options,
}

/// Lists the tools, or shows one.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut words = arguments.words.clone();
    let target = arguments.options.server.target_of(&mut words);
    let name = (!words.is_empty()).then(|| words.remove(0));
    if let Some(further) = words.first() {
        let help = "write SERVER, or SERVER TOOL; --grep WORDS looks for several";
        return Err(UserError::usage(format!("{further} is one word too many"), help));
    }
    if let (Some(target), Some(name)) = (&target, &name) {
        in_order("tools", target, name)?;
    }
    if let (Some(name), Some(_)) = (&name, &arguments.grep) {
        let help = "leave out the name of the tool, or --grep";
        return Err(UserError::usage(format!("both the tool {name} and --grep were given"), help));
    }
    let server = target.clone().map_or_else(
        || ServerWords::Command(arguments.options.server.command().to_vec()),
        ServerWords::First,
    );
    let grep = arguments.grep.clone();
    client_session::with(&arguments.options, target.as_deref(), async move |session, output| {
        let tools = some(session.client.tools().await).map_err(|error| errors::of_call(&error))?;
        session.store(Listed::Tools(&tools)).await;
        match name {
            Some(name) => show(&tools, &name, &server, output),
            None => list(tools, grep.as_deref(), output),
        }
    })
}

fn list(mut tools: Vec<Tool>, grep: Option<&str>, mut output: Output) -> Result<Exit> {
    let all = tools.len();
    if let Some(words) = grep {
        tools.retain(|tool| has_words(tool, words));
    }
    match (tools.is_empty(), all) {
        (true, 0) => nothing(&output, "tools"),
        (true, all) => logging::notice(format!("none of the server's {all} tools has all of these words")),
        _ => {}
    }
    output.show(
        || json!({ "tools": tools }),
        |output| Ok(lists::tools(&tools, output.detail, output.screen)),
    )?;
    Ok(Exit::Done)
}

fn show(tools: &[Tool], name: &str, server: &ServerWords, mut output: Output) -> Result<Exit> {
    let found = find(tools, name)?;
    output.show(|| found, |output| Ok(tool::tool(found, server, output.screen)))?;
    Ok(Exit::Done)
}

/// Whether each of `words` stands in the name, the title, the description or the arguments of a tool, in capitals or not.
fn has_words(tool: &Tool, words: &str) -> bool {
    let texts = [Some(&tool.name), tool.title.as_ref(), tool.description.as_ref()];
    let arguments = tool.input_schema.get("properties").and_then(|all| all.as_object());
    let names = arguments.into_iter().flatten().map(|(name, _)| name.as_str());
    let texts = texts.into_iter().flatten().map(String::as_str).chain(names);
    let texts: Vec<String> = texts.map(str::to_lowercase).collect();
    words.to_lowercase().split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
}

/// The tool called `name`.
///
/// # Errors
/// When the server has no tool of this name; the error suggests similar names.
pub(crate) fn find<'t>(tools: &'t [Tool], name: &str) -> Result<&'t Tool> {
    tools.iter().find(|tool| tool.name == name).ok_or_else(|| {
        let names = || tools.iter().map(|tool| tool.name.as_str());
        let help = did_you_mean(name, names()).unwrap_or_else(|| match tools.len() {
            0 => "it has no tools at all".to_owned(),
            1..=12 => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
            many => format!("`anyport tools` lists its {many}"),
        });
        UserError::usage(safe::line(&format!("the server has no tool {name}")), safe::line(&help))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn words_are_looked_for_wherever_a_tool_has_some() {
        let tool: Tool = from_value(json!({"name": "search_issues", "description": "Finds Bugs.",
            "inputSchema": {"type": "object", "properties": {"repository": {}}}}))
        .unwrap();
        for words in ["issue", "BUGS search", "repo", ""] {
            assert!(has_words(&tool, words), "{words}");
        }
        assert!(!has_words(&tool, "issue pull"));
    }

    #[test]
    fn a_tool_that_is_not_there_is_answered_with_what_is_meant() {
        let tools: Vec<Tool> = ["add", "list"]
            .map(|name| from_value(json!({"name": name, "inputSchema": {"type": "object"}})).unwrap())
            .into();
        assert_eq!(find(&tools, "add").unwrap().name, "add");
        let help = |name: &str| find(&tools, name).unwrap_err().downcast::<UserError>().unwrap().help;
        assert!(help("ad").contains("did you mean add?"), "{}", help("ad"));
        assert_eq!(help("zzzzz"), "it has add, list");
    }
}
