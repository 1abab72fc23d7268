//! What a random run is to be: workload, options, events.

use std::time::Duration;

/// splitmix64: the same numbers from the same seed, everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than that.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(u64::try_from(choices.len()).expect("a short list"));
        choices[usize::try_from(index).expect("a short list")]
    }
}

/// What happens to winddown from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    Signal(i32),
    KillOuter,
    KillInner,
    StopOuter,
    StopInner,
    Continue,
}

/// Between two events.
const PAUSE_MAX_MS: u64 = 150;
/// How long winddown may be stopped at once.
pub(super) const STOP_MAX: Duration = Duration::from_millis(PAUSE_MAX_MS * 6);

/// One run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) workload: String,
    pub(super) options: Vec<String>,
    pub(super) events: Vec<(Duration, Event)>,
    /// How long it may end by itself after the last event.
    pub(super) patience_ms: u64,
    pub(super) limit_ms: u64,
    pub(super) run_limit_ms: Option<u64>,
    pub(super) kill_wait_ms: u64,
    pub(super) leave_stragglers: bool,
    pub(super) to_all: bool,
    pub(super) maps: bool,
    /// `--remap-exit`, the last for a status counts.
    pub(super) remap: Vec<(i64, i64)>,
}

impl Plan {
    pub(super) fn new(random: &mut Random) -> Self {
        let limit_ms = if random.once_in(8) { 0 } else { random.below(601) };
        let guard = !random.once_in(3);
        let mut plan = Self {
            workload: String::new(),
            options: vec!["-t".to_owned(), format!("{limit_ms}ms")],
            events: Vec::new(),
            patience_ms: random.below(300),
            limit_ms,
            run_limit_ms: random.once_in(5).then(|| limit_ms + 1 + random.below(500)),
            kill_wait_ms: random.of(&[200, 3000, 5000, 5000, 5000]),
            leave_stragglers: random.once_in(5),
            to_all: random.once_in(4),
            maps: random.once_in(6),
            remap: Vec::new(),
        };
        if random.once_in(5) {
            plan.remap.push((random.of(&[143, 0, 3, 137]), random.of(&[0, 7, 99])));
        }
        plan.add_options(random, guard);
        plan.events = events(random, guard);
        plan.workload = Workload { random, left: 9, names: 0 }.main();
        plan
    }

    fn add_options(&mut self, random: &mut Random, guard: bool) {
        let mut add = |words: &[&str]| self.options.extend(words.iter().map(|&word| word.to_owned()));
        add(&["--kill-wait", &format!("{}ms", self.kill_wait_ms)]);
        if random.once_in(5) {
            add(&["-s", random.of(&["QUIT", "INT", "USR2", "HUP", "RTMIN+3"])]);
        }
        if self.to_all {
            add(&["--to", "all"]);
        }
        if let Some(run_limit) = self.run_limit_ms {
            add(&["--run-limit", &format!("{run_limit}ms")]);
        }
        if self.leave_stragglers {
            add(&["--leave-stragglers"]);
        }
        if self.maps {
            add(&["--map", random.of(&["HUP=USR1", "TERM=QUIT", "USR1=", "INT=TERM"])]);
        }
        for (from, to) in self.remap.clone() {
            add(&["--remap-exit", &format!("{from}={to}")]);
        }
        if !guard {
            add(&["--no-guard"]);
        }
        if random.once_in(2) {
            add(&["-v"]);
        }
    }
}

/// At most one of winddown's processes is killed, and only when the other is there to end the job.
fn events(random: &mut Random, guard: bool) -> Vec<(Duration, Event)> {
    let mut may_kill = guard && random.once_in(3);
    let mut events = Vec::new();
    for _ in 0..random.below(6) {
        let pause = if random.once_in(4) { 0 } else { random.below(PAUSE_MAX_MS) };
        let event = match random.below(10) {
            0..=2 => Event::Signal(libc::SIGTERM),
            3 => Event::Signal(libc::SIGINT),
            4 => Event::Signal(random.of(&[libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGWINCH])),
            5 => random.of(&[Event::StopOuter, Event::StopInner]),
            6 => Event::Continue,
            7..=8 if may_kill => {
                may_kill = false;
                random.of(&[Event::KillOuter, Event::KillInner])
            }
            _ => Event::Signal(random.of(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1])),
        };
        events.push((Duration::from_millis(pause), event));
    }
    events
}

