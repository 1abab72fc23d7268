//! A PID namespace for the server, by util-linux's `unshare`.

use std::process::Stdio;

use tokio::task::spawn_blocking;

use crate::os::process::subprocess;

/// The words before the command that make the server PID 1, as in a container.
pub(super) fn prefix() -> Vec<&'static str> {
    let own = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let user = ["--user", "--map-root-user"];
    if nix::unistd::geteuid().is_root() { own.to_vec() } else { own.into_iter().chain(user).collect() }
}

/// Whether such a namespace can be made here.
pub(super) async fn is_possible() -> bool {
    let words = prefix();
    let mut command = subprocess::command(words[0], None);
    command.args(&words[1..]).arg("true").stdout(Stdio::null()).stderr(Stdio::null());
    spawn_blocking(move || command.status().is_ok_and(|status| status.success())).await.unwrap_or_default()
}
