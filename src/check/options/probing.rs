//! How the server is probed: the words of `--probe`.

/// What each probe sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::check) enum Probing {
    /// A request if the server speaks HTTP, else nothing.
    #[default]
    Auto,
    /// Nothing: it connects.
    Tcp,
    /// A request.
    Http,
    /// There are no probes.
    None,
}

impl Probing {
    /// Whether requests may be sent that the user has not named.
    pub(in crate::check) fn asks(self) -> bool {
        matches!(self, Self::Auto | Self::Http)
    }
}
