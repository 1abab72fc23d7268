//! Why a command could not be executed, and the remedy. The kernel has only a few errors: it says "no such
//! file" for a script whose interpreter is missing, too.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};
use thiserror::Error;

use crate::lifecycle::exit::{NOT_EXECUTABLE, NOT_FOUND, WINDDOWN_FAILED};
use crate::os::{environment, reason};

/// This much of a file shows what it is: the kernel reads less, except for an ELF program's loader.
const HEAD_BYTES: usize = 4096;
/// The longest chain of interpreters that the kernel follows.
const INTERPRETERS_MAX: usize = 5;

/// The remedy for `NAME=VALUE` in place of a command.
pub(crate) const SET_BY_ENV: &str = "to set a variable, put `env` before it";

/// Shell builtins and keywords that people write first on a line.
const OF_SHELLS: [&str; 16] = [
    "alias", "cd", "eval", "exec", "export", "for", "if", "set", "source", "trap", "ulimit", "umask",
    "unset", "until", "wait", "while",
];

const PT_INTERP: u64 = 3;
/// Numbers of machines in ELF programs.
const MACHINES: [(u64, &str); 9] = [
    (3, "i386"),
    (8, "mips"),
    (21, "ppc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv"),
    (258, "loongarch64"),
];

/// A path at which the command may be.
pub(in crate::os) type CommandPath = CString;

