//! One run: start, readiness, signal, end, and what is left.

use std::collections::HashSet;
use std::time::Duration;

use tracing::{info, warn};

use super::archive::RunId;
use super::files::Files;
use super::job::{Job, Jobs};
use super::load::Load;
use super::namespace;
use super::ready;
use super::scenario::{Need, Scenario};
use super::stdin::Input;
use super::strangers::Strangers;
use crate::check::clients::probe_series::Strip;
use crate::check::observed::{
    Before, Leftovers, Listener, Missing, Noise, Observed, Printed, ProcessRecord, Readiness, Record, Shell,
};
use crate::check::options::Options;
use crate::check::options::probing::Probing;
use crate::check::time::{ms, now_ms};
use crate::check::trace::addresses;
use crate::lifecycle::signal::Signal;
use crate::os;
use crate::os::clock::Clock;
use crate::os::inspect::{self, Takes};
use crate::os::listening;
use crate::os::process::subprocess::Handle;
use crate::ready::place::Place;
use doors::Doors;

/// How long a server may take to install its handler once it is ready.
const HANDLER_PATIENCE: Duration = Duration::from_millis(300);
/// How long probes run before the signal.
const BEFORE_SIGNAL: Duration = Duration::from_millis(500);
/// The time between two looks at whether the command runs.
const START_PAUSE: Duration = Duration::from_millis(1);
/// The signal counts as blocked if this many looks in a row find it so.
const BLOCKED_LOOKS: usize = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// How long to wait for the output to be closed.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);
const LAST_LINES: usize = 20;

mod aborted;
mod ask;
mod doors;

/// One run under way.
struct ActiveRun<'a> {
    options: &'a Options,
    scenario: Scenario,
    number: usize,
    clock: Clock,
    job: Job,
    files: Files,
    strangers: Strangers,
    observed: Observed,
}

/// The process that supervises, and the main process.
#[derive(Clone, Copy)]
struct Pids {
    inner: i32,
    main: i32,
}

/// What differs between the runs of one scenario.
#[derive(Clone, Copy, Default)]
pub(super) struct Variant {
    /// The run's number in the test.
    pub(super) number: usize,
    /// How much later the signal comes.
    pub(super) delay: Duration,
    /// A standard input other than the one that the user chose.
    pub(super) input: Option<Input>,
}

/// Plays one scenario, and logs why it shows nothing, if it does not.
pub(super) async fn run(
    options: &Options,
    scenario: Scenario,
    variant: Variant,
    jobs: &Jobs,
    clock: Clock,
) -> std::io::Result<Observed> {
    let observed = play(options, scenario, variant, jobs, clock).await?;
    if let Some(record) = &observed.record {
        jobs.archive.keep(RunId { number: variant.number, scenario }, record);
    }
    match &observed.missing {
        Some(Missing::Skip(why)) => info!(why, "skipped"),
        Some(Missing::Inconclusive(why)) => warn!(why, "inconclusive"),
        None => {}
    }
    Ok(observed)
}

async fn play(
    options: &Options,
    scenario: Scenario,
    variant: Variant,
    jobs: &Jobs,
    clock: Clock,
) -> std::io::Result<Observed> {
    if let Some(missing) = missing(options, scenario).await {
        return Ok(Observed { missing: Some(Missing::Skip(missing)), ..Observed::default() });
    }
    let input = variant.input.unwrap_or(options.stdin);
    let id = RunId { number: variant.number, scenario };
    let (mut run, pids) = ActiveRun::start(options, id, input, jobs, clock).await?;
    run.go_through(variant.delay, pids, jobs).await?;
    run.put_away();
    Ok(run.observed)
}

/// Why a scenario can't be played here.
async fn missing(options: &Options, scenario: Scenario) -> Option<&'static str> {
    match scenario.needs()? {
        Need::Namespace => (!namespace::is_possible().await).then_some("no PID namespace can be made here"),
        Need::Load => options.drive.is_none().then_some("no load to run: give --drive COMMAND"),
        Need::Break => options.breaks.is_none().then_some("no dependency to take away: give --break COMMAND"),
        Need::Slow => options.slow.is_none().then_some("no slow request to hold: give --slow URL"),
        Need::Stream => options.stream.is_none().then_some("no endless answer to hold: give --stream URL"),
        Need::Questions => (!options.probing.asks()).then_some("it needs a request, which --probe rules out"),
    }
}

