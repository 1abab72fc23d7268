//! Puts a run together: command line, guard, start of the main process, supervision, end.

use std::collections::HashSet;
use std::ffi::{CString, OsString};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::cli::{self, Request, Settings};
use crate::guard::{self, Next};
use crate::lifecycle::exit::{Ending, Exit, WINDDOWN_FAILED};
use crate::lifecycle::machine::Machine;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::{Format, Level, Log};
use crate::observe::record::{Destination, End, Record};
use crate::observe::{Fact, Observer};
use crate::offer::{self, Offer};
use crate::os::clock::Clock;
use crate::os::descriptor::{keep_from_workload, leave_surroundings};
use crate::os::hook::Surroundings;
use crate::os::link::{self, InnerEnd, OuterEnd, Side};
use crate::os::notify::{Outlet, Relay};
use crate::os::parent::Parent;
use crate::os::reap::Usage;
use crate::os::spawn::{self, Command, SpawnError, Spawned};
use crate::os::terminal::Terminal;
use crate::os::token::{ReadEnd, Token};
use crate::os::tree::{self, Process, Tree};
use crate::os::{self, hook, inbox, reap, reason};
#[cfg(feature = "report")]
use crate::report;
use crate::supervise::{Contact, GroupSignals, Hooks, Pending, Supervisor};
use crate::token;

/// Runs winddown with the signal mask that it was started with, and returns its exit status. Does
/// not return when winddown has to die as the main process did.
#[must_use]
pub fn main(mask: SignalSet) -> u8 {
    let clock = Clock::start();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    match cli::parse(&arguments, &variables, is_pid_1()) {
        Ok(Request::Run(settings)) => run(&settings, mask, clock),
        Ok(Request::Print(text)) => {
            inbox::set_mask(mask);
            print(&text, 0, clock)
        }
        Ok(Request::Token) => {
            inbox::set_mask(mask);
            match token::run(&arguments[1..]) {
                Ok((text, status)) => print(&text, status, clock),
                Err(error) => refuse(clock, error.to_string()),
            }
        }
        #[cfg(feature = "report")]
        Ok(Request::Report) => {
            inbox::set_mask(mask);
            match report::run(&arguments[1..]) {
                Ok(text) => print(&text, 0, clock),
                Err(error) => refuse(clock, error.to_string()),
            }
        }
        #[cfg(feature = "check")]
        Ok(Request::Check) => match crate::check::run(&arguments[1..], clock) {
            Ok((text, status)) => print(&text, status, clock),
            Err(refusal) => {
                refuse(clock, refusal.why);
                refusal.status
            }
        },
        Err(error) => refuse(clock, error.to_string()),
    }
}

fn run(settings: &Settings, mask: SignalSet, clock: Clock) -> u8 {
    if let Some(path) = &settings.token
        && let Err(error) = os::token::prepare(path)
    {
        return refuse(
            clock,
            format!(
                "--token {}: {}; name a file in a directory that can be written",
                path.display(),
                reason(&error)
            ),
        );
    }
    finish(Run::new(settings, mask, clock).start())
}

