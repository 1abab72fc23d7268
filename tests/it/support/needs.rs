//! Lists of tests, and what a test needs from the machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use libtest_mimic::{Completion, Failed, Trial};

/// Names of ignored tests with their reasons.
static IGNORED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
/// Held for writing by a test that must be alone.
static TURN: RwLock<()> = RwLock::new(());

/// Defines `trials()` for a module, from the names of its test functions:
///
/// `trials![plain, needs("nginx") => slow_response, alone => exact_times,
/// alone needs("root", "pid-namespace") => as_pid_1];`
macro_rules! trials {
    (@each [$($done:expr,)*]) => { vec![$($done),*] };
    (@each $done:tt alone needs($($need:expr),+) => $name:ident $(, $($rest:tt)*)?) => {
        trials!(@one $done true [$($need),+] $name $($($rest)*)?)
    };
    (@each $done:tt alone => $name:ident $(, $($rest:tt)*)?) => {
        trials!(@one $done true [] $name $($($rest)*)?)
    };
    (@each $done:tt needs($($need:expr),+) => $name:ident $(, $($rest:tt)*)?) => {
        trials!(@one $done false [$($need),+] $name $($($rest)*)?)
    };
    (@each $done:tt $name:ident $(, $($rest:tt)*)?) => {
        trials!(@one $done false [] $name $($($rest)*)?)
    };
    (@one [$($done:expr,)*] $alone:literal $needs:tt $name:ident $($rest:tt)*) => {
        trials!(@each [$($done,)* $crate::support::needs::trial(
            concat!(module_path!(), "::", stringify!($name)), $alone, &$needs, $name,
        ),] $($rest)*)
    };
    ($($list:tt)*) => {
        /// The tests of this module.
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            trials!(@each [] $($list)*)
        }
    };
}
pub(crate) use trials;

/// One test; for `trials!`.
pub(crate) fn trial(path: &str, alone: bool, needs: &'static [&'static str], body: fn()) -> Trial {
    let name = path.split_once("::").map_or(path, |(_, name)| name).to_owned();
    Trial::ignorable_test(name.clone(), move || {
        if let Some(reason) = needs.iter().find_map(|need| missing(need)) {
            if std::env::var_os("WINDDOWN_TEST_ALL").is_some() {
                return Err(Failed::from(reason));
            }
            let mut ignored = IGNORED.lock().unwrap_or_else(PoisonError::into_inner);
            ignored.push((name, reason.clone()));
            return Ok(Completion::ignored_with(reason));
        }
        if alone {
            let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
            body();
        } else {
            let _turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
            body();
        }
        Ok(Completion::Completed)
    })
}

/// Says at the end what was not tested, and why.
pub(crate) fn tell_ignored() {
    let ignored = IGNORED.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, reason) in ignored.iter() {
        eprintln!("not tested here: {name}: {reason}");
    }
}

/// Why a need is not met: `root`, `docker` (an engine that answers), `pid-namespace`, `sdnotify` (a
/// package of Debian's Python), `hypercorn` and `junit-schema` (from `PyPI`), `recycled-pid` (of the kernel), else the name of a program.
pub(crate) fn missing(need: &str) -> Option<String> {
    static DOCKER: OnceLock<bool> = OnceLock::new();
    static NAMESPACE: OnceLock<bool> = OnceLock::new();
    let met = match need {
        "root" => nix::unistd::geteuid().is_root(),
        "docker" => *DOCKER.get_or_init(|| works(&["docker", "version"])),
        "pid-namespace" => {
            *NAMESPACE.get_or_init(|| works(&["unshare", "--pid", "--fork", "--mount-proc", "true"]))
        }
        // Linux 6.5, and built to choose the next process id.
        "recycled-pid" => tells_sender() && std::path::Path::new("/proc/sys/kernel/ns_last_pid").exists(),
        // A pattern that is a pipe hands cores to another program.
        "core-file" => std::fs::read_to_string("/proc/sys/kernel/core_pattern")
            .is_ok_and(|pattern| !pattern.starts_with(['|', '/']) && pattern.contains("core")),
        "hypercorn" => from_pypi("hypercorn").is_some(),
        "junit-schema" => from_pypi("junit-10.xsd").is_some(),
        "sdnotify" => works(&["/usr/bin/python3", "-c", "import sdnotify"]),
        _ => program(need).is_some(),
    };
    let reason = match need {
        "root" => "needs root".to_owned(),
        "recycled-pid" => "needs a kernel that tells a message's process (6.5), and ns_last_pid".to_owned(),
        "core-file" => "needs cores in the working directory (/proc/sys/kernel/core_pattern)".to_owned(),
        "docker" => "needs a Docker engine".to_owned(),
        "pid-namespace" => "needs the right to make a PID namespace".to_owned(),
        "hypercorn" | "junit-schema" => {
            format!("needs {need} in the directory that WINDDOWN_TEST_PYPI names (.ci/run fetches it)")
        }
        _ => format!("needs {need}, which is not installed"),
    };
    (!met).then_some(reason)
}

/// What Debian does not have: a directory into which `.ci/run` puts it.
pub(crate) fn from_pypi(name: &str) -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("WINDDOWN_TEST_PYPI")?);
    Some(directory.join(name)).filter(|path| path.exists())
}

/// Whether the kernel knows `SO_PASSPIDFD`.
fn tells_sender() -> bool {
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    let one = 1_i32;
    // SAFETY: the value lives until the call is over, and has the size that is told.
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

/// Finds a program, also where Debian keeps servers.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(name)).find(|file| file.is_file())
}