impl<'a> ActiveRun<'a> {
    /// Starts the run, and waits until the command runs.
    async fn start(
        options: &'a Options,
        id: RunId,
        input: Input,
        jobs: &Jobs,
        clock: Clock,
    ) -> std::io::Result<(Self, Option<Pids>)> {
        let scenario = id.scenario;
        let mut files = Files::look(&options.watch);
        let strangers = match scenario {
            // Check neither waits for the server nor connects to it.
            Scenario::Startup => Strangers::default(),
            _ => Strangers::look(options).await,
        };
        let job = jobs.start(options, id, input, clock)?;
        files.watch(job.run.outer.pid);
        let observed = Observed { strangers: strangers.describe(), ..Observed::default() };
        for who in &observed.strangers {
            info!(who, "answered before the start");
        }
        let mut run = Self { options, scenario, number: id.number, clock, job, files, strangers, observed };
        loop {
            let found = inspect::main_process(run.job.run.outer.pid);
            let main = match scenario {
                Scenario::Pid1 => found.and_then(|(_, unshare)| inspect::first_child(unshare)),
                _ => found.map(|(_, main)| main),
            };
            if let (Some((inner, _)), Some(main)) = (found, main) {
                info!(pid = main, "started");
                run.files.note_processes(&[main]);
                return Ok((run, Some(Pids { inner, main })));
            }
            if run.job.run.status().is_some() {
                return Ok((run, None));
            }
            let _ = tokio::time::timeout(START_PAUSE, run.job.run.ended()).await;
        }
    }

    async fn readiness(&mut self) -> Readiness {
        let readiness = ready::wait(&mut self.job, self.options, &self.strangers, self.clock).await;
        self.files.note_processes(&ready::tree(&self.job));
        match &readiness {
            Readiness::Ready { after_ms, how } => info!(after_ms, by = how, "ready"),
            Readiness::Ended { how } => warn!(how, "ended before it was ready"),
            Readiness::NotRun { why, .. } => warn!(why, "not started"),
            Readiness::TimedOut { after_ms, seen } => warn!(after_ms, seen, "not ready"),
        }
        readiness
    }

    /// Waits until the server is ready, and stops it.
    async fn go_through(&mut self, delay: Duration, pids: Option<Pids>, jobs: &Jobs) -> std::io::Result<()> {
        if self.scenario == Scenario::Startup {
            self.early(delay, pids).await;
            return Ok(());
        }
        self.observed.readiness = self.readiness().await;
        let Some(pids) = pids.filter(|_| self.observed.is_ready()) else {
            self.give_up(jobs).await;
            return Ok(());
        };
        tokio::time::sleep(delay).await;
        self.stop(pids).await;
        if matches!(self.scenario, Scenario::KillRestart | Scenario::TermRestart) {
            self.start_again(jobs).await?;
        }
        Ok(())
    }

    /// Ends a server that is not ready.
    async fn give_up(&mut self, jobs: &Jobs) {
        if matches!(self.observed.readiness, Readiness::Ended { .. }) {
            self.observed.record = self.job.record();
        }
        // Before the kill: what the server prints about that is not the reason.
        self.observed.output.last = self.job.run.output.last(LAST_LINES);
        self.job.run.end_now().await;
        if let Some(record) = self.job.record().filter(|_| self.observed.record.is_none()) {
            jobs.archive.keep(RunId { number: self.number, scenario: self.scenario }, &record);
        }
    }

    /// Nothing that this run has left concerns the next one.
    fn put_away(&mut self) {
        let may_stay = |path: &str| self.options.allow.iter().any(|allowed| allowed.covers_file(path));
        self.observed.put_away = self.files.put_away(may_stay);
        for file in &self.observed.put_away {
            info!(file = file.path, kind = file.kind, "put away");
        }
    }

    /// Asks the server to stop this long after its start, ready or not.
    async fn early(&mut self, delay: Duration, pids: Option<Pids>) {
        let _ = tokio::time::timeout(delay, self.job.run.ended()).await;
        self.observed.readiness = Readiness::Ready { after_ms: 0, how: "not waited for".to_owned() };
        if let Some(pids) = pids {
            self.stop(pids).await;
        }
    }

