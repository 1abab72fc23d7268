//! Descriptors, files, sockets and the terminal.

pub(crate) mod closing;
pub(crate) mod connect;
pub(crate) mod datagram;
pub(crate) mod descriptor;
pub(crate) mod destination;
pub(crate) mod notify;
pub(crate) mod own_file;
pub(crate) mod ready_file;
pub(crate) mod sink;
pub(crate) mod terminal;
pub(crate) mod token;
