//! One run: start, ready, signal, end, and a look at what is left.

use std::collections::HashSet;
use std::time::Duration;

use super::catalogue::Scenario;
use super::files::Files;
use super::hold::{Holding, Wanted};
use super::job::{Job, Jobs};
use super::load::Load;
use super::namespace;
use super::observed::{Before, Left, Listener, Missing, Noise, Observed, Output, Process, Readiness, Shell};
use super::options::Options;
use super::probe::{Place, Resource, Url, ask};
use super::ready;
use super::stdin::Input;
use super::strip::Strip;
use super::time::{ms, now_ms};
use crate::lifecycle::signal::Signal;
use crate::os::below::{self, Takes};
use crate::os::child::Handle;
use crate::os::clock::Clock;

/// How long a server may take to install its handler once it is ready.
const HANDLER_PATIENCE: Duration = Duration::from_millis(300);
/// How long probes run before the signal.
const BEFORE_SIGNAL: Duration = Duration::from_millis(500);
/// Between looks whether the command runs.
const START_PAUSE: Duration = Duration::from_millis(1);
/// So many looks in a row must find the signal blocked.
const BLOCKED_LOOKS: usize = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// How long the output may stay open before that is told.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);
/// An answer to the question whether HTTP is spoken.
const HTTP_PATIENCE: Duration = Duration::from_secs(2);
const LAST_LINES: usize = 20;

/// What is printed by programs that fall apart.
const ALARMING: [&str; 7] = [
    "panicked at",
    "panic:",
    "Traceback (most recent call last)",
    "Sanitizer:",
    "Segmentation fault",
    "SIGSEGV",
    "core dumped",
];

mod ask;

/// One run under way.
struct Run<'a> {
    options: &'a Options,
    scenario: Scenario,
    clock: Clock,
    job: Job,
    files: Files,
    observed: Observed,
}

/// Whom it is about: the process that supervises, and the main process.
#[derive(Clone, Copy)]
struct Pids {
    inner: i32,
    main: i32,
}

/// What differs between the runs of one scenario.
#[derive(Clone, Copy, Default)]
pub(super) struct Variant {
    /// The signal comes so much later.
    pub(super) delay: Duration,
    /// The server's standard input.
    pub(super) input: Input,
}

/// Plays one scenario.
pub(super) async fn run(
    options: &Options,
    scenario: Scenario,
    variant: Variant,
    jobs: &Jobs,
    clock: Clock,
) -> std::io::Result<Observed> {
    if let Some(missing) = missing(options, scenario).await {
        return Ok(Observed { missing: Some(Missing::Skip(missing)), ..Observed::default() });
    }
    let (mut run, pids) = Run::start(options, scenario, variant.input, jobs, clock).await?;
    if scenario == Scenario::Startup {
        run.early(variant.delay, pids).await;
        return Ok(run.observed);
    }
    run.observed.readiness = run.readiness().await;
    let Some(pids) = pids.filter(|_| run.observed.is_ready()) else {
        run.job.run.end_now().await;
        run.observed.output.last = run.job.run.output.last(LAST_LINES);
        return Ok(run.observed);
    };
    tokio::time::sleep(variant.delay).await;
    run.stop(pids).await;
    if matches!(scenario, Scenario::KillRestart | Scenario::TermRestart) {
        run.start_again(jobs).await?;
    }
    Ok(run.observed)
}

/// Why a scenario can't be played here.
async fn missing(options: &Options, scenario: Scenario) -> Option<&'static str> {
    match scenario {
        Scenario::Pid1 if !namespace::is_possible().await => Some("no PID namespace can be made here"),
        Scenario::Drive if options.drive.is_none() => Some("no load to run: --drive COMMAND"),
        Scenario::Broken if options.breaks.is_none() => Some("nothing to take away: --break COMMAND"),
        _ => None,
    }
}

impl<'a> Run<'a> {
    /// Up to the moment at which the command runs.
    async fn start(
        options: &'a Options,
        scenario: Scenario,
        input: Input,
        jobs: &Jobs,
        clock: Clock,
    ) -> std::io::Result<(Self, Option<Pids>)> {
        let files = Files::look(&options.watch);
        let job = jobs.start(options, scenario, input, clock)?;
        let mut run = Self { options, scenario, clock, job, files, observed: Observed::default() };
        loop {
            let found = below::main_process(run.job.run.outer.pid);
            let main = match scenario {
                Scenario::Pid1 => found.and_then(|(_, unshare)| below::first_child(unshare)),
                _ => found.map(|(_, main)| main),
            };
            if let (Some((inner, _)), Some(main)) = (found, main) {
                return Ok((run, Some(Pids { inner, main })));
            }
            if run.job.run.status().is_some() {
                return Ok((run, None));
            }
            let _ = tokio::time::timeout(START_PAUSE, run.job.run.ended()).await;
        }
    }

