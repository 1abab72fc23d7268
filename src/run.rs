//! Puts a run together: guard, start of the main process, supervision, end.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::Settings;
use crate::fact::Fact;
use crate::guard::{self, Next};
use crate::lifecycle::exit::{Ending, Exit, WINDDOWN_FAILED};
use crate::lifecycle::plan::Plan;
use crate::lifecycle::retry::Tries;
use crate::lifecycle::retry::policy::Policy;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::Observer;
use crate::observe::log::Log;
use crate::os::clock::Clock;
use crate::os::guard::channel::{self, InnerEnd, OuterEnd, Side};
use crate::os::io::descriptor::{keep_from_workload, leave_surroundings};
use crate::os::io::destination::Destination;
use crate::os::io::notify::{Outlet, Relay};
use crate::os::io::own_file;
use crate::os::io::ready_file::ReadyFile;
use crate::os::io::terminal::Terminal;
use crate::os::io::token::{ReadEnd, Token};
use crate::os::one_thread::OneThread;
use crate::os::process::descendants;
use crate::os::process::foreign::Foreign;
use crate::os::process::hook::{self, Surroundings};
use crate::os::process::parent::Parent;
use crate::os::process::reap::{self, Usage};
use crate::os::process::spawn::{self, Command, Spawned};
use crate::os::process::spawn_error::SpawnError;
use crate::os::process::tree::{Process, Tree};
use crate::os::reason;
use crate::os::signal::queue::{self, InheritedLimit};
use crate::os::signal::receive;
use crate::platform::Platform;
use crate::ready::before::Earlier;
use crate::record::collect::{Collector, RunEnd};
use crate::supervise::{self, Arrivals, Contact, Hooks, Killer, Pending, Start, StartedTry, Supervisor};
use crate::workload_env::{self, Offer};

/// Starts the command and supervises it to its end, or returns why nothing was started.
pub(crate) fn run(
    settings: &Settings,
    mask: SignalSet,
    clock: Clock,
    one_thread: OneThread,
) -> Result<Ending, String> {
    if settings.stop_with_parent && Parent::is_out_of_sight() {
        let why = "--stop-with-parent: winddown's parent is outside its PID namespace and can't be watched; leave it out";
        return Err(why.to_owned());
    }
    for (option, path) in [("--token", &settings.token), ("--ready-file", &settings.ready_file)] {
        if let Some(path) = path
            && let Err(error) = own_file::check(path)
        {
            return Err(format!(
                "{option} {}: {}; name a file in a directory that can be written",
                path.display(),
                reason(&error)
            ));
        }
    }
    Ok(Launch::new(settings, mask, clock, one_thread).start())
}

pub(crate) fn is_pid_1() -> bool {
    std::process::id() == 1
}

/// A run before its main process has started, with what winddown was given.
struct Launch<'a> {
    one_thread: OneThread,
    settings: &'a Settings,
    clock: Clock,
    mask: SignalSet,
    inherited_ignored: SignalSet,
    queue_limit: InheritedLimit,
    terminal: Option<Terminal>,
    /// Whether a main process leads a group of its own: without a terminal.
    own_group: bool,
    foreign: Foreign,
    /// The file that our stdin is.
    stdin: Option<PathBuf>,
    /// The directory to run hooks in, if there are any.
    directory: Option<OwnedFd>,
    /// The parent to stop with.
    parent: Option<Parent>,
    /// The files that `--ready` names, as they are before the start.
    before: Earlier,
}

impl<'a> Launch<'a> {
    fn new(settings: &'a Settings, mask: SignalSet, clock: Clock, one_thread: OneThread) -> Self {
        let ignored = [Signal::HUP, Signal::INT, Signal::TSTP, Signal::CHLD].into_iter();
        let inherited_ignored = ignored.filter(|signal| receive::is_ignored(*signal)).collect();
        // With SIGCHLD ignored, the kernel would reap our children itself, and not report their ends.
        receive::set_ignored(Signal::CHLD, false);
        if !is_pid_1() {
            reap::adopt_orphans();
        }
        let foreign = descendants::already_below();
        if let Some(number) = record_descriptor(settings) {
            keep_from_workload(number);
        }
        let parent = settings.stop_with_parent.then(Parent::watch);
        let directory = has_helpers(settings).then(hook::working_directory).flatten();
        let terminal = Terminal::open();
        Self {
            one_thread,
            settings,
            clock,
            mask,
            inherited_ignored,
            queue_limit: queue::leave_room(),
            own_group: terminal.is_none(),
            terminal,
            foreign,
            stdin: std::fs::read_link("/proc/self/fd/0").ok(),
            directory,
            parent,
            before: before(settings),
        }
    }

