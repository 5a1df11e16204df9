//! What only a browser can do. On the server each of these does nothing, so that pages need not ask where they run.

#[cfg(not(feature = "hydrate"))]
mod absent;
#[cfg(feature = "hydrate")]
mod line;
#[cfg(feature = "hydrate")]
mod real;

#[cfg(not(feature = "hydrate"))]
pub use absent::*;
#[cfg(feature = "hydrate")]
pub use line::*;
#[cfg(feature = "hydrate")]
pub use real::*;