    async fn readiness(&mut self) -> Readiness {
        ready::wait(&mut self.job, &self.options.ready, self.options.ready_timeout, self.clock).await
    }

    /// Asks it so long after its start, ready or not.
    async fn early(&mut self, delay: Duration, pids: Option<Pids>) {
        let _ = tokio::time::timeout(delay, self.job.run.ended()).await;
        self.observed.readiness = Readiness::Ready { after_ms: 0, how: "not waited for".to_owned() };
        if let Some(pids) = pids {
            self.stop(pids).await;
        }
    }

    /// Starts it at the same place.
    async fn start_again(&mut self, jobs: &Jobs) -> std::io::Result<()> {
        self.job = jobs.start(self.options, Scenario::Plain, Input::default(), self.clock)?;
        self.observed.restart = Some(self.readiness().await);
        self.observed.output.last = self.job.run.output.last(LAST_LINES);
        self.job.run.outer.signal(Signal::TERM);
        self.job.run.ended().await;
        Ok(())
    }

    fn signal(&self) -> Signal {
        self.scenario.signal().or(self.options.signal).unwrap_or(Signal::TERM)
    }

    async fn stop(&mut self, Pids { inner, main }: Pids) {
        let main_handle = Handle::new(main);
        let (zombies_first, shell_first) = (zombies(inner), shell(main));
        if self.scenario != Scenario::Startup {
            self.wait_for_handler(main).await;
        }
        let listeners = below::listeners(&pids(inner));
        let needs_http = matches!(self.scenario, Scenario::Plain | Scenario::Idle | Scenario::Half);
        let http = if needs_http { self.http(&listeners).await } else { None };
        let strip =
            (self.scenario == Scenario::Plain).then(|| Strip::start(&listeners, http.clone(), self.clock));
        let holding = self.hold(&listeners, http.as_ref(), inner).await;
        let load = self.load(&listeners);
        if strip.is_some() || load.is_some() {
            tokio::time::sleep(BEFORE_SIGNAL).await;
        }
        self.files.note(&pids(inner), &listeners);
        self.observed.before = Some(Before {
            main: Process { pid: main, name: below::stat(main).map(|stat| stat.name) },
            takes: self.takes(main).await,
            shell: shell(main).filter(|shell| Some(shell) == shell_first.as_ref()),
            zombies_first,
            zombies: zombies(inner),
            listeners: listeners.clone(),
        });
        if load.as_ref().is_some_and(Load::is_over) {
            self.observed.missing = Some(Missing::Inconclusive("the load had ended before the signal"));
        }
        let waited_before = below::waited_for_cpu_ms(&pids(inner));
        let signal_at = now_ms(self.clock);
        self.ask(&main_handle).await;
        let waited = self.watch_stop(&main_handle, inner).await;
        let end_at = now_ms(self.clock);
        self.job.run.output.resume();
        self.observed.took_ms = end_at.saturating_sub(signal_at);
        self.observed.noise = Noise { waited_ms: waited.saturating_sub(waited_before), pressure: pressure() };
        self.look_at_rest(&main_handle, inner, &listeners, end_at).await;
        self.job.run.ended().await;
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
        self.observed.output = self.output(signal_at, end_at).await;
        self.observed.messages = self.job.messages.after(signal_at);
        self.observed.left.files = self.files.left();
    }

    /// Where requests can go.
    async fn http(&self, listeners: &[Listener]) -> Option<Url> {
        match &self.options.url {
            Some(url) => url.at(listeners.iter().find_map(Place::of).as_ref()),
            None => http(listeners).await,
        }
    }

    /// What the scenario holds; what is missing for it is noted.
    async fn hold(&mut self, listeners: &[Listener], http: Option<&Url>, inner: i32) -> Option<Holding> {
        let place = listeners.iter().find_map(Place::of);
        let at = |resource: &Option<Resource>| resource.as_ref().and_then(|one| one.at(place.as_ref()));
        let (slow, stream) = (at(&self.options.slow), at(&self.options.stream));
        let wanted = Wanted {
            scenario: self.scenario,
            place: place.as_ref(),
            http,
            slow: slow.as_ref(),
            stream: stream.as_ref(),
        };
        match Holding::open(&wanted, self.clock).await {
            Ok(mut holding) => {
                if !holding.is_under_way(|| pids(inner), self.clock).await {
                    self.observed.missing =
                        Some(Missing::Inconclusive("nothing was under way at the signal"));
                }
                Some(holding)
            }
            Err(missing) => {
                self.observed.missing = Some(missing);
                None
            }
        }
    }

