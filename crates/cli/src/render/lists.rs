//! Lists: tools, resources, templates, prompts.

use anyport_protocol::types::{Prompt, Resource, ResourceTemplate, Tool};

use super::{Screen, content::size, safe, signature, table};

/// How much is shown of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The name alone.
    Name,
    /// The length of two lines.
    Usual,
    /// All there is.
    All,
}

/// Tools as functions, each with what it does.
pub(crate) fn tools(tools: &[Tool], detail: Detail, screen: Screen) -> String {
    let one = |tool: &Tool| match detail {
        Detail::Name => safe::line(&tool.name) + "\n",
        _ => {
            let takes = signature::arguments(&tool.input_schema);
            let called = signature::within(&tool.name, &takes, screen.width);
            let (name, rest) = called.split_at(safe::line(&tool.name).len());
            let mut out = format!("{}{rest}\n", screen.strong(name));
            out += &described(tool.description.as_deref().or(tool.title.as_deref()), detail, screen);
            if detail == Detail::All {
                out += &arguments(tool, screen);
            }
            out
        }
    };
    tools.iter().map(one).collect()
}

/// The arguments of a tool that say something about themselves.
fn arguments(tool: &Tool, screen: Screen) -> String {
    let properties = tool.input_schema.get("properties").and_then(|all| all.as_object());
    let about = |(name, argument): (&String, &serde_json::Value)| {
        let text = argument.get("description")?.as_str()?;
        Some(format!("    {}  {}\n", safe::line(name), screen.faint(safe::line(text))))
    };
    properties.into_iter().flatten().filter_map(about).collect()
}

/// Prompts as functions; all their arguments are text.
pub(crate) fn prompts(prompts: &[Prompt], detail: Detail, screen: Screen) -> String {
    let one = |prompt: &Prompt| match detail {
        Detail::Name => safe::line(&prompt.name) + "\n",
        _ => {
            let argument = |argument: &anyport_protocol::types::PromptArgument| {
                let mark = if argument.required == Some(true) { "" } else { "?" };
                format!("{}{mark}", argument.name)
            };
            let takes: Vec<String> = prompt.arguments.iter().flatten().map(argument).collect();
            let called = signature::within(&prompt.name, &takes, screen.width);
            let (name, rest) = called.split_at(safe::line(&prompt.name).len());
            let mut out = format!("{}{rest}\n", screen.strong(name));
            out += &described(prompt.description.as_deref().or(prompt.title.as_deref()), detail, screen);
            out
        }
    };
    prompts.iter().map(one).collect()
}

/// Resources as a table; no URI and no name is cut.
pub(crate) fn resources(resources: &[Resource], detail: Detail, screen: Screen) -> String {
    if detail == Detail::Name {
        return resources.iter().map(|resource| safe::line(&resource.uri) + "\n").collect();
    }
    let row = |resource: &Resource| {
        vec![
            resource.uri.clone(),
            resource.title.clone().unwrap_or_else(|| resource.name.clone()),
            resource.mime_type.clone().unwrap_or_default(),
            resource.size.map(size).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = resources.iter().map(row).collect();
    if rows.is_empty() {
        String::new()
    } else {
        table::whole(&["uri", "name", "type", "size"], &rows, screen)
    }
}

/// Forms of URIs as a table.
pub(crate) fn templates(templates: &[ResourceTemplate], detail: Detail, screen: Screen) -> String {
    if detail == Detail::Name {
        return templates.iter().map(|template| safe::line(&template.uri_template) + "\n").collect();
    }
    let row = |template: &ResourceTemplate| {
        vec![
            template.uri_template.clone(),
            template.title.clone().unwrap_or_else(|| template.name.clone()),
            template.mime_type.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = templates.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { table::whole(&["template", "name", "type"], &rows, screen) }
}

/// A description below its name: its first line, or all of it.
fn described(text: Option<&str>, detail: Detail, screen: Screen) -> String {
    let text = safe::text(text.unwrap_or_default().trim());
    let lines = text.lines().map(str::trim_end);
    let indented = |line: &str| match (line.is_empty(), detail, screen.width) {
        (true, _, _) => "\n".to_owned(),
        (_, Detail::Usual, Some(width)) => format!("    {}\n", screen.faint(table::cut(line, width - 4))),
        _ => format!("    {}\n", screen.faint(line)),
    };
    match detail {
        Detail::All => lines.map(indented).collect(),
        _ => lines.take(1).map(indented).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn some<T: serde::de::DeserializeOwned>(value: Value) -> Vec<T> {
        vec![from_value(value).unwrap()]
    }

    #[test]
    fn tools_are_functions_with_what_they_do() {
        let tool = some(json!({"name": "add", "description": "Adds.\nTwo \u{1b}numbers.",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "description": "One."}}}}));
        let shown = |detail| tools(&tool, detail, Screen::PLAIN);
        assert_eq!(shown(Detail::Name), "add\n");
        assert_eq!(shown(Detail::Usual), "add(a?: integer)\n    Adds.\n");
        let all = "add(a?: integer)\n    Adds.\n    Two \\u{1b}numbers.\n    a  One.\n";
        assert_eq!(shown(Detail::All), all);
        let bare = some(json!({"name": "now", "inputSchema": {"type": "object"}}));
        assert_eq!(tools(&bare, Detail::Usual, Screen::PLAIN), "now()\n");
    }

    #[test]
    fn prompts_say_what_they_take() {
        let prompt = some(json!({"name": "ask", "title": "Ask",
            "arguments": [{"name": "who", "required": true}, {"name": "why"}]}));
        assert_eq!(prompts(&prompt, Detail::Usual, Screen::PLAIN), "ask(who, why?)\n    Ask\n");
    }

    #[test]
    fn resources_and_templates_are_tables() {
        let resource =
            some(json!({"uri": "docs:///a.md", "name": "a", "mimeType": "text/markdown", "size": 2048}));
        let expected = "uri           name  type           size\ndocs:///a.md  a     text/markdown  2.0 KB\n";
        assert_eq!(resources(&resource, Detail::Usual, Screen::PLAIN), expected);
        let template = some(json!({"uriTemplate": "docs:///{+path}", "name": "a"}));
        let expected = "template         name  type\ndocs:///{+path}  a\n";
        assert_eq!(templates(&template, Detail::Usual, Screen::PLAIN), expected);
        assert_eq!(resources(&[], Detail::Usual, Screen::PLAIN), "");
        // A terminal that is too narrow for a table has a resource on several lines, and all of it.
        let narrow = Screen { width: Some(40), colours: false };
        let uri = "file:///a/long/way/to/a/resource/with/a/long/name.md";
        let resource = some(json!({"uri": uri, "name": "a name", "mimeType": "text/markdown", "size": 2048}));
        let expected = format!("{uri}\n    a name  text/markdown  2.0 KB\n");
        assert_eq!(resources(&resource, Detail::Usual, narrow), expected);
    }
}
