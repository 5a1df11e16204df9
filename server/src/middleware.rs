//! What happens to every request before and after its handler.

pub mod caller;
pub mod csrf;
pub mod headers;
