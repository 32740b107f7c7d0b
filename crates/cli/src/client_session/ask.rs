//! Server requests, shown in the terminal.
//!
//! 2026-07-28, client/elicitation, "User Interaction Model": "Clients **SHOULD** ... Make it clear which server is
//! requesting information ... Allow users to review and modify their responses before sending". Without a terminal the
//! request is declined, with a message.

use std::io::{IsTerminal as _, stderr, stdin};

use anyport_client::{ElicitAnswer, Form, Page};
use anyport_protocol::types::{ElicitAction, JsonObject};
use inquire::{Confirm, InquireError, MultiSelect, Select, Text, validator::Validation};
use serde_json::{Number, Value, json};

use super::progress::Bar;
use crate::{logging, render::safe};

/// Whether there is a terminal to ask in.
pub(crate) fn is_interactive() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Lets the user fill in a form.
pub(crate) async fn form(form: Form, bar: Bar) -> ElicitAnswer {
    if !is_interactive() {
        let (server, message) = (safe::line(form.server()), safe::line(form.message()));
        logging::notice(format!(
            "declined, since there is no terminal to ask in: {server} asks: {message}\n  help: run this command in a terminal"
        ));
        return ElicitAnswer::Decline;
    }
    let asked = tokio::task::spawn_blocking(move || bar.aside(|| fill_in(&form))).await;
    match asked {
        Ok(Ok(answer)) => answer,
        // Escape and Ctrl-C go away without choosing.
        _ => ElicitAnswer::Cancel,
    }
}

/// Lets the user decide on a page.
pub(crate) async fn page(page: Page, bar: Bar) -> ElicitAction {
    let words =
        format!("{} asks you to visit a page: {}", safe::line(&page.server), safe::line(&page.message));
    let url = format!("{}\n  {}", safe::line(&page.url), host(&page.url));
    if !is_interactive() {
        logging::notice(format!(
            "declined, since there is no terminal to ask in: {words}\n  {url}\n  help: run this command in a terminal"
        ));
        return ElicitAction::Decline;
    }
    let ask = move || {
        // Shown whole and never opened by us: it is the user who decides where to go.
        logging::notice(format!("{words}\n  {url}"));
        Confirm::new("Do you open it in your browser?").with_default(false).prompt()
    };
    match tokio::task::spawn_blocking(move || bar.aside(ask)).await {
        Ok(Ok(true)) => ElicitAction::Accept,
        Ok(Ok(false)) => ElicitAction::Decline,
        _ => ElicitAction::Cancel,
    }
}

/// The host of a URL, and the misleading parts of the URL.
///
/// 2026-07-28, client/elicitation: clients MUST "clearly display the target domain/host"; §Safe URL Handling: they "SHOULD
/// have warnings for ambiguous/suspicious URIs (i.e., containing Punycode)".
fn host(url: &str) -> String {
    let Ok(parsed) = url::Url::parse(url) else { return "warning: this is no URL".into() };
    let Some(host) = parsed.host_str() else {
        return format!("warning: this leads to no host, but to {}:", safe::line(parsed.scheme()));
    };
    let mut words = format!("on the host {}", safe::line(host));
    if host.split('.').any(|label| label.starts_with("xn--")) {
        words += "; warning: its name has letters that may look like others";
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        words += "; warning: what stands before @ is no host";
    }
    let here = host == "localhost" || host == "127.0.0.1" || host == "[::1]";
    match parsed.scheme() {
        "https" => {}
        "http" if here => {}
        "http" => words += "; warning: what is sent there can be read on the way (http)",
        other => words += &format!("; warning: {}: is no page of the web", safe::line(other)),
    }
    words
}

const SEND: &str = "Send";
const FILL_IN: &str = "Answer";
const CHANGE: &str = "Change";
const DECLINE: &str = "Decline";

