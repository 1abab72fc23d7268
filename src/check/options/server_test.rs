//! One server with all that is asked for it.

use super::Options;
use crate::check::checks::selection::Selection;

/// What to test, and which checks judge it.
#[derive(Debug)]
pub(in crate::check) struct ServerTest {
    pub(in crate::check) options: Options,
    pub(in crate::check) selection: Selection,
}
