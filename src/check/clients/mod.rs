//! The clients of a server: single connections, a series through the stop, held connections.

pub(super) mod held_connections;
pub(super) mod probe;
pub(super) mod probe_series;
pub(super) mod protocol;