fn fill_in(form: &Form) -> Result<ElicitAnswer, InquireError> {
    logging::notice(format!("{} asks: {}", safe::line(form.server()), safe::text(form.message())));
    let schema = serde_json::to_value(form.schema()).unwrap_or_default();
    let fields: Vec<Field> = Field::of(&schema);
    let first = if fields.is_empty() { SEND } else { FILL_IN };
    if Select::new("Your answer?", vec![first, DECLINE]).prompt()? == DECLINE {
        return Ok(ElicitAnswer::Decline);
    }
    let mut content: JsonObject = form.defaults();
    loop {
        for field in &fields {
            match field.ask(content.get(&field.name))? {
                Some(value) => content.insert(field.name.clone(), value),
                None => content.shift_remove(&field.name),
            };
        }
        if fields.is_empty() {
            return Ok(ElicitAnswer::accept(content));
        }
        if let Err(wrong) = form.check(&content) {
            logging::notice(format!("that is not what was asked for: {}", safe::text(&wrong)));
            continue;
        }
        logging::notice(safe::text(&serde_json::to_string_pretty(&content).unwrap_or_default()));
        match Select::new("Send this?", vec![SEND, CHANGE, DECLINE]).prompt()? {
            SEND => return Ok(ElicitAnswer::accept(content)),
            DECLINE => return Ok(ElicitAnswer::Decline),
            _ => {}
        }
    }
}

/// One field of a form.
#[derive(Debug, PartialEq)]
struct Field {
    name: String,
    label: String,
    help: Option<String>,
    required: bool,
    kind: Kind,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Text,
    Number {
        whole: bool,
    },
    Truth,
    /// Values with what is shown for them.
    One(Vec<(Value, String)>),
    Many(Vec<(Value, String)>),
}

impl Field {
    /// The fields of a form, in its order.
    fn of(schema: &Value) -> Vec<Self> {
        let required = schema["required"].as_array();
        let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|other| other == name));
        let fields = schema["properties"].as_object().into_iter().flatten();
        let one = |(name, field): (&String, &Value)| Self {
            label: safe::line(field["title"].as_str().unwrap_or(name)),
            help: field["description"].as_str().map(safe::line),
            required: is_required(name),
            kind: Kind::of(field),
            name: name.clone(),
        };
        fields.map(one).collect()
    }

    /// Asks for its value; `None` leaves it out.
    fn ask(&self, known: Option<&Value>) -> Result<Option<Value>, InquireError> {
        let label = if self.required { self.label.clone() } else { format!("{} (optional)", self.label) };
        let help = self.help.as_deref();
        match &self.kind {
            Kind::Truth => {
                let mut prompt = Confirm::new(&label);
                prompt.help_message = help;
                prompt.default = known.and_then(Value::as_bool).or((!self.required).then_some(false));
                prompt.prompt().map(|yes| Some(Value::Bool(yes)))
            }
            Kind::One(choices) => {
                let shown: Vec<&str> = choices.iter().map(|(_, shown)| shown.as_str()).collect();
                let start = choices.iter().position(|(value, _)| Some(value) == known).unwrap_or(0);
                let mut prompt = Select::new(&label, shown).with_starting_cursor(start);
                prompt.help_message = help.or(prompt.help_message);
                let chosen =
                    if self.required { Some(prompt.raw_prompt()?) } else { prompt.raw_prompt_skippable()? };
                Ok(chosen.map(|chosen| choices[chosen.index].0.clone()))
            }
            Kind::Many(choices) => {
                let shown: Vec<&str> = choices.iter().map(|(_, shown)| shown.as_str()).collect();
                let known = known.and_then(Value::as_array);
                let chosen = |(value, _): &(Value, String)| known.is_some_and(|known| known.contains(value));
                let start: Vec<usize> = choices
                    .iter()
                    .enumerate()
                    .filter(|(_, choice)| chosen(choice))
                    .map(|(at, _)| at)
                    .collect();
                let mut prompt = MultiSelect::new(&label, shown).with_default(&start);
                prompt.help_message = help.or(prompt.help_message);
                let chosen = prompt.raw_prompt()?;
                Ok(Some(chosen.into_iter().map(|chosen| choices[chosen.index].0.clone()).collect()))
            }
            Kind::Text | Kind::Number { .. } => {
                let whole = matches!(self.kind, Kind::Number { whole: true });
                let is_text = self.kind == Kind::Text;
                let required = self.required;
                let start =
                    known.map(|known| known.as_str().map_or_else(|| known.to_string(), str::to_owned));
                let mut prompt = Text::new(&label).with_validator(move |text: &str| {
                    Ok(match read(text, is_text, whole) {
                        _ if text.is_empty() && !required => Validation::Valid,
                        Ok(_) => Validation::Valid,
                        Err(wrong) => Validation::Invalid(wrong.into()),
                    })
                });
                prompt.help_message = help;
                prompt.initial_value = start.as_deref();
                let text = prompt.prompt()?;
                // An empty text is one that was left out, unless it must be there.
                if text.is_empty() && !required {
                    return Ok(None);
                }
                Ok(read(&text, is_text, whole).ok())
            }
        }
    }
}

