//! The programs to compare, and how each is called.

use std::env;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// No supervisor: what the machine itself costs.
    Bare,
    Tini,
    DumbInit,
    Catatonit,
    Timeout,
    /// `winddown --no-guard`
    Alone,
    /// winddown with its defaults, and so with its guard.
    Guarded,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Bare, Self::Tini, Self::DumbInit, Self::Catatonit, Self::Timeout, Self::Alone, Self::Guarded];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Bare => "(no supervisor)",
            Self::Tini => "tini",
            Self::DumbInit => "dumb-init",
            Self::Catatonit => "catatonit",
            Self::Timeout => "timeout",
            Self::Alone => "winddown --no-guard",
            Self::Guarded => "winddown",
        }
    }
}

/// The circumstances of a run, which decide the options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Not PID 1: orphans come to the supervisor as a child subreaper, if it can be one.
    Plain,
    Pid1,
    /// SIGKILL this long after the stop signal.
    LimitMs(u32),
}

pub(crate) struct Program {
    pub(crate) kind: Kind,
    /// Or why it can't take part.
    pub(crate) path: Result<PathBuf, String>,
}

impl Program {
    /// The whole command line, or `None` if the program is missing.
    pub(crate) fn command(&self, setting: Setting, workload: &[OsString]) -> Option<Vec<CString>> {
        let path = self.path.as_ref().ok()?;
        let mut words: Vec<OsString> = Vec::new();
        if self.kind != Kind::Bare {
            words.push(path.into());
            words.extend(self.options(setting).into_iter().map(OsString::from));
        }
        words.extend_from_slice(workload);
        words.into_iter().map(|word| CString::new(word.into_vec()).ok()).collect()
    }

    fn options(&self, setting: Setting) -> Vec<String> {
        let mut options = Vec::new();
        match (self.kind, setting) {
            (Kind::Timeout, Setting::LimitMs(limit_ms)) => {
                options.push(format!("--kill-after={}.{:03}", limit_ms / 1000, limit_ms % 1000));
                options.push("600".into());
            }
            (Kind::Timeout, _) => options.push("600".into()),
            (Kind::Tini, Setting::Plain) => options.push("-s".into()),
            (Kind::Alone | Kind::Guarded, Setting::LimitMs(limit_ms)) => {
                options.push(format!("--time-limit={limit_ms}ms"));
            }
            _ => {}
        }
        if self.kind == Kind::Alone {
            options.push("--no-guard".into());
        }
        if !matches!(self.kind, Kind::Bare | Kind::Timeout) {
            options.push("--".into());
        }
        options
    }
}

/// The builds of winddown: the slim one is measured; of the full one only the size counts.
pub(crate) struct Builds {
    pub(crate) slim: Option<PathBuf>,
    pub(crate) full: Option<PathBuf>,
    pub(crate) measured: PathBuf,
}

impl Builds {
    /// `benches/run` passes the static builds. Without it, cargo's usual build is measured.
    pub(crate) fn find() -> Self {
        let given = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
        let (slim, full) = (given("PEERS_SLIM"), given("PEERS_FULL"));
        let measured = slim.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_winddown").into());
        Self { slim, full, measured }
    }
}

pub(crate) fn find_all(builds: &Builds) -> Vec<Program> {
    let find = |kind: Kind| match kind {
        Kind::Bare => Ok(PathBuf::new()),
        Kind::Alone | Kind::Guarded => probe(kind, &builds.measured),
        _ => installed(kind.label()),
    };
    Kind::ALL.into_iter().map(|kind| Program { kind, path: find(kind) }).collect()
}

pub(crate) fn installed(name: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| "not installed".into())
}

/// Whether this build of winddown runs a command at all, and knows the option.
fn probe(kind: Kind, path: &Path) -> Result<PathBuf, String> {
    let option = if kind == Kind::Alone { "--no-guard" } else { "--time-limit=10s" };
    let status = Command::new(path)
        .args([option, "--", "/bin/sh", "-c", "exit 7"])
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("not built: {error}"))?;
    match status.code() {
        Some(7) => Ok(path.into()),
        Some(125) => Err(format!("does not know {option}")),
        _ => Err("not built".into()),
    }
}
