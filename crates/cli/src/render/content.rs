//! Content blocks of tools, resources and prompts.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyport_protocol::types::{
    CallToolResult, ContentBlock, GetPromptResult, ReadResourceResult, ResourceContents,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

use super::{Screen, safe, table};

/// Where what is no text goes: into a folder, or nowhere.
#[derive(Debug, Default)]
pub(crate) struct Files {
    folder: Option<PathBuf>,
}

impl Files {
    /// Into `folder`, which is made when it is not there.
    pub(crate) fn into(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Writes bytes to a new file; `None` when none are wanted. Neither its folder nor its name is the server's choice.
    fn save(&self, kind: &str, mime_type: Option<&str>, bytes: &[u8]) -> io::Result<Option<PathBuf>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        fs::create_dir_all(folder)?;
        let ending = ending(mime_type.unwrap_or_default());
        for number in 1_u32.. {
            let path = folder.join(format!("{kind}-{number}.{ending}"));
            match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(bytes)?;
                    return Ok(Some(path));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The ending of files of a type.
fn ending(mime_type: &str) -> &'static str {
    match mime_type.split(';').next().unwrap_or_default().trim() {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/gzip" => "gz",
        "application/json" => "json",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/markdown" => "md",
        _ => "bin",
    }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits of it are shown")]
    let mut shown = bytes as f64 / 1024.0;
    let mut unit = 0;
    while shown >= 1024.0 && unit + 1 < UNITS.len() {
        shown /= 1024.0;
        unit += 1;
    }
    match shown < 10.0 {
        true => format!("{shown:.1} {}", UNITS[unit]),
        false => format!("{shown:.0} {}", UNITS[unit]),
    }
}

/// How much of a result that says the same twice is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One answer: the text where there is some, else the structured content. Where the text is the JSON of the structured
    /// content, that stands in its place, in the form for people.
    One,
    /// The text and the structured content.
    All,
}

/// Renders the result of a tool.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn tool_result(
    result: &CallToolResult,
    answer: Answer,
    files: &Files,
    screen: Screen,
) -> io::Result<String> {
    let mut out = String::new();
    let mut structured = result.structured_content.as_ref();
    if answer == Answer::One {
        structured = structured.filter(|value| !is_content_again(value, &result.content));
    }
    let mut has_text = false;
    for block in &result.content {
        let repeated = answer == Answer::One && structured.is_some_and(|value| is_text_of(block, value));
        has_text |= !repeated && is_text(block);
        if !repeated {
            out += &self::block(block, files, screen)?;
        }
    }
    if let Some(value) = structured.filter(|_| answer == Answer::All || !has_text) {
        out += &structured_content(value, screen);
    }
    Ok(out)
}

/// Whether it is text that says something.
fn is_text(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Text(block) if !block.text.trim().is_empty())
}

/// "For backwards compatibility, a tool that returns structured content SHOULD also return the serialized JSON in a
/// TextContent block." (2026-07-28, server/tools, "Structured Content")
fn is_text_of(block: &ContentBlock, value: &Value) -> bool {
    let ContentBlock::Text(block) = block else { return false };
    let inner = only_member(value);
    match serde_json::from_str::<Value>(&block.text) {
        Ok(text) => text == *value || Some(&text) == inner,
        // Some servers wrap plain text for their schema, and send it as it was, too.
        Err(_) => inner.and_then(Value::as_str) == Some(&block.text),
    }
}

/// Whether the structured content is the blocks of content themselves: so some servers fill in a schema that asks for them.
/// The blocks say it better, above all where they are images.
fn is_content_again(value: &Value, content: &[ContentBlock]) -> bool {
    let Some(Value::Array(inner)) = only_member(value) else { return false };
    !content.is_empty()
        && inner.len() == content.len()
        && serde_json::to_value(content).is_ok_and(|content| content.as_array() == Some(inner))
}