    fn start(mut self) -> Ending {
        let outlet = workload_env::outlet();
        if !self.settings.guard {
            return self.supervise(None, None, outlet);
        }
        let (relay, outlet) = match outlet.map(Relay::new).transpose() {
            Ok(both) => both.unzip(),
            Err(error) => return self.supervise(None, Some(error), workload_env::outlet()),
        };
        match channel::fork(self.one_thread) {
            Ok(Side::Outer(end)) => {
                drop(outlet);
                self.guard(&end, relay)
            }
            Ok(Side::Inner(end)) => {
                drop(relay);
                reap::adopt_orphans();
                self.foreign = Foreign::default();
                // Our parent is the outer process, which watches its own and tells us.
                self.parent = None;
                end.rename();
                if self.terminal.is_none() {
                    // A signal to the group of the process that callers see is for that process.
                    let _ =
                        nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
                }
                // The ending is on the shared page, and the outer process uses that.
                Ending::Status(self.supervise(Some(end), None, outlet).status())
            }
            Err(error) => self.supervise(None, Some(error), relay.map(|relay| relay.to)),
        }
    }

    /// The outer process: waits, and takes over if it has to.
    fn guard(mut self, end: &OuterEnd, mut relay: Option<Relay>) -> Ending {
        let relayed = relay.iter().flat_map(Relay::descriptors);
        self.leave_surroundings(relayed.chain([end.descriptor()]));
        let stops_with_it = self.terminal.is_some() && !self.inherited_ignored.contains(Signal::TSTP);
        match guard::watch(
            self.one_thread,
            end,
            &self.clock,
            stops_with_it,
            self.parent,
            relay.as_mut(),
            &mut self.foreign,
        ) {
            Next::End(ending) => {
                // Closing descriptors from others could take long; the kernel does it once this process is gone.
                std::mem::forget(relay);
                return ending;
            }
            Next::TakeOver => {}
            Next::Supervise(error) => {
                let tree = self.tree(Spawned { pid: end.inner, descriptor: None });
                let contact = self.contact_by_file(relay);
                let run = self.last_try();
                let mut supervisor = self.supervisor(tree, None, contact, run);
                supervisor.observer.observe(supervisor.clock.now(), &Fact::NoGuard { error });
                return only_ending(supervisor.run());
            }
        }
        let Some(main) = end.page.main_pid() else { return self.end_without_try(end, relay) };
        let mut tree = self.tree(Spawned { pid: main, descriptor: None });
        // If the inner process has reaped it, it is not our child: its pid may be a stranger's by now.
        let reaped = (!reap::is_child(main)).then(|| end.page.main_exit());
        // Without an exit on the page, it was reaped in the inner process's last moment.
        let exit = reaped.map(|exit| exit.unwrap_or(Exit::Signal(Signal::KILL)));
        if exit.is_none_or(|exit| exit == Exit::Signal(Signal::KILL)) {
            // It dies with the process that started it.
            tree.note_main_dies_with_parent();
        }
        let contact = self.contact_by_file(relay);
        let run = self.last_try();
        let mut supervisor = self.supervisor(tree, None, contact, run);
        supervisor.number_try(end.page.attempt());
        let is_requested = end.page.is_requested();
        only_ending(supervisor.take_over(exit, is_requested, end.page.ready_writer_place()))
    }

    /// The same if no try was running: none is started.
    fn end_without_try(mut self, end: &OuterEnd, relay: Option<Relay>) -> Ending {
        let Some(last) = end.page.last_try() else {
            let why = "the supervising process was killed before the command was started";
            return self.not_started(why.to_owned(), WINDDOWN_FAILED);
        };
        let contact = self.contact_by_file(relay);
        let mut tree = self.tree(Spawned { pid: last.main, descriptor: None });
        tree.note_reaped(last.main, last.exit);
        let run = Tries::between_tries(self.plan(), last.exit, last.ending);
        let mut supervisor = self.supervisor(tree, None, contact, run);
        supervisor.number_try(end.page.attempt());
        only_ending(supervisor.end_between_tries())
    }

    /// A run that no other try follows: winddown has given up what it would start one with.
    fn last_try(&self) -> Tries {
        Tries::new(self.plan(), Policy::once())
    }

