//! Walks the pure machine of one try: every event in every reachable state at every moment that can make a
//! difference, under plans of every kind. The rules that it must keep are in `model/oracle.rs`. Runs of several tries
//! are walked in `model/retry.rs`. The table of exit statuses is walked in `model/statuses.rs`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use winddown::lifecycle::event::Event;
use winddown::lifecycle::machine::{Machine, View};

use oracle::{Oracle, Turn};
use plans::Case;

#[path = "model/oracle.rs"]
mod oracle;
#[path = "model/plans.rs"]
mod plans;
#[path = "model/retry.rs"]
mod retry;
#[path = "model/statuses.rs"]
mod statuses;

const NANOSECOND: Duration = Duration::from_nanos(1);
const LONG: Duration = Duration::from_secs(3600);

/// A walk that grows beyond this would not end: times that no longer matter must be cut off.
const STATES_MAX: usize = 200_000;

/// A reached state, and how it was reached.
struct Node {
    machine: Machine,
    oracle: Oracle,
    now: Duration,
    came_by: Option<(usize, Duration, Event)>,
}

/// Two nodes with the same key have the same future.
type Key = (View, Oracle);

/// Faster than the standard library's hasher, which guards against attacks: hashing is much of a walk.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
            self.write_u64(word);
        }
    }

    // These hash numbers and variants, which would otherwise go through `write` byte by byte.
    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Walk<'a> {
    case: &'a Case,
    nodes: Vec<Node>,
    known: HashMap<Key, usize, BuildHasherDefault<Mix>>,
    edges: usize,
}

impl<'a> Walk<'a> {
    fn of(case: &'a Case) -> Self {
        let start = Node {
            machine: Machine::new(case.plan.clone()),
            oracle: Oracle::default(),
            now: Duration::from_millis(1),
            came_by: None,
        };
        let mut walk = Self { case, nodes: vec![start], known: HashMap::default(), edges: 0 };
        let mut next = 0;
        while next < walk.nodes.len() {
            walk.leave(next);
            next += 1;
            assert!(next < STATES_MAX, "{}: no end in sight\n{}", case.name, walk.path(next - 1));
        }
        walk
    }

    /// Tries every event at every moment from here.
    fn leave(&mut self, from: usize) {
        for at in moments(&self.nodes[from]) {
            for index in 0..self.case.events.len() {
                self.step(from, at, self.case.events[index]);
            }
        }
    }

    fn step(&mut self, from: usize, at: Duration, event: Event) {
        let node = &self.nodes[from];
        let (mut machine, mut oracle) = (node.machine.clone(), node.oracle.clone());
        let mut effects = Vec::new();
        machine.handle(at, event, &mut effects);
        machine.finish(at, &mut effects);
        let turn = Turn { before: &node.machine, after: &machine, at, event, effects: &effects };
        if let Err(broken) = oracle.judge(&turn) {
            let path = self.path(from);
            panic!("{}: {broken}\n{path}\nthen {event:?} at {at:?}\ndid {effects:?}", self.case.name);
        }
        self.edges += 1;
        let key = (machine.view(at), oracle.view(at));
        match self.known.entry(key) {
            Entry::Occupied(twin) => {
                let twin = &self.nodes[*twin.get()];
                let left = |machine: &Machine, now| machine.deadline().map(|due| due.saturating_sub(now));
                assert_eq!(left(&machine, at), left(&twin.machine, twin.now), "a view that hides a deadline");
            }
            Entry::Vacant(new) => {
                new.insert(self.nodes.len());
                self.nodes.push(Node { machine, oracle, now: at, came_by: Some((from, at, event)) });
            }
        }
    }

    /// How a node was reached, one event per line.
    fn path(&self, mut at: usize) -> String {
        let mut steps = Vec::new();
        while let Some((from, when, event)) = self.nodes[at].came_by {
            steps.push((when, event));
            at = from;
        }
        steps.iter().rev().fold(String::new(), |mut text, (when, event)| {
            let _ = writeln!(text, "     {event:?} at {when:?}");
            text
        })
    }
}

/// Now; just before, at, and long after the next deadline; and around the moment from which a second Ctrl+C counts.
fn moments(node: &Node) -> Vec<Duration> {
    let due = node.machine.deadline();
    let before = due.map(|due| due.saturating_sub(NANOSECOND));
    let past = due.unwrap_or(node.now).saturating_add(LONG);
    let interrupts = node
        .oracle
        .interrupts()
        .flat_map(|first| [first + Duration::from_millis(199), first + Duration::from_millis(200)]);
    let mut moments: Vec<Duration> =
        [Some(node.now), before, due, Some(past)].into_iter().flatten().collect();
    moments.extend(interrupts);
    moments.retain(|at| *at >= node.now);
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// Walks one case, prints its size, and checks that the walk reached every phase that it should.
fn walk(case: &Case) {
    let walk = Walk::of(case);
    println!("{}: {} states, {} edges", case.name, walk.nodes.len(), walk.edges);
    let phases: Vec<_> = walk.nodes.iter().map(|node| node.machine.phase()).collect();
    for phase in case.phases() {
        assert!(phases.contains(&phase), "{}: never {phase}", case.name);
    }
}

macro_rules! walks {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            walk(&plans::$name());
        })*
    };
    (long: $($name:ident),* $(,)?) => {
        $(#[test]
        #[ignore = "it is long: cargo test --test model -- --ignored, as .ci/run does"]
        fn $name() {
            walk(&plans::$name());
        })*
    };
}

walks![
    finite_limit,
    second_interrupt,
    long_limit,
    tiny_limit,
    zero_limit,
    infinite_limit,
    run_limit,
    stop_after,
    leave_stragglers,
    to_all,
    to_none,
    to_none_with_steps,
    sent_to_everyone,
    stop_signal_given,
    signals_mapped,
    interrupt_is_no_stop,
    no_patience_after_the_kill,
    endless_patience_after_the_kill,
    steps_with_hooks,
    a_plan_that_kills,
    a_plan_that_only_kills,
    steps_without_a_limit,
    last_words,
    last_words_before_the_kill,
    watchdog,
    straggler_grace,
    straggler_grace_and_run_limit,
    a_plan_that_ends_with_the_tree,
    a_hook_after_the_end,
    ready_by_message,
    ready_by_probe,
    ready_by_either,
    ready_by_both,
    ready_by_either_and_more,
    ready_in_time,
    ready_with_stragglers_left,
    start_limit_and_message,
    start_limit_and_all,
    start_limit_and_kill,
    start_limit_among_others,
];

walks![long: extensions, looks, looks_and_extensions];