/// Why the main process could not be started.
#[derive(Debug, Error)]
pub(crate) enum SpawnError {
    /// The command, or something it needs, does not exist.
    #[error("cannot run '{command}': {cause}")]
    NotFound {
        /// The command as given.
        command: String,
        /// What was not found.
        cause: String,
    },
    /// The command exists, but can't be executed.
    #[error("cannot run '{command}': {cause}")]
    NotExecutable {
        /// The command as given.
        command: String,
        /// Why.
        cause: String,
    },
    /// No process could be created.
    #[error("cannot start a process: {}", reason(.0))]
    NoProcess(#[source] io::Error),
    /// No descriptor was left for what the workload is offered.
    #[error("cannot open a descriptor for the workload: {}", reason(.0))]
    NoDescriptor(#[source] io::Error),
    /// The token of an earlier run could not be removed.
    #[error("cannot remove the old token: {}", reason(.0))]
    OldToken(#[source] io::Error),
    /// The ready file of an earlier run could not be removed.
    #[error("cannot remove the old ready file: {}", reason(.0))]
    OldReadyFile(#[source] io::Error),
}

impl SpawnError {
    /// The exit status for this error.
    pub(crate) const fn exit_status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => NOT_FOUND,
            Self::NotExecutable { .. } => NOT_EXECUTABLE,
            Self::NoProcess(_) | Self::NoDescriptor(_) | Self::OldToken(_) | Self::OldReadyFile(_) => {
                WINDDOWN_FAILED
            }
        }
    }
}

/// Explains a failed exec: what was tried, where, and the error.
pub(in crate::os) fn explain(
    command: &CStr,
    places: &[CommandPath],
    failed: usize,
    error: &io::Error,
) -> SpawnError {
    let name = command.to_string_lossy().into_owned();
    let path = |place: &CommandPath| Path::new(OsStr::from_bytes(place.to_bytes())).to_owned();
    if error.raw_os_error() == Some(libc::ENOENT) {
        let there = places.iter().map(path).find(|path| path.exists());
        let cause = there.map_or_else(|| not_there(&name), |there| needs_what_is_missing(&there));
        return SpawnError::NotFound { command: name, cause };
    }
    let cause = match (error.raw_os_error(), places.get(failed).map(path)) {
        (Some(libc::EACCES), Some(path)) => denied(&path, error),
        (Some(libc::ENOEXEC), Some(path)) => no_program(&path),
        _ => reason(error),
    };
    SpawnError::NotExecutable { command: name, cause }
}

/// A script whose interpreter is winddown without a command: it would start winddown with itself as the
/// command, endlessly.
pub(in crate::os) fn runs_itself(command: &CStr) -> Option<SpawnError> {
    let is_script = || head(Path::new(OsStr::from_bytes(command.to_bytes()))).starts_with(b"#!");
    (environment::executed_path() == Some(command) && is_script()).then(|| SpawnError::NotExecutable {
        command: command.to_string_lossy().into_owned(),
        cause: "its first line is winddown without a command: #!/usr/bin/env -S winddown sh".to_owned(),
    })
}

/// The command is neither an existing path nor found in PATH.
fn not_there(name: &str) -> String {
    let cause = if name.contains('/') { "no such file" } else { "no such command in PATH" };
    let hint = if variable(name).is_some() {
        SET_BY_ENV
    } else if name.contains(' ') {
        "it is one word with blanks: remove the quotes, or use sh -c '...'"
    } else if name.is_empty() {
        "its name is empty: perhaps a variable is not set"
    } else if name.starts_with("~/") || name.contains('$') {
        "only a shell expands ~ and $: use sh -c '...'"
    } else if OF_SHELLS.contains(&name) {
        "it is part of the shell: use sh -c '...'"
    } else if is_duration(name) {
        return format!("{cause}; to limit the run, as timeout does: --stop-after {name}");
    } else if !name.contains('/') && Path::new(name).is_file() {
        return format!("{cause}; it is in this directory: ./{name}");
    } else if let Ok(target) = Path::new(name).read_link() {
        return format!("{cause}; it is a link to '{}', which does not exist", target.display());
    } else {
        return cause.to_owned();
    };
    format!("{cause}; {hint}")
}

/// `5s`, `0.5`: what `timeout` takes as its first word.
fn is_duration(word: &str) -> bool {
    let number = word.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or(word);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The name in `NAME=VALUE`.
pub(crate) fn variable(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

/// The file exists, so what is missing is its interpreter or loader.
fn needs_what_is_missing(path: &Path) -> String {
    let mut path = path.to_owned();
    for _ in 0..INTERPRETERS_MAX {
        let head = head(&path);
        let (what, needed) = match (interpreter(&head), loader(&head)) {
            (Some(needed), _) => ("interpreter", needed),
            (None, Some(needed)) => ("loader", needed),
            (None, None) => break,
        };
        let needed = Path::new(OsStr::from_bytes(needed));
        if needed.exists() {
            needed.clone_into(&mut path);
            continue;
        }
        let hint: Cow<'_, str> = match (needed.as_os_str().as_bytes(), foreign_machine(&head)) {
            ([.., b'\r'], _) => "; the file has Windows line endings: sed -i 's/\\r$//' FILE".into(),
            (_, Some(name)) => format!("; it was built for {name}").into(),
            _ if what == "loader" => "; it was built for another C library".into(),
            _ => "".into(),
        };
        return format!("its {what} '{}' was not found{hint}", needed.display());
    }
    "its interpreter was not found".to_owned()
}

fn denied(path: &Path, error: &io::Error) -> String {
    let (mut path, mut whose) = (path.to_owned(), String::new());
    for _ in 0..INTERPRETERS_MAX {
        let hint = match path.metadata() {
            Ok(found) if found.is_dir() => return format!("{whose}it is a directory"),
            Ok(found) if found.permissions().mode() & 0o111 == 0 => "; it is not executable: chmod +x",
            _ if forbids_programs(&path) => "; its file system is mounted with noexec",
            _ => "",
        };
        let head = head(&path);
        match interpreter(&head) {
            Some(needed) if hint.is_empty() => {
                Path::new(OsStr::from_bytes(needed)).clone_into(&mut path);
                whose = format!("its interpreter '{}': ", path.display());
            }
            _ => return format!("{whose}{}{hint}", reason(error)),
        }
    }
    reason(error)
}

fn forbids_programs(path: &Path) -> bool {
    let is_set = |found: Statvfs| found.flags().contains(FsFlags::ST_NOEXEC);
    statvfs(path).is_ok_and(is_set)
}

/// Neither the kernel nor a shell can execute it.
fn no_program(path: &Path) -> String {
    let head = head(path);
    let built_for = match head.as_slice() {
        [b'M', b'Z', ..] => Some(Cow::Borrowed("Windows")),
        [0xcf, 0xfa, 0xed, 0xfe, ..] => Some(Cow::Borrowed("macOS")),
        _ => foreign_machine(&head),
    };
    match built_for {
        Some(name) => format!("it was built for {name}; this is Linux on {}", std::env::consts::ARCH),
        None => "it is neither a program for this machine nor a script".to_owned(),
    }
}

/// The beginning of a file; empty if it can't be read.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(HEAD_BYTES as u64).read_to_end(&mut head);
    }
    head
}

/// The interpreter in the first line of a script, as the kernel reads it.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

/// The path of the dynamic loader in an ELF program.
fn loader(head: &[u8]) -> Option<&[u8]> {
    let elf = Elf::new(head)?;
    let (table, size, count) =
        if elf.is_wide { (elf.number(32, 8)?, 54, 56) } else { (elf.number(28, 4)?, 42, 44) };
    let size = elf.number(size, 2)?;
    let at = (0..elf.number(count, 2)?)
        .filter_map(|index| usize::try_from(index.checked_mul(size)?.checked_add(table)?).ok())
        .find(|at| elf.number(*at, 4) == Some(PT_INTERP))?;
    let start =
        if elf.is_wide { elf.number(at.checked_add(8)?, 8)? } else { elf.number(at.checked_add(4)?, 4)? };
    head.get(usize::try_from(start).ok()?..)?.split(|byte| *byte == 0).next()
}

/// The machine that an ELF program was built for.
fn machine(head: &[u8]) -> Option<Cow<'static, str>> {
    let number = Elf::new(head)?.number(18, 2)?;
    let known = MACHINES.iter().find(|(machine, _)| *machine == number);
    Some(known.map_or_else(|| format!("machine {number}").into(), |(_, name)| Cow::Borrowed(*name)))
}

