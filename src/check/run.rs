//! One run: start, ready, signal, end, and a look at what is left.

use std::collections::HashSet;
use std::time::Duration;

use super::files::Files;
use super::job::{Job, Jobs};
use super::observed::{Before, Left, Listener, Noise, Observed, Output, Process};
use super::options::Options;
use super::output::now_ms;
use super::probe::{Place, Url, ask};
use super::ready;
use super::strip::Strip;
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
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// How long the output may stay open before that is told.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(500);
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

/// One run under way.
struct Run<'a> {
    options: &'a Options,
    clock: Clock,
    job: Job,
    files: Files,
    observed: Observed,
}

/// Runs the server once.
pub(super) async fn run(options: &Options, jobs: &Jobs, clock: Clock) -> std::io::Result<Observed> {
    let files = Files::look(&options.watch);
    let job = jobs.start(options, clock)?;
    let mut run = Run { options, clock, job, files, observed: Observed::default() };
    while run.job.status().is_none() && below::main_process(run.job.outer.pid).is_none() {
        let _ = tokio::time::timeout(START_PAUSE, run.job.ended()).await;
    }
    run.observed.readiness = ready::wait(&mut run.job, &options.ready, options.ready_timeout, clock).await;
    if !run.observed.is_ready() {
        run.job.end_now().await;
        run.observed.output.last = run.job.output.last(LAST_LINES);
        return Ok(run.observed);
    }
    run.stop().await;
    Ok(run.observed)
}

impl Run<'_> {
    fn signal(&self) -> Signal {
        self.options.signal.unwrap_or(Signal::TERM)
    }

    async fn stop(&mut self) {
        let Some((inner, main)) = below::main_process(self.job.outer.pid) else {
            self.job.ended().await;
            return;
        };
        let main_handle = Handle::new(main);
        let zombies_first = zombies(inner);
        self.wait_for_handler(main).await;
        let pids = pids(inner);
        let listeners = below::listeners(&pids);
        let http = http(&listeners).await;
        let strip = Strip::start(&listeners, http, self.clock);
        tokio::time::sleep(BEFORE_SIGNAL).await;
        self.files.note(&pids, &listeners);
        self.observed.before = Some(Before {
            main: Process { pid: main, name: below::stat(main).map(|stat| stat.name) },
            takes: below::takes(main, self.signal()),
            shell: shell(main),
            zombies_first,
            zombies: zombies(inner),
            listeners: listeners.clone(),
        });
        let waited_before = below::waited_for_cpu_ms(&pids);
        let signal_at = now_ms(self.clock);
        self.job.outer.signal(Signal::TERM);
        let waited = self.watch_stop(&main_handle, inner).await;
        let end_at = now_ms(self.clock);
        self.observed.noise = Noise { waited_ms: waited.saturating_sub(waited_before) };
        self.look_at_rest(&main_handle, inner, &listeners, end_at).await;
        self.job.ended().await;
        self.observed.strip = strip.finish(signal_at).await;
        self.observed.record = self.job.record();
        self.observed.output = self.output(signal_at, end_at).await;
        self.observed.left.files = self.files.left();
    }

    /// A server may accept connections before it is done with its start.
    async fn wait_for_handler(&self, main: i32) {
        let until = self.clock.now().saturating_add(HANDLER_PATIENCE);
        let is_set = || below::takes(main, self.signal()).is_some_and(|takes| takes != Takes::Default);
        while !is_set() && self.clock.now() < until {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Until the main process has ended; how long the tree has waited for a CPU.
    async fn watch_stop(&mut self, main: &Handle, inner: i32) -> u64 {
        let mut waited = 0;
        while !main.is_gone() && self.job.status().is_none() {
            waited = waited.max(below::waited_for_cpu_ms(&pids(inner)));
            let _ = tokio::time::timeout(LOOK_PAUSE, self.job.ended()).await;
        }
        waited
    }

    /// What is still there when everything should be gone.
    async fn look_at_rest(&mut self, main: &Handle, inner: i32, listeners: &[Listener], end_at: u64) {
        let settled =
            end_at.saturating_add(u64::try_from(self.options.settle.as_millis()).unwrap_or(u64::MAX));
        let _ = tokio::time::timeout(self.options.settle, self.job.ended()).await;
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
        self.job.output.closed(OUTPUT_PATIENCE).await;
        let lines = self.job.output.lines().into_iter();
        let is_alarming = |text: &str| ALARMING.iter().any(|pattern| text.contains(pattern));
        let alarming = lines.filter(|line| line.at_ms >= signal_at && is_alarming(&line.text));
        Output {
            alarming: alarming.map(|line| line.text).take(5).collect(),
            last: self.job.output.last(LAST_LINES),
            open_ms: self.job.output.closed_at_ms().map(|at| at.saturating_sub(end_at)),
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

/// A shell that waits for one child in the foreground.
fn shell(main: i32) -> Option<(String, String)> {
    const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];
    let program = crate::os::procfs::executable(main)?;
    let children = below::tree(main);
    let [child] =
        children.iter().filter(|stat| stat.parent == main && !stat.is_gone()).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    SHELLS.contains(&program.as_str()).then(|| (program, child.name.clone()))
}
