//! What a test needs from the machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Why a need is not met: `root`, `docker` (an engine that answers), `pid-namespace`, `sdnotify` (a package of
/// Debian's Python), `hypercorn`, `junit-schema`, `dotnetcore2` and `openssl-1.1` (from `PyPI`), `recycled-pid` (of the kernel), or the name of a
/// program.
pub(crate) fn missing(need: &str) -> Option<String> {
    static DOCKER: OnceLock<bool> = OnceLock::new();
    static NAMESPACE: OnceLock<bool> = OnceLock::new();
    let met = match need {
        "root" => nix::unistd::geteuid().is_root(),
        "docker" => *DOCKER.get_or_init(|| works(&["docker", "version"])),
        "pid-namespace" => {
            *NAMESPACE.get_or_init(|| works(&["unshare", "--pid", "--fork", "--mount-proc", "true"]))
        }
        // Linux 6.5, built with the file that chooses the next pid.
        "recycled-pid" => names_sender() && std::path::Path::new("/proc/sys/kernel/ns_last_pid").exists(),
        // If the pattern is a pipe, core dumps go to another program.
        "core-file" => std::fs::read_to_string("/proc/sys/kernel/core_pattern")
            .is_ok_and(|pattern| !pattern.starts_with(['|', '/']) && pattern.contains("core")),
        "hypercorn" => from_pypi("hypercorn").is_some(),
        "junit-schema" => from_pypi("junit-10.xsd").is_some(),
        // A package that brings it along.
        "openssl-1.1" => from_pypi("psycopg2_binary.libs").is_some(),
        "dotnetcore2" => from_pypi("dotnetcore2").is_some(),
        "sdnotify" => works(&["/usr/bin/python3", "-c", "import sdnotify"]),
        _ => program(need).is_some(),
    };
    let reason = match need {
        "root" => "needs root".to_owned(),
        "recycled-pid" => "needs a kernel that reports a message's process (6.5), and ns_last_pid".to_owned(),
        "core-file" => "needs cores in the working directory (/proc/sys/kernel/core_pattern)".to_owned(),
        "docker" => "needs a Docker engine".to_owned(),
        "pid-namespace" => "needs the right to make a PID namespace".to_owned(),
        "hypercorn" | "junit-schema" | "dotnetcore2" | "openssl-1.1" => {
            format!("needs {need} in the directory that WINDDOWN_TEST_PYPI names (.ci/run fetches it)")
        }
        _ => format!("needs {need}, which is not installed"),
    };
    (!met).then_some(reason)
}

/// The directory into which `.ci/run` puts a package that Debian lacks.
pub(crate) fn from_pypi(name: &str) -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("WINDDOWN_TEST_PYPI")?);
    Some(directory.join(name)).filter(|path| path.exists())
}

/// Whether the kernel knows `SO_PASSPIDFD`.
fn names_sender() -> bool {
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    let one = 1_i32;
    // SAFETY: the value outlives the call and has the size that is passed.
    unsafe {
        let value = std::ptr::from_ref(&one).cast();
        libc::setsockopt(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SOL_SOCKET, 76, value, 4) == 0
    }
}

fn works(command: &[&str]) -> bool {
    let mut command_line = Command::new(command[0]);
    command_line.args(&command[1..]).stdin(Stdio::null());
    let status = command_line.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Puts the real python3 first on PATH, before a version manager's script, which takes longer to find it than most
/// tests take; such a script changes PATH in the same way. Call this before there is another thread.
pub(crate) fn find_python() {
    let is_script = |path: PathBuf| std::fs::read(path).is_ok_and(|text| text.starts_with(b"#!"));
    if !program("python3").is_some_and(is_script) {
        return;
    }
    let print = ["-c", "import sys; print(sys.executable)"];
    let Ok(found) = Command::new("python3").args(print).stdin(Stdio::null()).output() else { return };
    let real = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
    let Some(place) = real.parent().filter(|_| real.is_file()) else { return };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(place.to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(places).expect("directories that were in PATH");
    // SAFETY: no other thread reads or writes the environment.
    unsafe { std::env::set_var("PATH", path) };
}

/// Finds a program; searches Debian's directory for servers as well.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(name)).find(|file| file.is_file())
}
