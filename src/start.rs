//! Puts a run together: command line, start of the main process, supervision, end.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::{self, Request, Settings};
use crate::lifecycle::exit::{Ending, WINDDOWN_FAILED};
use crate::lifecycle::machine::Machine;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::{Format, Level, Log};
use crate::observe::record::{Destination, Record};
use crate::observe::{Fact, Observer};
use crate::os::clock::Clock;
use crate::os::descriptor::{Sink, close_inherited};
use crate::os::inbox;
use crate::os::reap::{self, Change};
use crate::os::spawn::{self, Command, SpawnError, Spawned};
use crate::os::terminal::Terminal;
use crate::os::tree::{self, Process, Tree};
use crate::supervise::{Pending, Supervisor};

/// What the workload learns about its limit: milliseconds, absent when it is infinite.
const LIMIT_VARIABLE: &str = "SHUTDOWN_LIMIT_MS";

/// Runs winddown with the signal mask that it was started with, and returns its exit status. Does
/// not return when winddown has to die as the main process did.
#[must_use]
pub fn main(mask: SignalSet) -> u8 {
    let clock = Clock::start();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let is_pid_1 = std::process::id() == 1;
    match cli::parse(&arguments, &variables, is_pid_1) {
        Ok(Request::Run(settings)) => finish(run(&settings, mask, clock)),
        Ok(Request::Print(text)) => {
            inbox::set_mask(mask);
            print(&text)
        }
        Err(error) => {
            let mut log = Log::new(Format::Text, Level::Error, String::new(), clock);
            log.tell(clock.now(), &Fact::NotStarted(error.to_string()));
            WINDDOWN_FAILED
        }
    }
}

fn print(text: &str) -> u8 {
    use std::io::Write;
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => WINDDOWN_FAILED,
    }
}

fn finish(ending: Ending) -> u8 {
    if let Ending::Die(signal) = ending {
        inbox::die_of(signal);
    }
    ending.status()
}

fn run(settings: &Settings, mask: SignalSet, clock: Clock) -> Ending {
    if std::process::id() != 1 {
        // SAFETY: concerns only this process. Descendants whose parent has gone become our children.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    }
    let inherited_ignored = [Signal::HUP, Signal::TSTP, Signal::CHLD]
        .into_iter()
        .filter(|signal| inbox::is_ignored(*signal))
        .collect();
    // With SIGCHLD ignored the kernel would reap our children itself, and never tell.
    inbox::set_ignored(Signal::CHLD, false);
    let foreign = if has_children() { tree::foreign() } else { HashSet::new() };
    let terminal = Terminal::open();
    if let Some(Destination::Descriptor(number)) = settings.record {
        keep_from_workload(number);
    }
    let spawned = start(settings, mask, inherited_ignored, terminal.is_none());
    let mut observer = observer(settings, clock);
    match spawned {
        Ok(Spawned { pid, descriptor }) => {
            let main = Process { pid, name: command_name(settings) };
            let tree = Tree::new(main, descriptor, terminal.is_none(), foreign);
            leave_surroundings(settings, terminal.as_ref(), &tree);
            let mut supervisor = Supervisor {
                machine: Machine::new(settings.plan.clone()),
                tree,
                observer,
                terminal,
                clock,
                inherited_ignored,
                remap_exit: settings.remap_exit.clone(),
                pending: Pending::default(),
            };
            supervisor.run()
        }
        Err(error) => not_started(&error, &mut observer, clock),
    }
}

fn observer(settings: &Settings, clock: Clock) -> Observer {
    let log = Log::new(settings.log_format, settings.log_level, settings.limit_origin.clone(), clock);
    let record = settings.record.clone().map(|destination| {
        Record::new(destination, &settings.command, settings.plan.limit, &settings.limit_origin, &clock)
    });
    Observer { log, record }
}

fn not_started(error: &SpawnError, observer: &mut Observer, clock: Clock) -> Ending {
    let ending = Ending::Status(error.exit_status());
    observer.tell(clock.now(), &Fact::NotStarted(error.to_string()));
    if let Some(record) = &mut observer.record {
        record.not_started();
    }
    observer.write_record(clock.now(), std::iter::empty(), ending.status());
    ending
}

/// Reaps what has ended of the children that were there before us, and says whether any are left.
fn has_children() -> bool {
    loop {
        match reap::next() {
            Change::NoChild => return false,
            Change::Nothing => return true,
            Change::Ended { .. } | Change::Stopped { .. } | Change::Continued { .. } => {}
        }
    }
}

fn start(
    settings: &Settings,
    mask: SignalSet,
    inherited_ignored: SignalSet,
    own_group: bool,
) -> Result<Spawned, SpawnError> {
    let arguments: Vec<CString> =
        settings.command.iter().filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
    let limit = settings.plan.limit.length().map(|length| format!("{LIMIT_VARIABLE}={}", length.as_millis()));
    let limit = limit.and_then(|text| CString::new(text).ok());
    let environment = environment(&settings.consumed, limit.as_deref());
    spawn::spawn(&Command {
        arguments: &arguments,
        environment: &environment,
        mask,
        child_ignored: inherited_ignored.contains(Signal::CHLD),
        own_group,
        dies_with_parent: std::process::id() != 1,
    })
}

/// Our own environment byte for byte, without what was meant for winddown.
fn environment<'a>(consumed: &[OsString], limit: Option<&'a CStr>) -> Vec<&'a CStr> {
    let is_ours = |entry: &CStr| {
        let bytes = entry.to_bytes();
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
        name == LIMIT_VARIABLE.as_bytes() || consumed.iter().any(|variable| variable.as_bytes() == name)
    };
    inherited_environment().into_iter().filter(|entry| !is_ours(entry)).chain(limit).collect()
}

fn inherited_environment<'a>() -> Vec<&'a CStr> {
    unsafe extern "C" {
        static environ: *const *const std::ffi::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: set up by the C runtime before `main`, and nothing in this process changes it.
    let mut entry = unsafe { environ };
    // SAFETY: `environ` is a null-terminated list, and we stop at its null.
    while !entry.is_null() && unsafe { !(*entry).is_null() } {
        // SAFETY: each entry is a C string that lives as long as the process.
        entries.push(unsafe { CStr::from_ptr(*entry) });
        // SAFETY: within the list, or at its null.
        entry = unsafe { entry.add(1) };
    }
    entries
}

fn command_name(settings: &Settings) -> String {
    let command = settings.command.first().map(Path::new).and_then(Path::file_name);
    command.unwrap_or_default().to_string_lossy().into_owned()
}

fn keep_from_workload(number: RawFd) {
    // SAFETY: sets a flag of a descriptor that the user has given to us.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// After the exec: a directory we stay in can't be unmounted, and a pipe we hold open never ends.
fn leave_surroundings(settings: &Settings, terminal: Option<&Terminal>, tree: &Tree) {
    let record =
        if let Some(Destination::Descriptor(number)) = settings.record { Some(number) } else { None };
    let _ = nix::unistd::chdir("/");
    let kept: Vec<RawFd> =
        record.into_iter().chain(terminal.map(Terminal::descriptor)).chain(tree.descriptor()).collect();
    close_inherited(&kept);
    for stream in [0, 1] {
        if record != Some(stream) && Sink::inherited(stream).is_some() {
            // SAFETY: nothing here reads stdin or writes to stdout once the workload runs.
            unsafe { libc::close(stream) };
        }
    }
}