    /// A contact without an inlet: the process that received the workload's messages is gone.
    fn contact_by_file(&self, relay: Option<Relay>) -> Contact {
        let (outlet, closing) = relay.map(|relay| (relay.to, relay.closing)).unzip();
        let mut contact = Contact::new(None, outlet, self.settings.token.clone().map(Token::new));
        contact.closing = closing.unwrap_or_default();
        contact
    }

    fn supervise(
        mut self,
        channel: Option<InnerEnd>,
        no_guard: Option<io::Error>,
        outlet: Option<Outlet>,
    ) -> Ending {
        let begun = match self.spawn(channel.as_ref(), 1) {
            Ok(begun) => begun,
            Err(error) => {
                let ending = self.not_started(error.to_string(), error.exit_status());
                if let Some(channel) = &channel {
                    channel.page.set_ending(ending);
                }
                return ending;
            }
        };
        let contact = Contact::new(begun.inlet, outlet, begun.token);
        if !self.settings.retry.retries() {
            let channel_descriptor = channel.as_ref().map(InnerEnd::descriptor);
            let ours =
                channel_descriptor.into_iter().chain(begun.tree.descriptor()).chain(contact.descriptors());
            self.leave_surroundings(ours);
        }
        let run = Tries::new(self.plan(), self.settings.retry.clone());
        let mut supervisor = self.supervisor(begun.tree, channel, contact, run);
        for text in &self.settings.advice {
            supervisor.observer.observe(supervisor.clock.now(), &Fact::Advice { text: text.clone() });
        }
        if let Some(error) = no_guard {
            supervisor.observer.observe(supervisor.clock.now(), &Fact::NoGuard { error });
        }
        supervisor.number_try(self.settings.retry.retries().then_some(1));
        self.all_tries(supervisor)
    }

    /// Supervises the first try, and starts those that follow.
    fn all_tries(&mut self, mut supervisor: Supervisor) -> Ending {
        let mut next = supervisor.run();
        loop {
            if let supervise::Continuation::End(ending) = next {
                return ending;
            }
            supervisor.forget_try();
            self.foreign = supervisor.tree.take_foreign();
            self.before = before(self.settings);
            next = match self.spawn(supervisor.channel.as_ref(), supervisor.machine.attempt()) {
                Ok(begun) => {
                    supervisor.begin(begun, std::mem::take(&mut self.before));
                    supervisor.run()
                }
                Err(error) => supervisor.fail_to_start(&error),
            };
        }
    }

    fn spawn(&self, channel: Option<&InnerEnd>, attempt: u32) -> Result<StartedTry, SpawnError> {
        let settings = self.settings;
        let visible_pid = channel.map_or_else(|| std::process::id().cast_signed(), |channel| channel.outer);
        let offer = Offer::open(settings, &self.clock, visible_pid, attempt);
        let offer = offer.map_err(SpawnError::NoDescriptor)?;
        offer.token.as_ref().map_or(Ok(()), Token::clear).map_err(SpawnError::OldToken)?;
        let ready_file = settings.ready_file.clone().map(ReadyFile::new);
        ready_file.map_or(Ok(()), |file| file.clear()).map_err(SpawnError::OldReadyFile)?;
        let words = settings.command.iter();
        let arguments: Vec<CString> = words.filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
        let command = Command {
            arguments: &arguments,
            environment: &offer.environment,
            pid_variables: &offer.pid_variables,
            inherits: offer.read_end.as_ref().map(ReadEnd::number),
            mask: self.mask,
            child_ignored: self.inherited_ignored.contains(Signal::CHLD),
            queue_limit: self.queue_limit,
            own_group: self.own_group,
            dies_with_parent: !is_pid_1(),
            announce: channel.map(|channel| channel.page.main_pid_place()),
        };
        match (spawn::spawn(&command), channel) {
            // The last available process goes to the workload: the run has no guard.
            (Err(SpawnError::NoProcess(error)), Some(channel)) if attempt == 1 => {
                reap::adopt_no_orphans();
                channel.decline(&error);
                // If the exec closed it, that would announce a stop.
                offer.token.iter().for_each(Token::keep_open);
                Err(spawn::become_it(&command, channel.outer))
            }
            (result, _) => {
                let tree = self.tree(result?);
                Ok(StartedTry { tree, inlet: offer.inlet, token: offer.token })
            }
        }
    }

    /// What the machine follows.
    fn plan(&self) -> Plan {
        let mut plan = self.settings.plan.clone();
        if self.settings.origins.stop_on.is_none() && self.inherited_ignored.contains(Signal::INT) {
            // The workload ignores it as well: Ctrl+C is not meant for it (`winddown cmd &` in a script).
            plan.stop_on = plan.stop_on.without(Signal::INT);
        }
        plan
    }