/// The value inside an object that only wraps it for the sake of a schema.
fn only_member(value: &Value) -> Option<&Value> {
    value.as_object().filter(|object| object.len() == 1)?.values().next()
}

/// A table where the value is one, else JSON.
pub(crate) fn structured_content(value: &Value, screen: Screen) -> String {
    let inner = only_member(value).unwrap_or(value);
    if let Some(text) = inner.as_str() {
        return ended(safe::text(text));
    }
    // FastMCP and others wrap what is no object so, since an older revision knows only objects.
    let is_wrapped =
        value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("result"));
    rows(inner, screen).unwrap_or_else(|| json(if is_wrapped { inner } else { value }))
}

/// JSON for people. Written by us, so that control characters are escaped in it already; others are made safe.
pub(crate) fn json(value: &Value) -> String {
    ended(safe::text(&serde_json::to_string_pretty(value).unwrap_or_default()))
}

/// More columns than this are no table that people read.
const COLUMNS: usize = 8;

/// A list of flat objects with the same members, as a table.
fn rows(value: &Value, screen: Screen) -> Option<String> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let first = list[0].as_object().filter(|first| !first.is_empty() && first.len() <= COLUMNS)?;
    let headings: Vec<String> = first.keys().map(|key| safe::line(key)).collect();
    let mut rows = Vec::with_capacity(list.len());
    for one in list {
        let object = one.as_object().filter(|object| object.keys().eq(first.keys()))?;
        let cell = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            Value::Array(_) | Value::Object(_) => None,
            other => Some(other.to_string()),
        };
        rows.push(object.values().map(cell).collect::<Option<Vec<_>>>()?);
    }
    Some(table::table(&headings.iter().map(String::as_str).collect::<Vec<_>>(), &rows, screen))
}

/// The contents of a resource.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn resource(result: &ReadResourceResult, files: &Files, screen: Screen) -> io::Result<String> {
    let several = result.contents.len() > 1;
    let mut out = String::new();
    for contents in &result.contents {
        out += &self::contents(contents, several, files, screen)?;
    }
    Ok(out)
}

/// The messages of a prompt, each under who says it.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn prompt(result: &GetPromptResult, files: &Files, screen: Screen) -> io::Result<String> {
    let mut out = String::new();
    for message in &result.messages {
        let role = safe::line(message.role.as_str());
        out += &format!("{}\n{}", screen.strong(format!("{role}:")), block(&message.content, files, screen)?);
    }
    Ok(out)
}

/// One block of content.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn block(block: &ContentBlock, files: &Files, screen: Screen) -> io::Result<String> {
    match block {
        ContentBlock::Text(text) => Ok(ended(safe::text(&text.text))),
        ContentBlock::Image(image) => {
            bytes("image", Some(&image.mime_type), None, &image.data, files, screen)
        }
        ContentBlock::Audio(audio) => {
            bytes("audio", Some(&audio.mime_type), None, &audio.data, files, screen)
        }
        ContentBlock::ResourceLink(link) => {
            let mut text = format!("[link {}", link.uri);
            for part in [link.mime_type.clone(), link.size.map(size)].into_iter().flatten() {
                text += &format!(" {part}");
            }
            let name = link.title.as_ref().unwrap_or(&link.name);
            Ok(format!("{} {}\n", screen.faint(safe::line(&text) + "]"), safe::line(name)))
        }
        ContentBlock::Resource(embedded) => contents(&embedded.resource, true, files, screen),
        ContentBlock::Unknown(value) => {
            let kind = value.get("type").and_then(Value::as_str).unwrap_or("of no type");
            Ok(format!("{}\n{}", screen.faint(format!("[content {}]", safe::line(kind))), json(value)))
        }
    }
}

