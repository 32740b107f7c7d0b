//! What the fuzz targets call of this crate.

use anyport_transport::client::http::SideAnswer;

use crate::token::read_any;

/// Reads an answer of a token endpoint. Whether it has a token, or the words of the error.
///
/// # Errors
/// The words of the error.
pub fn token_answer(status: u16, body: &[u8]) -> Result<(), String> {
    let answer = SideAnswer::new(status, body.to_vec());
    read_any(&answer).map(drop).map_err(|error| error.to_string())
}
