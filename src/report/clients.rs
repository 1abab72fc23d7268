//! What clients met. Not part of a record; `winddown check` knows it.

/// What all clients met in a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    pub(crate) probes: Vec<Attempt>,
    pub(crate) connections: Vec<Connection>,
}

/// One attempt to connect.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at_ms: f64,
    pub(crate) result: Met,
    pub(crate) text: String,
}

/// A connection that was open at the stop.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) from_ms: f64,
    /// `None` if it was open to the end.
    pub(crate) to_ms: Option<f64>,
    pub(crate) name: String,
    pub(crate) result: Met,
    pub(crate) text: String,
}

/// What one client met.
#[cfg_attr(not(feature = "check"), expect(dead_code, reason = "only check has clients"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Met {
    Good,
    /// Refused, as it should be during a stop.
    Away,
    Bad,
}