fn contents(contents: &ResourceContents, headed: bool, files: &Files, screen: Screen) -> io::Result<String> {
    match contents {
        ResourceContents::Text(text) => {
            let kind = text.mime_type.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
            let head = screen.faint(safe::line(&format!("[resource {}{kind}]", text.uri)));
            let body = ended(safe::text(&text.text));
            Ok(if headed { format!("{head}\n{body}") } else { body })
        }
        ResourceContents::Blob(blob) => {
            bytes("resource", blob.mime_type.as_deref(), Some(&blob.uri), &blob.blob, files, screen)
        }
        ResourceContents::Unknown(value) => Ok(json(value)),
    }
}

/// `[image image/png 12 KB]`, and where it was saved.
fn bytes(
    kind: &str,
    mime_type: Option<&str>,
    uri: Option<&str>,
    base64: &str,
    files: &Files,
    screen: Screen,
) -> io::Result<String> {
    let mut text = kind.to_owned();
    for part in [uri, mime_type].into_iter().flatten() {
        text += &format!(" {part}");
    }
    let Ok(bytes) = BASE64.decode(base64.trim()) else {
        return Ok(screen.doubtful(safe::line(&format!("[{text}: its data is no Base64]"))) + "\n");
    };
    text += &format!(" {}", size(bytes.len() as u64));
    if let Some(path) = files.save(kind, mime_type, &bytes).map_err(|error| at(files, error))? {
        text += &format!(" saved as {}", path.display());
    }
    Ok(screen.faint(safe::line(&format!("[{text}]"))) + "\n")
}

fn at(files: &Files, error: io::Error) -> io::Error {
    let folder = files.folder.as_deref().unwrap_or(Path::new("."));
    io::Error::new(error.kind(), format!("cannot write to {}: {error}", folder.display()))
}

