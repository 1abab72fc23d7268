//! Random workloads, options and events against the invariants of docs/architecture.md, with the real binary.
//!
//! A failure prints its seed: `WINDDOWN_RANDOM_SEED=N` repeats that run alone (the exact timing depends on
//! the machine, so it may take several attempts). `WINDDOWN_RANDOM_SECONDS=3600` is the long form.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, processes, read_json, short_or_long, trials};

mod judge;
mod plan;

use plan::{Event, Plan, Random};

trials![alone => random_runs_keep_the_invariants];

/// The test ends after this many runs, or after this time, unless a variable sets the time.
const FEW: (u64, Duration) = (12, Duration::from_secs(4));
const MORE: (u64, Duration) = (40, Duration::from_secs(10));

fn random_runs_keep_the_invariants() {
    let setting = |name: &str| {
        std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text}")))
    };
    if let Some(seed) = setting("WINDDOWN_RANDOM_SEED") {
        run(seed);
        return;
    }
    let seconds = setting("WINDDOWN_RANDOM_SECONDS").map(Duration::from_secs);
    // In CI the same runs each time: a failure is due to the change, not to chance.
    let drawn = u64::from(std::process::id()) << 32
        | u64::from(std::time::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_micros());
    let first = if std::env::var_os("CI").is_some() { 1 } else { drawn };
    let (runs, length) = short_or_long(FEW, MORE);
    let start = Instant::now();
    for number in 0.. {
        if start.elapsed() > seconds.unwrap_or(length) || (seconds.is_none() && number >= runs) {
            break;
        }
        run(first + number);
    }
}

/// One run; panics, with everything needed to repeat it, unless it keeps the invariants.
fn run(seed: u64) {
    let plan = Plan::new(&mut Random::new(seed));
    let place = TempDir::new();
    let file = place.file("record");
    let result = catch_unwind(AssertUnwindSafe(|| play(&plan, &file)));
    let problem = match result {
        Ok(Ok(())) => return,
        Ok(Err(problem)) => problem,
        Err(panic) => words_of(panic.as_ref()),
    };
    let record = std::fs::read_to_string(&file).unwrap_or_else(|error| format!("no record: {error}"));
    panic!(
        "{problem}\nseed {seed}, again: WINDDOWN_RANDOM_SEED={seed} cargo test --test it -- random_runs\n\
         winddown {} -- workload {}\nevents: {:?}\n{record}",
        plan.options.join(" "),
        plan.workload,
        plan.events
    );
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// What the test did to a run, for the judgement.
#[derive(Debug, Default)]
struct Done {
    outer_killed: bool,
    inner_killed: bool,
    /// How often each signal was sent to winddown.
    sent: Vec<i32>,
    /// Processes of winddown that were stopped, and must be continued in the end.
    stopped: Vec<i32>,
    /// How long one of them may have been stopped.
    stopped_for: Duration,
}

fn play(plan: &Plan, file: &str) -> Result<(), String> {
    let folder = Path::new(file).parent().and_then(Path::to_str).expect("a folder");
    let here = |words: &str| words.replace("{DIR}", folder);
    let options = plan.options.iter().map(|word| here(word));
    let run = Winddown::new().args(["--record", file]).args(options).workload(&here(&plan.workload)).start();
    let mut done = Done::default();
    // A signal before its first instructions kills it, like any program.
    eventually("winddown has blocked its signals", || has_ended(&run) || blocks_signals(run.pid()));
    for (pause, event) in &plan.events {
        // The moment is the random part here.
        std::thread::sleep(*pause);
        act(&run, *event, &mut done);
    }
    for &pid in &done.stopped {
        send(&run, pid, libc::SIGCONT);
    }
    if !holds_within(Duration::from_millis(plan.patience_ms), || has_ended(&run)) {
        act(&run, Event::Signal(libc::SIGTERM), &mut done);
    }
    let ended = run.wait();
    let winddown_gone = || ended.tag().living().iter().all(|one| !processes::is_winddowns(&one.name));
    if !holds_within(Duration::from_secs(15), winddown_gone) {
        return Err(format!("winddown does not end: {:?}\n{}", ended.tag().living(), ended.dump()));
    }
    let record = Path::new(file).exists().then(|| read_json(file));
    judge::judge(plan, &done, &ended, record.as_ref()).map_err(|problem| {
        let left = ended.tag().living();
        format!("{problem}\nleft: {left:?}\ndone: {done:?}\n{}", ended.dump())
    })
}

/// The process is our child and not reaped, so its id can't be a stranger's.
fn has_ended(run: &Running) -> bool {
    processes::state(run.pid()).is_none_or(|state| state == 'Z')
}

/// While winddown waits for signals they do not count as blocked, but by then it has a child.
fn blocks_signals(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap_or_default();
    blocked.trim().bytes().any(|digit| digit != b'0') || !processes::children(pid).is_empty()
}

fn act(run: &Running, event: Event, done: &mut Done) {
    let inner = || processes::inner(run.pid());
    match event {
        Event::Signal(signal) => {
            done.sent.push(signal);
            run.signal(signal);
        }
        Event::KillOuter => {
            // A process that has ended already has its status.
            done.outer_killed = true;
            run.signal(libc::SIGKILL);
        }
        Event::KillInner => {
            done.inner_killed = inner().is_some_and(|pid| send(run, pid, libc::SIGKILL));
        }
        Event::StopOuter | Event::StopInner => {
            let pid = if event == Event::StopOuter { Some(run.pid()) } else { inner() };
            if let Some(pid) = pid.filter(|&pid| send(run, pid, libc::SIGSTOP)) {
                done.stopped.push(pid);
                done.stopped_for += plan::STOP_MAX;
            }
        }
        Event::Continue => {
            for pid in std::mem::take(&mut done.stopped) {
                send(run, pid, libc::SIGCONT);
            }
        }
    }
}

/// False if there is no such process any more.
fn send(run: &Running, pid: i32, signal: i32) -> bool {
    run.tag().find(pid).is_some_and(|process| process.try_signal(signal).is_ok())
}

fn list<'a>(record: &'a Value, name: &str) -> &'a [Value] {
    record[name].as_array().map_or(&[], Vec::as_slice)
}