fn foreign_machine(head: &[u8]) -> Option<Cow<'static, str>> {
    machine(head).filter(|name| name != std::env::consts::ARCH)
}

/// The head of an ELF program, of either word size and byte order.
struct Elf<'a> {
    head: &'a [u8],
    is_wide: bool,
    is_big_endian: bool,
}

impl<'a> Elf<'a> {
    fn new(head: &'a [u8]) -> Option<Self> {
        match head {
            [0x7f, b'E', b'L', b'F', width, order, ..] => {
                Some(Self { head, is_wide: *width == 2, is_big_endian: *order == 2 })
            }
            _ => None,
        }
    }

    fn number(&self, at: usize, bytes: usize) -> Option<u64> {
        let bytes = self.head.get(at..at.checked_add(bytes)?)?;
        let shifted = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_big_endian {
            bytes.iter().fold(0, shifted)
        } else {
            bytes.iter().rev().fold(0, shifted)
        })
    }
}

/// Runs every parser in this file.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_any(head: &[u8]) {
    let _ = (interpreter(head), loader(head), machine(head));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_what_the_kernel_takes_for_it() {
        for (head, expected) in [
            (&b"#!/bin/sh\necho"[..], Some(&b"/bin/sh"[..])),
            (b"#! \t/bin/sh -e\n", Some(b"/bin/sh")),
            (b"#!/bin/bash\r\n", Some(b"/bin/bash\r")),
            (b"#!/bin/sh", Some(b"/bin/sh")),
            (b"#!\n/bin/sh", None),
            (b"echo", None),
            (b"", None),
        ] {
            assert_eq!(interpreter(head), expected, "{head:?}");
        }
    }

    /// A kernel executes 32-bit programs, too, and their loader may be missing.
    #[test]
    fn a_loader_of_another_machine_is_said_to_be_that() {
        let mut program = vec![0; 84];
        program[..6].copy_from_slice(b"\x7fELF\x01\x01");
        // The machine, the table with the size and count of its entries, then the entry: its kind and its
        // offset.
        for (at, number) in [(18, 8), (28, 52), (42, 32), (44, 1), (52, 3), (56, 84)] {
            program[at] = number;
        }
        program.extend(b"/no/loader.so\0");
        let file = std::env::temp_dir().join(format!("winddown-loader-{}", std::process::id()));
        std::fs::write(&file, program).expect("a file");
        let reason = needs_what_is_missing(&file);
        std::fs::remove_file(&file).expect("the file");
        assert_eq!(reason, "its loader '/no/loader.so' was not found; it was built for mips");
    }

    #[test]
    fn a_torn_elf_program_is_no_panic() {
        let program = std::fs::read("/proc/self/exe").expect("this test");
        let whole = &program[..HEAD_BYTES.min(program.len())];
        assert_eq!(machine(whole).as_deref(), Some(std::env::consts::ARCH));
        for length in 0..whole.len() {
            let _ = (machine(&whole[..length]), loader(&whole[..length]));
        }
        // Any number, anywhere.
        for at in 4..120 {
            let mut torn = whole.to_vec();
            torn[at..at + 8].fill(0xff);
            let _ = (machine(&torn), loader(&torn));
        }
    }
}