    /// Starts the server again in the same place.
    async fn start_again(&mut self, jobs: &Jobs) -> std::io::Result<()> {
        self.strangers = Strangers::look(self.options).await;
        let id = RunId { number: self.number, scenario: self.scenario };
        self.job = jobs.start(self.options, id, self.options.stdin, self.clock)?;
        self.observed.restart = Some(self.readiness().await);
        self.observed.output.last = self.job.run.output.last(LAST_LINES);
        self.job.run.outer.signal(Signal::TERM);
        self.job.run.ended().await;
        Ok(())
    }

    fn signal(&self) -> Signal {
        self.scenario.signal().unwrap_or_else(|| self.options.stop_signal())
    }

    async fn stop(&mut self, Pids { inner, main }: Pids) {
        let main_handle = Handle::new(main);
        let (zombies_first, shell_first) = (zombies(inner), shell(main));
        if self.scenario != Scenario::Startup {
            self.wait_for_handler(main).await;
        }
        let listeners = listening::listeners(&pids(inner));
        info!(addresses = addresses(&listeners), "listeners");
        let doors = self.doors(&listeners).await;
        if let Some(why) = &self.observed.unproved {
            warn!(why, "not probed");
        }
        self.job.run.output.probes();
        let strip = self.probe(&doors);
        let holding = self.hold(&doors, inner).await;
        let load = self.load(doors.place.as_ref());
        if strip.is_some() || load.is_some() {
            tokio::time::sleep(BEFORE_SIGNAL).await;
        }
        self.files.note(&pids(inner), &listeners).await;
        self.observed.shared = self.files.made();
        self.observed.before = Some(Before {
            main: ProcessRecord { pid: main, name: inspect::stat(main).map(|stat| stat.name) },
            takes: self.takes(main).await,
            shell: shell(main).filter(|shell| Some(shell) == shell_first.as_ref()),
            zombies_first,
            zombies: zombies(inner),
            listeners: listeners.clone(),
        });
        if load.as_ref().is_some_and(Load::is_over) {
            self.observed.missing = Some(Missing::Inconclusive(
                "the command of --drive ended before the signal: let it run for longer than the stop"
                    .to_owned(),
            ));
        }
        let waited_before = inspect::waited_for_cpu_ms(&pids(inner));
        let signal_at = now_ms(self.clock);
        self.job.run.output.judge();
        self.ask(&main_handle).await;
        let waited = self.watch_stop(&main_handle, inner).await;
        let end_at = now_ms(self.clock);
        self.job.run.output.resume();
        self.observed.took_ms = end_at.saturating_sub(signal_at);
        self.observed.noise = Noise { waited_ms: waited.saturating_sub(waited_before), pressure: pressure() };
        info!(took_ms = self.observed.took_ms, cpu_wait_ms = self.observed.noise.waited_ms, "ended");
        self.look_at_rest(&main_handle, inner, &listeners, end_at).await;
        self.job.run.ended().await;
        let all_ended_at = now_ms(self.clock);
        if let Some(strip) = strip {
            self.observed.strip = strip.finish(signal_at).await;
        }
        if let Some(holding) = holding {
            self.observed.held = holding.finish(signal_at).await;
        }
        if let Some(load) = load {
            self.observed.driven = load.finish().await;
        }
        self.observed.record = self.job.record();
        // The main job has the output open, too. If no straggler has, only the time after the main job's end counts.
        let is_alone = |record: &Record| record.stragglers().next().is_none() && !record.was_killed();
        let is_alone = self.observed.record.as_ref().is_some_and(is_alone);
        self.observed.output = self.output(if is_alone { all_ended_at } else { end_at }).await;
        self.observed.messages = self.job.messages.after(signal_at);
        self.observed.left.files = self.files.left().await;
        let Leftovers { processes, listeners, files } = &self.observed.left;
        let (processes, listeners, files) = (processes.len(), listeners.len(), files.len());
        info!(processes, listeners, files, "settled");
    }

