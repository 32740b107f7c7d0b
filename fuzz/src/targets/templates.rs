//! URI templates: what they make is what they read.

use anyport_server::fuzzing::TemplateReader;

use expand::{Given, Value, expand};

// Nothing of the product expands a template, so what its unit tests compare with is used here as well.
#[path = "../../../crates/server/src/resource/template/expand.rs"]
#[allow(dead_code, reason = "no template reads a map")]
mod expand;

/// The lines are a template, a URI, and what values are made of. The URI is read in linear time, and no value leads out of a
/// folder; what a template that is accepted reads of a URI that it has made, makes that URI again.
pub(super) fn template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n');
    let (template, uri, material) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
    let Some(reader) = TemplateReader::parse(template) else { return };
    let uri = uri.unwrap_or(template);
    for (_, value) in read(&reader, template, uri).unwrap_or_default() {
        assert!(!value.contains('\0'), "{value:?} of {uri:?}");
        assert!(value.split(['/', '\\']).all(|segment| segment != ".."), "{value:?} of {uri:?}");
    }
    reads_what_it_makes(&reader, template, material.unwrap_or_default());
}

fn read(reader: &TemplateReader, template: &str, uri: &str) -> Option<Vec<(String, String)>> {
    let (values, steps) = reader.read(uri);
    // No template has more parts than characters.
    let most = 4 * (template.len() + 2) * (uri.len() + 1);
    assert!(steps <= most, "{steps} steps to read {uri:?} with {template:?}");
    values
}

fn reads_what_it_makes(reader: &TemplateReader, template: &str, material: &str) {
    // Of what stands in the template percent-encoded, or could be, a value is made that is written otherwise.
    if template.contains(['%', ' ', '\u{e000}', '\u{e001}']) {
        return;
    }
    let mut material = material.bytes();
    let mut given = Given::new();
    for (name, is_list) in reader.variables() {
        let value = match is_list {
            true => Value::List(vec![value(&mut material), value(&mut material)]),
            false => Value::Text(value(&mut material)),
        };
        given.insert(name, value);
    }
    let expanded = |given| expand(template, given).unwrap_or_else(|| panic!("{template:?} is no template"));
    let uri = expanded(&given);
    let Some(values) = read(reader, template, &uri) else {
        panic!("{template:?} makes {uri:?}, and does not read it")
    };
    // Where several readings are possible it may be another one, of the same URI.
    let variables = reader.variables().into_iter().map(|(name, is_list)| {
        let mut texts = values.iter().filter(|(other, _)| *other == name).map(|(_, text)| text.clone());
        let value = if is_list { Some(Value::List(texts.collect())) } else { texts.next().map(Value::Text) };
        Some((name, value?))
    });
    let again = expanded(&variables.flatten().collect());
    assert_eq!(again, uri, "{template:?} reads {values:?}");
}

/// A value of characters that no template here has. Each is percent-encoded, whatever the operator, so a URI has one way to be
/// written.
fn value(material: &mut impl Iterator<Item = u8>) -> String {
    let letters = material.by_ref().take_while(|byte| byte % 5 != 0).take(12);
    let text: String = letters.map(|byte| ['\u{e000}', '\u{e001}', ' '][usize::from(byte % 3)]).collect();
    if text.is_empty() { "\u{e000}".to_owned() } else { text }
}