/// With a line end, so that the prompt of the shell begins its own line.
fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn result(value: Value) -> String {
        let result: CallToolResult = from_value(value).unwrap();
        tool_result(&result, Answer::One, &Files::default(), Screen::PLAIN).unwrap()
    }

    fn all(value: Value) -> String {
        let result: CallToolResult = from_value(value).unwrap();
        tool_result(&result, Answer::All, &Files::default(), Screen::PLAIN).unwrap()
    }

    #[test]
    fn text_is_shown_and_commands_the_terminal_to_nothing() {
        let shown = result(
            json!({"content": [{"type": "text", "text": "a\nb\u{1b}[2J"}, {"type": "text", "text": ""}]}),
        );
        assert_eq!(shown, "a\nb\\u{1b}[2J\n");
    }

    #[test]
    fn what_is_no_text_is_named() {
        let data = BASE64.encode(vec![0; 12 * 1024]);
        let shown = result(json!({"content": [
            {"type": "image", "data": data, "mimeType": "image/png"},
            {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
            {"type": "image", "data": "?", "mimeType": "image/\u{1b}"},
            {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 3},
            {"type": "resource", "resource": {"uri": "file:///b", "mimeType": "text/plain", "text": "inner"}},
            {"type": "resource", "resource": {"uri": "file:///c", "blob": "AAAA"}},
            {"type": "hologram", "depth": 3},
        ]}));
        let expected = "[image image/png 12 KB]\n\
            [audio audio/wav 3 B]\n\
            [image image/\\u{1b}: its data is no Base64]\n\
            [link file:///a 3 B] a\n\
            [resource file:///b text/plain]\ninner\n\
            [resource file:///c 3 B]\n\
            [content hologram]\n{\n  \"type\": \"hologram\",\n  \"depth\": 3\n}\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_saved_never_writes_over_a_file_and_has_a_name_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("image-1.png"), "mine").unwrap();
        let files = Files::into(Some(out.clone()));
        let image = ContentBlock::image([1, 2, 3], "image/png");
        let shown = block(&image, &files, Screen::PLAIN).unwrap();
        assert_eq!(shown, format!("[image image/png 3 B saved as {}]\n", out.join("image-2.png").display()));
        assert_eq!(fs::read(out.join("image-1.png")).unwrap(), b"mine");
        assert_eq!(fs::read(out.join("image-2.png")).unwrap(), [1, 2, 3]);
        let odd = ContentBlock::image([4], "image/../../../evil");
        block(&odd, &files, Screen::PLAIN).unwrap();
        assert_eq!(fs::read(out.join("image-1.bin")).unwrap(), [4]);
        let nowhere = Files::into(Some(out.join("image-1.png")));
        assert!(block(&image, &nowhere, Screen::PLAIN).unwrap_err().to_string().contains("image-1.png"));
    }

    #[test]
    fn what_a_server_wraps_for_its_schema_is_shown_once() {
        let text = [json!({"type": "text", "text": "a\nb"})];
        assert_eq!(result(json!({"content": text, "structuredContent": {"content": "a\nb"}})), "a\nb\n");
        assert_eq!(all(json!({"content": text, "structuredContent": {"content": "c"}})), "a\nb\nc\n");
        let image = [json!({"type": "image", "data": "AAAA", "mimeType": "image/png"})];
        let shown = result(json!({"content": image, "structuredContent": {"content": image}}));
        assert_eq!(shown, "[image image/png 3 B]\n");
    }

    #[test]
    fn structured_content_is_shown_once_and_as_a_table_where_it_is_one() {
        let value = json!({"sum": 3, "of": [1, 2]});
        let text = json!({"type": "text", "text": value.to_string()});
        let shown = result(json!({"content": [text], "structuredContent": value}));
        assert_eq!(shown, json(&value));
        let list = json!({"result": [{"name": "a", "size": 1}, {"name": "b", "size": null}]});
        let shown = result(json!({"content": [], "structuredContent": list}));
        assert_eq!(shown, "name  size\na     1\nb\n");
        let wrapped =
            json!({"content": [{"type": "text", "text": "hi"}], "structuredContent": {"result": "hi"}});
        assert_eq!(result(wrapped), "hi\n");
        let other = json!({"content": [{"type": "text", "text": "two"}], "structuredContent": [{"a": {}}]});
        assert_eq!(result(other.clone()), "two\n");
        assert_eq!(all(other), "two\n[\n  {\n    \"a\": {}\n  }\n]\n");
    }

    #[test]
    fn what_has_no_text_is_its_structured_content() {
        assert_eq!(result(json!({"content": [], "structuredContent": {"result": 3}})), "3\n");
        assert_eq!(result(json!({"content": [], "structuredContent": {"result": []}})), "[]\n");
        assert_eq!(
            result(json!({"content": [], "structuredContent": {"result": {"a": 1}}})),
            "{\n  \"a\": 1\n}\n"
        );
        assert_eq!(result(json!({"content": [], "structuredContent": {"sum": 3}})), "{\n  \"sum\": 3\n}\n");
        let blank =
            json!({"content": [{"type": "text", "text": " "}], "structuredContent": {"result": true}});
        assert_eq!(result(blank), " \ntrue\n");
        let image = json!({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}],
            "structuredContent": {"result": 3}});
        assert_eq!(result(image), "[image image/png 3 B]\n3\n");
    }

    #[test]
    fn one_resource_is_its_text_and_several_are_headed() {
        let read = |value: Value| {
            let result: ReadResourceResult = from_value(value).unwrap();
            resource(&result, &Files::default(), Screen::PLAIN).unwrap()
        };
        let a = json!({"uri": "a", "text": "A"});
        assert_eq!(read(json!({"contents": [a]})), "A\n");
        assert_eq!(read(json!({"contents": [a, a]})), "[resource a]\nA\n[resource a]\nA\n");
    }

    #[test]
    fn a_prompt_says_who_speaks() {
        let result = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}]});
        let result: GetPromptResult = from_value(result).unwrap();
        assert_eq!(prompt(&result, &Files::default(), Screen::PLAIN).unwrap(), "user:\nhi\n");
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1023, 1024, 12_345, 5_000_000, 7 << 50].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KB", "12 KB", "4.8 MB", "7168 TB"]);
    }
}
