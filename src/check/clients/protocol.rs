//! Finds out whether a server speaks HTTP.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ready::http::Url;

/// Without `Host`: redis takes that word for an attack, and says so in its log.
const QUESTION: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// What every answer begins with, whatever its version.
const ANSWER: &[u8] = b"HTTP/";
/// No more is read of an answer.
const BYTES_MAX: u64 = 1 << 20;

/// Asks once, on a connection of its own.
///
/// # Errors
/// When the server can't be reached, or cuts the connection.
pub(in crate::check) async fn speaks_http(url: &Url) -> io::Result<bool> {
    let mut stream = url.connect().await?.stream;
    stream.write_all(QUESTION).await?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).await?;
    if answer != ANSWER {
        return Ok(false);
    }
    // Some servers complain about a client that does not wait for the end.
    let _ = tokio::io::copy(&mut stream.take(BYTES_MAX), &mut tokio::io::sink()).await;
    Ok(true)
}
