use super::Ordered;
use crate::Raw;

/// Input responses: the client's answers in a retry, by the key of their input request.
///
/// An answer does not name its request. The sender of the request reads it as [`super::ElicitResult`],
/// [`super::CreateMessageResult`] or [`super::ListRootsResult`] with [`Raw::decode`], and a client makes one with
/// [`Raw::of`].
pub type InputResponses = Ordered<Raw>;