    fn load(&self, listeners: &[Listener]) -> Option<Load> {
        let command = self.options.drive.as_ref().filter(|_| self.scenario == Scenario::Drive)?;
        Load::start(command, listeners.iter().find_map(Place::of).as_ref(), self.clock).ok()
    }

    /// A server may accept connections before it is done with its start.
    async fn wait_for_handler(&self, main: i32) {
        let until = self.clock.now().saturating_add(HANDLER_PATIENCE);
        let is_set = || below::takes(main, self.signal()).is_some_and(|takes| takes != Takes::Default);
        while !is_set() && self.clock.now() < until {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// A shell that forks blocks its signals for a moment: what is blocked for good stays so.
    async fn takes(&self, main: i32) -> Option<Takes> {
        for _ in 0..BLOCKED_LOOKS {
            let takes = below::takes(main, self.signal());
            if takes != Some(Takes::Blocked) {
                return takes;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Some(Takes::Blocked)
    }

    /// Until the main process has ended; how long the tree has waited for a CPU.
    async fn watch_stop(&mut self, main: &Handle, inner: i32) -> u64 {
        let mut waited = 0;
        // What the main job was not asked to stop, it does not end at the limit either.
        let until = self.clock.now().saturating_add(self.options.limit);
        let is_ours = self.scenario == Scenario::Pid1;
        while !main.is_gone() && self.job.run.status().is_none() {
            if is_ours && self.clock.now() > until {
                self.job.run.end_now().await;
                break;
            }
            waited = waited.max(below::waited_for_cpu_ms(&pids(inner)));
            let _ = tokio::time::timeout(LOOK_PAUSE, self.job.run.ended()).await;
        }
        waited
    }

    /// What is still there when everything should be gone.
    async fn look_at_rest(&mut self, main: &Handle, inner: i32, listeners: &[Listener], end_at: u64) {
        let settled = end_at.saturating_add(ms(self.options.settle));
        let _ = tokio::time::timeout(self.options.settle, self.job.run.ended()).await;
        let left: Vec<Process> = below::tree(inner)
            .into_iter()
            .filter(|stat| stat.pid != main.pid && !stat.is_gone())
            .map(|stat| Process { pid: stat.pid, name: Some(stat.name) })
            .collect();
        let inodes: HashSet<u64> = listeners.iter().map(|listener| listener.inode).collect();
        while now_ms(self.clock) < settled && !below::still_listening(&inodes).is_empty() {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let listeners = below::still_listening(&inodes);
        self.observed.left = Left { processes: left, listeners, files: Vec::new() };
    }

    async fn output(&self, signal_at: u64, end_at: u64) -> Output {
        self.job.run.output.closed(OUTPUT_PATIENCE).await;
        let lines = self.job.run.output.lines().into_iter();
        let is_alarming = |text: &str| ALARMING.iter().any(|pattern| text.contains(pattern));
        let alarming = lines.filter(|line| line.at_ms >= signal_at && is_alarming(&line.text));
        Output {
            alarming: alarming.map(|line| line.text).take(5).collect(),
            last: self.job.run.output.last(LAST_LINES),
            open_ms: self.job.run.output.closed_at_ms().map(|at| at.saturating_sub(end_at)),
        }
    }
}

fn pids(inner: i32) -> Vec<i32> {
    below::tree(inner).iter().map(|stat| stat.pid).collect()
}

/// Where requests can go, if one of the listeners answers to one.
async fn http(listeners: &[Listener]) -> Option<Url> {
    for place in listeners.iter().filter_map(Place::of) {
        let url = Url { place, path: "/".to_owned() };
        if matches!(tokio::time::timeout(HTTP_PATIENCE, ask(&url)).await, Ok(Ok(_))) {
            return Some(url);
        }
    }
    None
}

fn zombies(inner: i32) -> usize {
    below::tree(inner).iter().filter(|stat| stat.is_gone()).count()
}

/// A shell that waits for one child.
fn shell(main: i32) -> Option<Shell> {
    const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];
    let program = crate::os::procfs::executable(main)?;
    let children = below::tree(main);
    let [child] =
        children.iter().filter(|stat| stat.parent == main && !stat.is_gone()).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let child = Process { pid: child.pid, name: Some(child.name.clone()) };
    SHELLS.contains(&program.as_str()).then_some(Shell { program, child })
}

/// `some avg10=1.23 ...`
fn pressure() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    text.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}
