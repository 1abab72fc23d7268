//! Puts a run together: command line, guard, start of the main process, supervision, end.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsString};
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::{self, Request, Settings};
use crate::guard::{self, Next};
use crate::lifecycle::exit::{Ending, Exit, WINDDOWN_FAILED};
use crate::lifecycle::machine::Machine;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::{Format, Level, Log};
use crate::observe::record::{Destination, Record};
use crate::observe::{Fact, Observer};
use crate::os::clock::Clock;
use crate::os::descriptor::{keep_from_workload, leave_surroundings};
use crate::os::link::{self, InnerEnd, OuterEnd, Side};
use crate::os::spawn::{self, Command, SpawnError, Spawned};
use crate::os::terminal::Terminal;
use crate::os::tree::{self, Process, Tree};
use crate::os::{environment, inbox, reap, reason};
use crate::supervise::{GroupSignals, Pending, Supervisor};

/// What the workload learns about its limit: milliseconds, absent when it is infinite.
const LIMIT_VARIABLE: &str = "SHUTDOWN_LIMIT_MS";

/// Runs winddown with the signal mask that it was started with, and returns its exit status. Does
/// not return when winddown has to die as the main process did.
#[must_use]
pub fn main(mask: SignalSet) -> u8 {
    let clock = Clock::start();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    match cli::parse(&arguments, &variables, is_pid_1()) {
        Ok(Request::Run(settings)) => finish(Run::new(&settings, mask, clock).start()),
        Ok(Request::Print(text)) => {
            inbox::set_mask(mask);
            match io::stdout().write_all(text.as_bytes()) {
                Ok(()) => 0,
                Err(error) => refuse(clock, format!("cannot write to stdout: {}", reason(&error))),
            }
        }
        Err(error) => refuse(clock, error.to_string()),
    }
}

/// Says why nothing was started.
fn refuse(clock: Clock, why: String) -> u8 {
    let mut log = Log::new(Format::Text, Level::Error, String::new(), clock);
    log.tell(clock.now(), &Fact::NotStarted(why));
    WINDDOWN_FAILED
}

fn is_pid_1() -> bool {
    std::process::id() == 1
}

fn finish(ending: Ending) -> u8 {
    if let Ending::Die(signal) = ending {
        inbox::die_of(signal);
    }
    ending.status()
}

/// A run before its main process is there, with what winddown was given.
struct Run<'a> {
    settings: &'a Settings,
    clock: Clock,
    mask: SignalSet,
    inherited_ignored: SignalSet,
    terminal: Option<Terminal>,
    foreign: HashSet<i32>,
}

impl<'a> Run<'a> {
    fn new(settings: &'a Settings, mask: SignalSet, clock: Clock) -> Self {
        let ignored = [Signal::HUP, Signal::TSTP, Signal::CHLD].into_iter();
        let inherited_ignored = ignored.filter(|signal| inbox::is_ignored(*signal)).collect();
        // With SIGCHLD ignored the kernel would reap our children itself, and never tell.
        inbox::set_ignored(Signal::CHLD, false);
        if !is_pid_1() {
            reap::adopt_orphans();
        }
        let foreign = if reap::has_children() { tree::foreign() } else { HashSet::new() };
        if let Some(number) = record_descriptor(settings) {
            keep_from_workload(number);
        }
        Self { settings, clock, mask, inherited_ignored, terminal: Terminal::open(), foreign }
    }

    fn start(mut self) -> Ending {
        if !self.settings.guard {
            return self.supervise(None, None);
        }
        match link::fork() {
            Ok(Side::Outer(end)) => self.guard(&end),
            Ok(Side::Inner(end)) => {
                reap::adopt_orphans();
                self.foreign = HashSet::new();
                if self.terminal.is_none() {
                    // What is sent to the group of the process that callers see is for that one.
                    let _ =
                        nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
                } else {
                    // In a shared group what comes to it directly counts as sent to all of them.
                    end.rename();
                }
                // How it ended is on the page; the outer process ends with it.
                Ending::Status(self.supervise(Some(end), None).status())
            }
            Err(error) => self.supervise(None, Some(error)),
        }
    }

    /// The outer process: waits, and takes over if it has to.
    fn guard(self, end: &OuterEnd) -> Ending {
        self.leave_surroundings(Some(end.descriptor()));
        let stops_with_it = self.terminal.is_some() && !self.inherited_ignored.contains(Signal::TSTP);
        match guard::watch(end, &self.clock, stops_with_it) {
            Next::End(ending) => return ending,
            Next::TakeOver => {}
            Next::Supervise(error) => {
                let tree = self.tree(Spawned { pid: end.inner, descriptor: None });
                let mut supervisor = self.supervisor(tree, None);
                supervisor.observer.tell(supervisor.clock.now(), &Fact::NoGuard(error));
                return supervisor.run();
            }
        }
        let Some(main) = end.page.main_pid() else {
            let why = "the supervising process was killed before the command was started";
            return self.not_started(why.to_owned(), WINDDOWN_FAILED);
        };
        let mut tree = self.tree(Spawned { pid: main, descriptor: None });
        // What the inner process had reaped is no child of ours: its id may be a stranger's by now.
        let reaped = (!reap::is_child(main)).then(|| end.page.main_exit());
        // Untold it was reaped in the inner process's last moment.
        let exit = reaped.map(|told| told.unwrap_or(Exit::Signal(Signal::KILL)));
        if exit.is_none_or(|exit| exit == Exit::Signal(Signal::KILL)) {
            // It dies with the process that started it.
            tree.main_dies_with_parent();
        }
        self.supervisor(tree, None).take_over(exit)
    }

