//! The plan of a random run: workload, options, events.

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

    /// A number less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in this many times.
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

/// The longest pause between two events.
const PAUSE_MAX_MS: u64 = 150;
/// The longest time winddown may be stopped.
pub(super) const STOP_MAX: Duration = Duration::from_millis(PAUSE_MAX_MS * 6);

/// One run.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what was drawn, each by itself")]
pub(super) struct Plan {
    pub(super) workload: String,
    pub(super) options: Vec<String>,
    pub(super) events: Vec<(Duration, Event)>,
    /// How long after the last event the run may take to end by itself.
    pub(super) patience_ms: u64,
    pub(super) limit_ms: u64,
    pub(super) run_limit_ms: Option<u64>,
    pub(super) kill_wait_ms: u64,
    pub(super) leave_stragglers: bool,
    pub(super) to_all: bool,
    pub(super) maps: bool,
    /// `--stop`: its steps may ask with several signals.
    pub(super) steps: bool,
    /// How much more time the workload may get in total.
    pub(super) extend_max_ms: Option<u64>,
    /// Whether the workload sends winddown signals that seem to come from other processes.
    pub(super) forges: bool,
    /// `--remap-exit`; the last entry for a status counts.
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
            steps: false,
            extend_max_ms: random.once_in(4).then(|| random.below(600)),
            forges: random.once_in(12),
            remap: Vec::new(),
        };
        if random.once_in(5) {
            plan.remap.push((random.of(&[143, 0, 3, 137]), random.of(&[0, 7, 99])));
        }
        plan.add_options(random, guard);
        let notifies = plan.add_newer_options(random);
        plan.events = events(random, guard);
        plan.workload = Workload { random, left: 9, names: 0, notifies, forges: plan.forges }.main();
        plan
    }

    /// Adds steps, hooks, tokens and messages; returns whether the workload may send messages.
    fn add_newer_options(&mut self, random: &mut Random) -> bool {
        let mut add = |words: &[&str]| self.options.extend(words.iter().map(|&word| word.to_owned()));
        let (steps, sum_ms) = steps(random);
        self.steps = !self.to_all && sum_ms < self.limit_ms;
        if self.steps {
            add(&["--stop", &steps]);
        }
        if random.once_in(6) {
            add(&["--post-stop", random.of(&["true", "sleep 9", "./nothing"]), "--hook-limit", "100ms"]);
        }
        if random.once_in(4) {
            add(&["--token", "{DIR}/token"]);
        }
        if let Some(most) = self.extend_max_ms {
            add(&["--extend-max", &format!("{most}ms"), "--notify"]);
        }
        let has_watchdog = random.once_in(8);
        if has_watchdog {
            add(&["--watchdog", random.of(&["50ms", "150ms", "400ms"])]);
        }
        let takes = random.once_in(3);
        if takes {
            add(&["--notify"]);
        }
        takes || has_watchdog || self.extend_max_ms.is_some()
    }

    fn add_options(&mut self, random: &mut Random, guard: bool) {
        let mut add = |words: &[&str]| self.options.extend(words.iter().map(|&word| word.to_owned()));
        add(&["--kill-wait", &format!("{}ms", self.kill_wait_ms)]);
        // A plan has its own targets.
        if self.to_all && random.once_in(2) {
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

/// Up to two steps before the last one, and how long they may last in total.
fn steps(random: &mut Random) -> (String, u64) {
    let mut steps = Vec::new();
    let mut sum_ms = 0;
    for _ in 0..random.below(3) {
        let share_ms = 10 + random.below(150);
        let action = random.of(&[
            "wait",
            "run 'sleep 0.05'",
            "run 'sleep 9'",
            "run ./nothing",
            "USR1",
            "INT all",
            "TERM main",
        ]);
        let (action, to) = match action.split_once(' ') {
            Some((signal, to)) if signal != "run" => (signal, to),
            _ => (action, ""),
        };
        steps.push(format!("{action} {share_ms}ms {to}"));
        sum_ms += share_ms;
    }
    steps.push(random.of(&["TERM", "QUIT all", "INT"]).to_owned());
    (steps.join(", "), sum_ms)
}

/// At most one of winddown's processes is killed, and only if the other is there to finish the job.
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
    /// How many more processes may be added.
    left: u64,
    names: u32,
    /// Whether there is a receiver for messages.
    notifies: bool,
    forges: bool,
}

impl Workload<'_> {
    fn main(&mut self) -> String {
        let mut words = Vec::new();
        if self.notifies && self.random.once_in(2) {
            words.push("--tell READY=1".to_owned());
        }
        if self.random.once_in(4) {
            words.push(self.hostile());
        }
        if self.forges {
            // winddown becomes its parent at once.
            words.push("--spawn daemon forger [ --ignore TERM,HUP --forge parent USR2 ]".to_owned());
        }
        words.push(self.body(3));
        words.join(" ")
    }

    /// Flags that keep a supervisor busy.
    fn hostile(&mut self) -> String {
        let plain = ["--threads 60", "--locks {DIR}/lock 2000 --spawn child*4 waiter [ --lock {DIR}/lock ]"];
        let messages = [
            "--tell-fds 253 STATUS=x",
            "--tell-fds 253 STATUS=x",
            "--tell-lingering 3 STATUS=x",
            "--tell-times 2000 STATUS=x",
            "--tell-size 65536",
            "--tell READY=1~X --tell MAINPID=1 --tell %",
            "--spawn child sender [ --ignore TERM --tell-times 1000000 STATUS=x ]",
        ];
        if self.notifies { self.random.of(&messages).to_owned() } else { self.random.of(&plain).to_owned() }
    }

    /// The flags of one process; it may have children down to this depth.
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

    /// Adds one or more processes; returns the name of one that can be waited for.
    fn spawn(&mut self, depth: u32, words: &mut Vec<String>) -> Option<String> {
        let kinds = ["child", "child", "group", "session", "daemon", "daemon-session", "chain"];
        let kind = self.random.of(&kinds);
        let count = if kind == "chain" || self.random.once_in(5) { 1 + self.random.below(3) } else { 1 };
        self.left = self.left.saturating_sub(count);
        self.names += 1;
        let name = format!("p{}-", self.names);
        // Several processes run the same flags, so they have no children of their own.
        let body = self.body(if count > 1 || kind == "chain" { 0 } else { depth });
        let times = if count > 1 || kind == "chain" { format!("*{count}") } else { String::new() };
        words.push(format!("--spawn {kind}{times} {name} [ {body} ]"));
        (times.is_empty() && !kind.starts_with("daemon")).then_some(name)
    }

    fn handling(&mut self) -> String {
        let signal = self.random.of(&["TERM", "TERM", "TERM,INT", "INT", "HUP", "USR1,USR2", "QUIT"]);
        let ms = self.random.below(400);
        let code = self.random.below(256);
        match self.random.below(if self.notifies { 10 } else { 8 }) {
            8 => format!("--on {signal} [ --tell EXTEND_TIMEOUT_USEC={ms}000 --sleep {ms} --exit {code} ]"),
            9 => format!("--on {signal} [ --tell WATCHDOG=1 --tell-fds 9 FDSTORE=1 --sleep {ms} ]"),
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
