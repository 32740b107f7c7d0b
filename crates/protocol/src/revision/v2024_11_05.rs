//! 2024-11-05 beside 2025-03-26: there was no audio.

use base64::Engine as _;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Part, Unrepresentable, content, tree::Tree};

/// 2024-11-05 to 2025-03-26.
pub(super) fn lift(_: Part, _: &mut Tree) -> Result<(), Unrepresentable> {
    Ok(())
}

/// 2025-03-26 to 2024-11-05.
pub(super) fn lower(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    content::each_block(part, value, embed_audio);
    // Sampling has no embedded resources that audio could become.
    content::each_sampled(part, value, |block| match block.says("type", "audio") {
        true => Err(Unrepresentable::Audio),
        false => Ok(()),
    })
}

/// Makes a block of audio an embedded resource that holds the same bytes.
fn embed_audio(block: &mut Tree) {
    if !block.says("type", "audio") {
        return;
    }
    let Some(data) = block.text("data") else { return };
    let mut resource = Tree::empty();
    resource.set("uri", Tree::string(&uri(&data)));
    for (from, to) in [("mimeType", "mimeType"), ("data", "blob")] {
        if let Some(member) = block.remove(from) {
            resource.set(to, member);
        }
    }
    block.set("type", Tree::string("resource"));
    block.set("resource", resource);
}

/// A name for bytes that have none: their digest. Text that is no Base64 is named by its own.
fn uri(data: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(data);
    let digest = Sha256::digest(bytes.as_deref().unwrap_or(data.as_bytes()));
    format!("urn:sha256:{}", HEXLOWER.encode(&digest))
}
