//! Text of strangers, as people see it.

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

/// Whether a character can be seen, or is the space between others. Those that change the direction of text (Unicode Standard Annex 9)
/// are among those that cannot: a name with them reads like another one.
pub fn is_visible(sign: char) -> bool {
    // What annotates text between lines has no shape either.
    let is_annotation = matches!(sign, '\u{fff9}'..='\u{fffb}');
    !is_annotation && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(sign)
}

/// `text` without what cannot be seen, on one line, with single spaces.
pub fn on_one_line(text: &str) -> String {
    let visible: String = text.chars().filter(|sign| is_visible(*sign)).collect();
    visible
        .split(|sign: char| sign.is_whitespace() || sign.is_control())
        .filter(|word| !word.is_empty())
        .fold(String::new(), |mut line, word| {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            line
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        for sign in [
            '\u{61c}',
            '\u{3164}',
            '\u{115f}',
            '\u{200b}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
            '\u{ad}',
        ] {
            assert_eq!(on_one_line(&format!("Ro{sign}bot")), "Robot", "{sign:?}");
        }
        assert_eq!(on_one_line(" Ada\u{2028}\t\u{3000} Lovelace\r\n"), "Ada Lovelace");
        assert_eq!(on_one_line("\u{3164}\u{2003}\u{200d}"), "");
        assert_eq!(on_one_line("Ünï 世界 עברית"), "Ünï 世界 עברית");
    }
}