impl Kind {
    fn of(field: &Value) -> Self {
        let titled = |list: &Value| -> Option<Vec<(Value, String)>> {
            let one = |choice: &Value| {
                let value = choice.get("const")?;
                let title = choice["title"].as_str().or(value.as_str())?;
                Some((value.clone(), safe::line(title)))
            };
            list.as_array()?.iter().map(one).collect()
        };
        let plain = |of: &Value| -> Option<Vec<(Value, String)>> {
            let names = of["enumNames"].as_array();
            let one = |(at, value): (usize, &Value)| {
                let name = names.and_then(|names| names.get(at)?.as_str()).or(value.as_str())?;
                Some((value.clone(), safe::line(name)))
            };
            of["enum"].as_array()?.iter().enumerate().map(one).collect()
        };
        let items = &field["items"];
        if let Some(choices) = titled(&items["anyOf"]).or_else(|| plain(items)) {
            return Self::Many(choices);
        }
        if let Some(choices) = titled(&field["oneOf"]).or_else(|| plain(field)) {
            return Self::One(choices);
        }
        match field["type"].as_str() {
            Some("boolean") => Self::Truth,
            Some("integer") => Self::Number { whole: true },
            Some("number") => Self::Number { whole: false },
            _ => Self::Text,
        }
    }
}

fn read(text: &str, is_text: bool, whole: bool) -> Result<Value, &'static str> {
    if is_text {
        return Ok(json!(text));
    }
    match text.trim().parse::<Number>() {
        Ok(number) if whole && number.is_f64() => Err("a whole number is wanted"),
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Err("a number is wanted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_field_is_asked_for_as_what_it_is() {
        let schema = json!({
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "title": "Your \u{1b}name", "description": "As people call you."},
                "age": {"type": "integer"}, "height": {"type": "number"}, "sure": {"type": "boolean"},
                "plain": {"type": "string", "enum": ["a", "b"]},
                "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
                "legacy": {"type": "string", "enum": ["a"], "enumNames": ["A"]},
                "many": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
                "several": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
            }
        });
        let fields = Field::of(&schema);
        let choice = |title: &str| vec![(json!("a"), title.to_owned())];
        assert_eq!(fields[0].label, "Your \\u{1b}name");
        assert_eq!((fields[0].required, fields[1].required), (true, false));
        let kinds: Vec<Kind> = fields.into_iter().map(|field| field.kind).collect();
        let expected = [
            Kind::Text,
            Kind::Number { whole: true },
            Kind::Number { whole: false },
            Kind::Truth,
            Kind::One(vec![(json!("a"), "a".into()), (json!("b"), "b".into())]),
            Kind::One(choice("A")),
            Kind::One(choice("A")),
            Kind::Many(choice("A")),
            Kind::Many(choice("a")),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_page_is_shown_with_its_host_and_what_may_mislead() {
        assert_eq!(host("https://pay.example/a?b=c"), "on the host pay.example");
        assert_eq!(host("http://localhost:3000/"), "on the host localhost");
        let check = |url: &str, words: &[&str]| {
            let host = host(url);
            assert!(words.iter().all(|word| host.contains(word)), "{url}: {host}");
        };
        check("https://p\u{430}ypal.example/", &["on the host xn--", "letters that may look like others"]);
        check("https://xn--pypal-4ve.example/", &["letters that may look like others"]);
        check("https://bank.example@evil.example/", &["on the host evil.example", "before @ is no host"]);
        check("http://pay.example/", &["can be read on the way"]);
        check("ssh://pay.example/", &["no page of the web"]);
        check("javascript:alert(1)", &["leads to no host"]);
        check("pay.example", &["no URL"]);
    }

    #[test]
    fn numbers_are_read_as_numbers() {
        assert_eq!(read("3", false, true), Ok(json!(3)));
        assert_eq!(read(" 3.5 ", false, false), Ok(json!(3.5)));
        assert!(read("3.5", false, true).is_err());
        assert!(read("three", false, false).is_err());
        assert_eq!(read("3", true, false), Ok(json!("3")));
    }
}