fn print(text: &str, status: u8, clock: Clock) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => status,
        Err(error) => refuse(clock, format!("cannot write to stdout: {}", reason(&error))),
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
    /// Where the hooks are to run, if there are any.
    directory: Option<OwnedFd>,
    /// The parent that the run is to end with.
    parent: Option<Parent>,
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
        let parent = settings.stop_with_parent.then(Parent::watch);
        let has_hooks = !settings.hooks.is_empty() || settings.post_stop.is_some();
        let directory = has_hooks.then(hook::working_directory).flatten();
        Self {
            settings,
            clock,
            mask,
            inherited_ignored,
            terminal: Terminal::open(),
            foreign,
            directory,
            parent,
        }
    }

    fn start(mut self) -> Ending {
        let outlet = offer::outlet();
        if !self.settings.guard {
            return self.supervise(None, None, outlet);
        }
        let (relay, outlet) = match outlet.map(Relay::new).transpose() {
            Ok(both) => both.unzip(),
            Err(error) => return self.supervise(None, Some(error), offer::outlet()),
        };
        match link::fork() {
            Ok(Side::Outer(end)) => {
                drop(outlet);
                self.guard(&end, relay)
            }
            Ok(Side::Inner(end)) => {
                drop(relay);
                reap::adopt_orphans();
                self.foreign = HashSet::new();
                // Ours is the outer process; it tells of its own.
                self.parent = None;
                if self.terminal.is_none() {
                    // What is sent to the group of the process that callers see is for that one.
                    let _ =
                        nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
                } else {
                    // In a shared group what comes to it directly counts as sent to all of them.
                    end.rename();
                }
                // How it ended is on the page; the outer process ends with it.
                Ending::Status(self.supervise(Some(end), None, outlet).status())
            }
            Err(error) => self.supervise(None, Some(error), relay.map(|relay| relay.to)),
        }
    }

    /// The outer process: waits, and takes over if it has to.
    fn guard(mut self, end: &OuterEnd, relay: Option<Relay>) -> Ending {
        let relayed = relay.iter().flat_map(Relay::descriptors);
        self.leave_surroundings(relayed.chain([end.descriptor()]));
        let stops_with_it = self.terminal.is_some() && !self.inherited_ignored.contains(Signal::TSTP);
        match guard::watch(end, &self.clock, stops_with_it, self.parent, relay.as_ref(), &mut self.foreign) {
            Next::End(ending) => return ending,
            Next::TakeOver => {}
            Next::Supervise(error) => {
                let tree = self.tree(Spawned { pid: end.inner, descriptor: None });
                let contact = self.contact_by_file(relay);
                let mut supervisor = self.supervisor(tree, None, contact);
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
        let contact = self.contact_by_file(relay);
        self.supervisor(tree, None, contact).take_over(exit)
    }

    /// The process that had the workload's messages is gone.
    fn contact_by_file(&self, relay: Option<Relay>) -> Contact {
        let outlet = relay.map(|relay| relay.to);
        Contact::new(None, outlet, self.settings.token.clone().map(Token::new))
    }

    fn supervise(
        self,
        link: Option<InnerEnd>,
        no_guard: Option<io::Error>,
        outlet: Option<Outlet>,
    ) -> Ending {
        match self.spawn(link.as_ref(), outlet) {
            Ok((spawned, contact)) => {
                let tree = self.tree(spawned);
                let link_descriptor = link.as_ref().map(InnerEnd::descriptor);
                let ours = link_descriptor.into_iter().chain(tree.descriptor()).chain(contact.descriptors());
                self.leave_surroundings(ours);
                let mut supervisor = self.supervisor(tree, link, contact);
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

    fn spawn(
        &self,
        link: Option<&InnerEnd>,
        outlet: Option<Outlet>,
    ) -> Result<(Spawned, Contact), SpawnError> {
        let settings = self.settings;
        let visible_pid = link.map_or_else(|| std::process::id().cast_signed(), |link| link.outer);
        let offer = Offer::open(settings, &self.clock, visible_pid, outlet);
        let offer = offer.map_err(SpawnError::NoDescriptor)?;
        let words = settings.command.iter();
        let arguments: Vec<CString> = words.filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
        let command = Command {
            arguments: &arguments,
            environment: &offer.environment,
            pid_variables: &offer.pid_variables,
            inherits: offer.read_end.as_ref().map(ReadEnd::number),
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
                // Closed by the exec, it would tell a stop.
                offer.contact.token.iter().for_each(Token::keep_open);
                Err(spawn::become_it(&command, link.outer))
            }
            (result, _) => result.map(|spawned| (spawned, offer.contact)),
        }
    }

    fn not_started(&self, why: String, status: u8) -> Ending {
        let mut observer = self.observer();
        observer.tell(self.clock.now(), &Fact::NotStarted(why));
        if let Some(record) = &mut observer.record {
            record.not_started();
        }
        observer.write_record(self.clock.now(), &End { exit_status: status, ..End::default() });
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
        let origin = &settings.origins.limit;
        let log = Log::new(settings.log_format, settings.log_level, origin.clone(), self.clock);
        let record = settings.record.clone().map(|destination| {
            Record::new(destination, &settings.command, settings.plan.limit, origin, &self.clock)
        });
        Observer { log, record }
    }

    fn hooks(&mut self) -> Hooks {
        let settings = self.settings;
        if settings.hooks.is_empty() && settings.post_stop.is_none() {
            return Hooks::default();
        }
        let surroundings = Surroundings {
            environment: offer::environment_for_hooks(settings),
            mask: self.mask,
            child_ignored: self.inherited_ignored.contains(Signal::CHLD),
            directory: self.directory.take(),
        };
        Hooks::new(settings.hooks.clone(), settings.post_stop.clone(), surroundings)
    }

    fn supervisor(mut self, tree: Tree, link: Option<InnerEnd>, contact: Contact) -> Supervisor {
        let hooks = self.hooks();
        Supervisor {
            machine: Machine::new(self.settings.plan.clone()),
            tree,
            own_pid: std::process::id().cast_signed(),
            observer: self.observer(),
            outer_pid: link.as_ref().map(|link| link.outer),
            link,
            terminal: self.terminal,
            group_signals: GroupSignals::default(),
            clock: self.clock,
            inherited_ignored: self.inherited_ignored,
            hooks,
            contact,
            looks: Vec::new(),
            live_next: Duration::ZERO,
            usage: Usage::default(),
            parent: self.parent,
            remap_exit: self.settings.remap_exit.clone(),
            pending: Pending::default(),
        }
    }

    /// Once the command no longer needs what we were given.
    fn leave_surroundings(&self, keep: impl IntoIterator<Item = RawFd>) {
        let terminal = self.terminal.as_ref().map(Terminal::descriptor);
        let directory = self.directory.as_ref().map(AsRawFd::as_raw_fd);
        let keep: Vec<RawFd> = keep
            .into_iter()
            .chain(terminal)
            .chain(record_descriptor(self.settings))
            .chain(directory)
            .collect();
        leave_surroundings(&keep);
    }
}

fn record_descriptor(settings: &Settings) -> Option<RawFd> {
    match settings.record {
        Some(Destination::Descriptor(number)) => Some(number),
        Some(Destination::File(_)) | None => None,
    }
}
