/// The size of what is not large: answers up to it are not counted, and lists up to it are lowered at each request.
pub(crate) const LARGE: usize = 64 << 10;