    fn not_started(&self, why: String, status: u8) -> Ending {
        let mut observer = self.observer();
        observer.observe(self.clock.now(), &Fact::NotStarted { why });
        if let Some(record) = &mut observer.record {
            record.not_started();
        }
        observer.write_record(self.clock.now(), &RunEnd { exit_status: status, ..RunEnd::default() });
        Ending::Status(status)
    }

    fn tree(&self, spawned: Spawned) -> Tree {
        let command = self.settings.command.first().map(Path::new).and_then(Path::file_name);
        let name = command.unwrap_or_default().to_string_lossy().into_owned();
        let main = Process { pid: spawned.pid, name };
        let mut tree = Tree::new(main, spawned.descriptor, self.own_group, self.foreign.clone());
        tree.set_stdin(self.stdin.clone());
        tree
    }

    fn observer(&self) -> Observer {
        let settings = self.settings;
        let origin = &settings.origins.kill;
        let log = Log::new(settings.log_format, settings.log_level, origin.clone(), self.clock);
        let record = settings.record.clone().map(|destination| {
            Collector::new(destination, &settings.command, settings.plan.length(), origin, &self.clock)
        });
        Observer { log, record }
    }

    fn hooks(&mut self) -> Hooks {
        let settings = self.settings;
        if !has_helpers(settings) {
            return Hooks::default();
        }
        let surroundings = Surroundings {
            environment: workload_env::environment_for_hooks(settings),
            mask: self.mask,
            child_ignored: self.inherited_ignored.contains(Signal::CHLD),
            queue_limit: self.queue_limit,
            directory: self.directory.take(),
            one_thread: self.one_thread,
        };
        Hooks::new(settings.hooks.clone(), settings.post_stop.clone(), surroundings)
    }

    fn supervisor(
        &mut self,
        tree: Tree,
        channel: Option<InnerEnd>,
        contact: Contact,
        run: Tries,
    ) -> Supervisor {
        let hooks = self.hooks();
        let ready_file = self.settings.ready_file.clone().map(ReadyFile::new);
        let start = Start::new(self.settings.ready.clone(), std::mem::take(&mut self.before), ready_file);
        let visible_pid = channel.as_ref().map(|channel| channel.outer);
        let platform = visible_pid.and_then(|pid| Platform::of(|name| std::env::var_os(name), pid));
        let arrivals = Arrivals::new(platform);
        Supervisor {
            one_thread: self.one_thread,
            machine: run,
            try_started: Duration::ZERO,
            not_started: None,
            tree,
            own_pid: std::process::id().cast_signed(),
            observer: self.observer(),
            outer_pid: channel.as_ref().map(|channel| channel.outer),
            channel,
            terminal: self.terminal.take(),
            arrivals,
            clock: self.clock,
            inherited_ignored: self.inherited_ignored,
            hooks,
            start,
            contact,
            looks: Vec::new(),
            live_next: Duration::ZERO,
            usage: Usage::default(),
            killer: Killer::watch(),
            parent: self.parent.take(),
            statuses: self.settings.statuses.clone(),
            pending: Pending::default(),
        }
    }

    /// Gives up the directory and descriptors that we were given, once the command no longer needs them.
    fn leave_surroundings(&self, keep: impl IntoIterator<Item = RawFd>) {
        let terminal = self.terminal.as_ref().map(Terminal::descriptor);
        let directory = self.directory.as_ref().map(AsRawFd::as_raw_fd);
        let keep: Vec<RawFd> = keep
            .into_iter()
            .chain(terminal)
            .chain(record_descriptor(self.settings))
            .chain(directory)
            .collect();
        leave_surroundings(self.one_thread, &keep);
    }
}

/// What is there before a try of what its conditions name.
fn before(settings: &Settings) -> Earlier {
    Earlier::of_files(&settings.ready).and_sockets(&settings.ready)
}

/// The ending of a run that starts no try.
fn only_ending(next: supervise::Continuation) -> Ending {
    match next {
        supervise::Continuation::End(ending) => ending,
        supervise::Continuation::Try => Ending::Status(WINDDOWN_FAILED),
    }
}

/// Whether commands or probes run beside the workload.
fn has_helpers(settings: &Settings) -> bool {
    !settings.hooks.is_empty() || settings.post_stop.is_some() || !settings.ready.is_empty()
}

fn record_descriptor(settings: &Settings) -> Option<RawFd> {
    match settings.record {
        Some(Destination::Descriptor(number)) => Some(number),
        Some(Destination::File(_)) | None => None,
    }
}
