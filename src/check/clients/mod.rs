//! The clients of a server: single connections, a series through the stop, held connections.

mod duplex;
pub(super) mod held_connections;
pub(super) mod probe;
pub(super) mod probe_series;
pub(super) mod protocol;
pub(super) mod tls;