    /// Starts the probes, if only the server answers at the place.
    fn probe(&self, doors: &Doors) -> Option<Strip> {
        let is_wanted = self.scenario == Scenario::Plain
            && self.options.probing != Probing::None
            && self.observed.unproved.is_none();
        let place =
            doors.http.as_ref().map(|url| &url.place).or(doors.place.as_ref()).filter(|_| is_wanted)?;
        Some(Strip::start(place.clone(), doors.http.clone(), self.clock))
    }

    fn load(&self, place: Option<&Place>) -> Option<Load> {
        let command = self.options.drive.as_ref().filter(|_| self.scenario == Scenario::Drive)?;
        let url = place.map(|place| self.options.url_at(place, "/"));
        Load::start(command, url.as_ref(), self.clock).ok()
    }

    /// A server may accept connections before it has installed its handler.
    async fn wait_for_handler(&self, main: i32) {
        let until = self.clock.now().saturating_add(HANDLER_PATIENCE);
        let is_set = || inspect::takes(main, self.signal()).is_some_and(|takes| takes != Takes::Default);
        while !is_set() && self.clock.now() < until {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Looks again while the signal is blocked: a shell that forks blocks signals for a moment.
    async fn takes(&self, main: i32) -> Option<Takes> {
        for _ in 0..BLOCKED_LOOKS {
            let takes = inspect::takes(main, self.signal());
            if takes != Some(Takes::Blocked) {
                return takes;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Some(Takes::Blocked)
    }

    /// Waits until the main process has ended; returns how long the tree has waited for a CPU.
    async fn watch_stop(&mut self, main: &Handle, inner: i32) -> u64 {
        let mut waited = 0;
        // As PID 1 the server was signalled directly: the main job does not kill it at the limit.
        let until = self.clock.now().saturating_add(self.options.limit);
        let is_ours = self.scenario == Scenario::Pid1;
        while !main.has_exited() && self.job.run.status().is_none() {
            if is_ours && self.clock.now() > until {
                self.job.run.end_now().await;
                break;
            }
            waited = waited.max(inspect::waited_for_cpu_ms(&pids(inner)));
            let _ = tokio::time::timeout(LOOK_PAUSE, self.job.run.ended()).await;
        }
        waited
    }

    /// Notes what is still there when everything should be gone.
    async fn look_at_rest(&mut self, main: &Handle, inner: i32, listeners: &[Listener], end_at: u64) {
        let settled = end_at.saturating_add(ms(self.options.settle));
        let _ = tokio::time::timeout(self.options.settle, self.job.run.ended()).await;
        let left: Vec<ProcessRecord> = inspect::tree(inner)
            .into_iter()
            .filter(|stat| stat.pid != main.pid && !stat.has_exited())
            .map(|stat| ProcessRecord { pid: stat.pid, name: Some(stat.name) })
            .collect();
        // A socket that the caller passed on stays open in this process.
        let own = listening::listeners(&[std::process::id().cast_signed()]);
        let inodes: HashSet<u64> =
            listeners.iter().filter(|one| !own.contains(one)).map(|listener| listener.inode).collect();
        while now_ms(self.clock) < settled && !listening::still_listening(&inodes).is_empty() {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let listeners = listening::still_listening(&inodes);
        self.observed.left = Leftovers { processes: left, listeners, files: Vec::new() };
    }

    async fn output(&self, end_at: u64) -> Printed {
        self.job.run.output.closed(OUTPUT_PATIENCE).await;
        Printed {
            alarming: self.job.run.output.alarming(),
            last: self.job.run.output.last(LAST_LINES),
            open_ms: self.job.run.output.closed_at_ms().map(|at| at.saturating_sub(end_at)),
        }
    }
}

fn pids(inner: i32) -> Vec<i32> {
    inspect::tree(inner).iter().map(|stat| stat.pid).collect()
}

fn zombies(inner: i32) -> usize {
    inspect::tree(inner).iter().filter(|stat| stat.has_exited()).count()
}

/// A shell that waits for one child.
fn shell(main: i32) -> Option<Shell> {
    let program = os::process::shell::program(main, &inspect::stat(main)?.name)?;
    let children = inspect::tree(main);
    let [child] =
        children.iter().filter(|stat| stat.parent == main && !stat.has_exited()).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    Some(Shell { program, child: ProcessRecord { pid: child.pid, name: Some(child.name.clone()) } })
}

/// `some avg10=1.23 ...`
fn pressure() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    text.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}
