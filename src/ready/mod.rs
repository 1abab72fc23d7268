//! When a server counts as ready: the conditions of `--ready`, and whether they hold. The main job and check share it.

mod answerer;
pub(crate) mod before;
pub(crate) mod condition;
#[cfg(feature = "check")]
pub(crate) mod duplex;
#[cfg(feature = "check")]
pub(crate) mod http;
pub(crate) mod look;
pub(crate) mod place;
pub(crate) mod proof;
#[cfg(feature = "check")]
pub(crate) mod tls;
