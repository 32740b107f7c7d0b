//! The beginning of a result.

use anyport_protocol::{
    Raw,
    json::{Elements, Members, Splice, string},
};

use super::measure::{BYTES_PER_TOKEN, estimated_tokens};

/// The blocks at the beginning of a result that have at most `max_tokens` together, and a block with `note`, which is given the number of
/// blocks that are left out.
///
/// Text is cut between two characters. Pictures and sound cannot be cut: one that does not fit is left out.
pub(super) fn preview(result: &Raw, max_tokens: usize, note: impl Fn(usize) -> String) -> Vec<Raw> {
    let block =
        |text: &str| Splice::new().with("type", &Raw::string("text")).with("text", &Raw::string(text));
    let content = Members::find(result.as_str(), "content").unwrap_or("[]");
    let mut room = max_tokens.saturating_sub(estimated_tokens(&note(usize::MAX)));
    let (mut blocks, mut left_out, mut is_cut) = (Vec::new(), 0, false);
    for element in Elements::of(content) {
        let tokens = estimated_tokens(element);
        if tokens <= room && !is_cut {
            room -= tokens;
            blocks.push(result.slice(element));
        } else if let Some(cut) = text_of(element).filter(|_| !is_cut).and_then(|text| beginning(&text, room))
        {
            is_cut = true;
            let others = Splice::retain(&result.slice(element), |key| key != "text");
            blocks.push(others.with("text", &Raw::string(&cut)).finish());
        } else {
            left_out += 1;
        }
    }
    blocks.push(block(&note(left_out)).finish());
    blocks
}

/// The text of a block of text.
fn text_of(block: &str) -> Option<String> {
    let value = Members::find(block, "text").filter(|_| Members::find(block, "type") == Some("\"text\""))?;
    Some(string::unescape(value.strip_prefix('"')?.strip_suffix('"')?).into_owned())
}

/// What stands around the text of a block, in tokens.
const AROUND: usize = 8;

/// The beginning of `text` that takes at most `tokens` in a block; `None` if that is nothing.
fn beginning(text: &str, tokens: usize) -> Option<String> {
    let most = tokens.checked_sub(AROUND)? * BYTES_PER_TOKEN;
    let mut bytes = 0;
    let fits = |(_, letter): &(usize, char)| {
        let mut json = Vec::new();
        string::write(&mut json, letter.encode_utf8(&mut [0; 4]));
        // Without the quotes.
        bytes += json.len() - 2;
        bytes <= most
    };
    let end = text.char_indices().take_while(fits).last().map(|(at, letter)| at + letter.len_utf8())?;
    Some(text[..end].to_owned())
}