/// Writes the flags of a tree of processes.
struct Workload<'a> {
    random: &'a mut Random,
    /// So many processes may be added.
    left: u64,
    names: u32,
}

impl Workload<'_> {
    fn main(&mut self) -> String {
        self.body(3)
    }

    /// What one process does; it may have children down to that depth.
    fn body(&mut self, depth: u32) -> String {
        let mut words = Vec::new();
        for _ in 0..self.random.below(3) {
            words.push(self.handling());
        }
        let mut child = None;
        while depth > 0 && self.left > 0 && self.random.once_in(2) {
            child = self.spawn(depth - 1, &mut words).or(child);
        }
        if self.random.once_in(8) {
            words
                .push(self.random.of(&["--kill group USR1", "--kill self HUP", "--kill parent TERM"]).into());
        }
        if self.random.once_in(10) {
            words.push("--dead-leader".into());
        }
        words.push(self.end(child));
        words.join(" ")
    }

    /// Adds one or more processes, and tells the name of one that can be waited for.
    fn spawn(&mut self, depth: u32, words: &mut Vec<String>) -> Option<String> {
        let kinds = ["child", "child", "group", "session", "daemon", "daemon-session", "chain"];
        let kind = self.random.of(&kinds);
        let count = if kind == "chain" || self.random.once_in(5) { 1 + self.random.below(3) } else { 1 };
        self.left = self.left.saturating_sub(count);
        self.names += 1;
        let name = format!("p{}-", self.names);
        // Several run the same, so they have no children of their own.
        let body = self.body(if count > 1 || kind == "chain" { 0 } else { depth });
        let times = if count > 1 || kind == "chain" { format!("*{count}") } else { String::new() };
        words.push(format!("--spawn {kind}{times} {name} [ {body} ]"));
        (times.is_empty() && !kind.starts_with("daemon")).then_some(name)
    }

    fn handling(&mut self) -> String {
        let signal = self.random.of(&["TERM", "TERM", "TERM,INT", "INT", "HUP", "USR1,USR2", "QUIT"]);
        let ms = self.random.below(400);
        let code = self.random.below(256);
        match self.random.below(8) {
            0 => format!("--ignore {signal}"),
            1 => format!("--default {signal}"),
            2 => format!("--block {signal}"),
            3 => format!("--on {signal} [ ]"),
            4 => format!("--on {signal} [ --exit {code} ]"),
            5 => format!("--on {signal} [ --busy {ms} --exit {code} ]"),
            6 => format!("--on {signal} [ --sleep {ms} --die {} ]", self.deadly()),
            _ => format!("--on {signal} [ --sleep {ms} --exit {code} ]"),
        }
    }

    fn deadly(&mut self) -> &'static str {
        self.random.of(&["TERM", "KILL", "SEGV", "USR1", "INT", "RTMIN+1"])
    }

    fn end(&mut self, child: Option<String>) -> String {
        let ms = self.random.below(400);
        let code = self.random.below(256);
        match (self.random.below(12), child) {
            (0, _) => format!("--exit {code}"),
            (1, _) => format!("--sleep {ms} --exit {code}"),
            (2, _) => format!("--sleep {ms} --die {}", self.deadly()),
            (3, _) => format!("--busy {ms}"),
            (4, _) => "--stop --serve".into(),
            (5..=6, Some(child)) => format!("--wait {child} --exit {code}"),
            (7, Some(child)) => format!("--wait-deaf {child}"),
            (8, _) => format!("--sleep {ms}"),
            _ => "--serve".into(),
        }
    }
}