    fn supervise(self, link: Option<InnerEnd>, no_guard: Option<io::Error>) -> Ending {
        match self.spawn(link.as_ref()) {
            Ok(spawned) => {
                let tree = self.tree(spawned);
                let link_descriptor = link.as_ref().map(InnerEnd::descriptor);
                self.leave_surroundings(link_descriptor.into_iter().chain(tree.descriptor()));
                let mut supervisor = self.supervisor(tree, link);
                if let Some(error) = no_guard {
                    supervisor.observer.tell(supervisor.clock.now(), &Fact::NoGuard(error));
                }
                supervisor.run()
            }
            Err(error) => {
                let ending = self.not_started(error.to_string(), error.exit_status());
                if let Some(link) = &link {
                    link.page.set_ending(ending);
                }
                ending
            }
        }
    }

    fn spawn(&self, link: Option<&InnerEnd>) -> Result<Spawned, SpawnError> {
        let settings = self.settings;
        let words = settings.command.iter();
        let arguments: Vec<CString> = words.filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
        let limit = settings.plan.limit.length();
        let limit =
            limit.and_then(|length| CString::new(format!("{LIMIT_VARIABLE}={}", length.as_millis())).ok());
        let environment = environment_for_workload(&settings.consumed, limit.as_deref());
        let command = Command {
            arguments: &arguments,
            environment: &environment,
            mask: self.mask,
            child_ignored: self.inherited_ignored.contains(Signal::CHLD),
            own_group: self.terminal.is_none(),
            dies_with_parent: !is_pid_1(),
            announce: link.map(|link| link.page.main_pid_place()),
        };
        match (spawn::spawn(&command), link) {
            // The last process is the workload's: the guard is done without.
            (Err(SpawnError::NoProcess(error)), Some(link)) => {
                reap::adopt_no_orphans();
                link.decline(&error);
                Err(spawn::become_it(&command, link.outer))
            }
            (result, _) => result,
        }
    }

    fn not_started(&self, why: String, status: u8) -> Ending {
        let mut observer = self.observer();
        observer.tell(self.clock.now(), &Fact::NotStarted(why));
        if let Some(record) = &mut observer.record {
            record.not_started();
        }
        observer.write_record(self.clock.now(), std::iter::empty(), status);
        Ending::Status(status)
    }

    fn tree(&self, spawned: Spawned) -> Tree {
        let command = self.settings.command.first().map(Path::new).and_then(Path::file_name);
        let name = command.unwrap_or_default().to_string_lossy().into_owned();
        let main = Process { pid: spawned.pid, name };
        Tree::new(main, spawned.descriptor, self.terminal.is_none(), self.foreign.clone())
    }

    fn observer(&self) -> Observer {
        let settings = self.settings;
        let origin = &settings.limit_origin;
        let log = Log::new(settings.log_format, settings.log_level, origin.clone(), self.clock);
        let record = settings.record.clone().map(|destination| {
            Record::new(destination, &settings.command, settings.plan.limit, origin, &self.clock)
        });
        Observer { log, record }
    }

    fn supervisor(self, tree: Tree, link: Option<InnerEnd>) -> Supervisor {
        Supervisor {
            machine: Machine::new(self.settings.plan.clone()),
            tree,
            own_pid: std::process::id().cast_signed(),
            observer: self.observer(),
            link,
            terminal: self.terminal,
            group_signals: GroupSignals::default(),
            clock: self.clock,
            inherited_ignored: self.inherited_ignored,
            remap_exit: self.settings.remap_exit.clone(),
            pending: Pending::default(),
        }
    }

    /// Once the command no longer needs what we were given.
    fn leave_surroundings(&self, keep: impl IntoIterator<Item = RawFd>) {
        let terminal = self.terminal.as_ref().map(Terminal::descriptor);
        let keep: Vec<RawFd> =
            keep.into_iter().chain(terminal).chain(record_descriptor(self.settings)).collect();
        leave_surroundings(&keep);
    }
}

fn record_descriptor(settings: &Settings) -> Option<RawFd> {
    match settings.record {
        Some(Destination::Descriptor(number)) => Some(number),
        Some(Destination::File(_)) | None => None,
    }
}

/// Our own environment, without what was meant for winddown, and with the limit.
fn environment_for_workload<'a>(consumed: &[OsString], limit: Option<&'a CStr>) -> Vec<&'a CStr> {
    let is_ours = |entry: &CStr| {
        let name = entry.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
        name == LIMIT_VARIABLE.as_bytes() || consumed.iter().any(|variable| variable.as_bytes() == name)
    };
    environment::entries().into_iter().filter(|entry| !is_ours(entry)).chain(limit).collect()
}
