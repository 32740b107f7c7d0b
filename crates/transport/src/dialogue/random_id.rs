use anyport_protocol::Error;

/// A random identifier of 144 bits in visible ASCII.
pub(crate) fn random_id() -> Result<String, Error> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|_| Error::internal("no randomness from the operating system"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
