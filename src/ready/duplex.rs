//! An open connection, of whatever kind.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {
    /// Has its close cut the connection (RST), where it is one of TCP, rather than end it (FIN).
    fn cut_on_close(&self);
}

impl Duplex for TcpStream {
    fn cut_on_close(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Duplex for UnixStream {
    fn cut_on_close(&self) {}
}

impl Duplex for TlsStream<Box<dyn Duplex>> {
    fn cut_on_close(&self) {
        self.get_ref().0.cut_on_close();
    }
}
