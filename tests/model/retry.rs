//! Walks runs of several tries: every event in every state of a try, a delay and a start, under policies of every
//! kind. What happens within a try is walked in `model.rs`.

use std::collections::HashSet;
use std::time::Duration;

use winddown::lifecycle::cause::{Cause, Reach, Received};
use winddown::lifecycle::event::{Effect, Event, NoRetry, Note};
use winddown::lifecycle::exit::{Ending, Exit};
use winddown::lifecycle::outcome::{Conclusion, Outcome};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Limit, Plan};
use winddown::lifecycle::retry::policy::{CrashRate, Delay, Policy};
use winddown::lifecycle::retry::{Tries, TriesView};
use winddown::lifecycle::signal::Origin;

use super::plans;

const NANOSECOND: Duration = Duration::from_nanos(1);
const LONG: Duration = Duration::from_secs(3600);
const STATES_MAX: usize = 200_000;
/// A status after which no try follows.
const PERMANENT: u8 = 64;

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// What happened so far, in the words of the design.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each independent of the others")]
struct Oracle {
    /// The main process was started, and its tree is not known to be empty.
    workload: bool,
    /// A try has begun, and it was not judged.
    trying: bool,
    /// Somebody has asked for a stop.
    asked: bool,
    main: Option<Exit>,
    ready_since: Option<Duration>,
    ready_until: Option<Duration>,
    /// When the delay is over.
    until: Option<Duration>,
    /// Clearance was asked for.
    due: bool,
    retries: u32,
    failures: Vec<Duration>,
    last: Option<Ending>,
    over: bool,
}

type Verdict = Result<(), String>;

fn rule(is_kept: bool, words: &str) -> Verdict {
    if is_kept { Ok(()) } else { Err(format!("broken rule: {words}")) }
}

struct Turn<'a> {
    before: &'a Tries,
    after: &'a Tries,
    at: Duration,
    event: Event,
    effects: &'a [Effect],
}

impl Turn<'_> {
    fn has(&self, effect: Effect) -> bool {
        self.effects.contains(&effect)
    }

    fn delay(&self) -> Option<Duration> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::BeginDelay(delay) => Some(*delay),
            _ => None,
        })
    }

    fn why_not(&self) -> Option<NoRetry> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Say(Note::NoFurtherTry(why)) => Some(*why),
            _ => None,
        })
    }

    fn is_request(&self) -> bool {
        match self.event {
            Event::Signal(received) => {
                let is_news = !matches!(received.reach, Reach::Own | Reach::Copy);
                is_news && (received.hangup || self.before.plan().stop_on.contains(received.signal))
            }
            Event::Abandoned | Event::ParentEnded => true,
            _ => false,
        }
    }
}

impl Oracle {
    /// Before the first try.
    fn new() -> Self {
        Self { trying: true, ..Self::default() }
    }

    fn view(&self, now: Duration, policy: &Policy) -> Self {
        let age = |at: Duration| now.saturating_sub(at);
        let mut view = self.clone();
        view.until = self.until.map(|at| at.saturating_sub(now));
        let ran = self.ready_since.map(|at| self.ready_until.unwrap_or(now).saturating_sub(at));
        view.ready_since = ran.filter(|_| policy.reset < Duration::MAX).map(|ran| ran.min(policy.reset));
        view.ready_until = self.ready_until.map(|_| Duration::ZERO);
        let within = policy.max_crashes.map_or(Duration::ZERO, |rate| rate.within);
        view.failures = self.failures.iter().map(|at| age(*at)).filter(|age| *age < within).collect();
        view.retries = self.retries.min(policy.retries.unwrap_or(6));
        view
    }

    fn judge(&mut self, turn: &Turn<'_>) -> Verdict {
        if self.over {
            let is_quiet = !turn.has(Effect::StartTry) && turn.delay().is_none();
            rule(is_quiet && !turn.has(Effect::StartPostStop), "after the end no try follows")?;
            return Ok(());
        }
        self.asked |= turn.is_request();
        self.workload(turn);
        self.verdict(turn)?;
        self.delay(turn)?;
        let ends = turn.has(Effect::Say(Note::Ended));
        rule(turn.has(Effect::StartPostStop) == ends, "the hook after the end runs once, at the run's end")?;
        rule(!turn.after.is_stopped(), "the run waits for the hook after the end")?;
        rule(!(self.workload && ends), "no run ends while its workload runs")?;
        self.over = ends;
        Ok(())
    }

    /// Follows the workload of a try.
    fn workload(&mut self, turn: &Turn<'_>) {
        let machine = turn.after;
        self.workload |= turn.event == Event::Started && self.trying && !turn.before.awaits_verdict();
        self.main = machine.main_exit().filter(|_| self.trying).or(self.main);
        if machine.phase() == Phase::Stopped {
            self.workload = false;
        }
        if self.trying && turn.before.phase() < Phase::Stopped {
            let is_ready = machine.phase() == Phase::Running && machine.main_exit().is_none();
            match (is_ready, self.ready_since) {
                (true, None) => self.ready_since = Some(turn.at),
                (false, Some(_)) => self.ready_until = self.ready_until.or(Some(turn.at)),
                _ => {}
            }
        }
    }

    /// What follows a try.
    fn verdict(&mut self, turn: &Turn<'_>) -> Verdict {
        let Event::Concluded(conclusion, jitter) = turn.event else {
            return rule(turn.delay().is_none(), "only a verdict begins a delay");
        };
        if !turn.before.awaits_verdict() {
            let is_nothing = turn.delay().is_none() && !turn.has(Effect::Say(Note::Ended));
            return rule(is_nothing, "there is one verdict on a try");
        }
        let policy = turn.before.policy();
        let by_itself = matches!(turn.before.request(), None | Some(Cause::Silent | Cause::StartLimit));
        let status = match conclusion.ending {
            Ending::Status(status) => status,
            Ending::Die(_) => 137,
        };
        let failed = by_itself && status != 0 && self.main.is_some() && conclusion.outcome != Outcome::Stuck;
        let ran = self.ready_since.map(|at| self.ready_until.unwrap_or(turn.at).saturating_sub(at));
        if failed && policy.retries() && ran >= Some(policy.reset) {
            self.retries = 0;
        }
        let rate = policy.max_crashes;
        self.failures.extend(failed.then_some(turn.at));
        let within = |rate: &CrashRate| {
            self.failures.iter().filter(|at| turn.at.saturating_sub(**at) < rate.within).count()
        };
        let too_often = rate.filter(|rate| within(rate) > rate.most);
        let delay = expected(policy.delay, self.retries + 1, jitter);
        let time_up = turn.before.plan().time_up_at();
        let in_time = time_up.is_none_or(|time_up| turn.at + delay < time_up);
        let may = policy.retries.is_none_or(|most| self.retries < most);
        let follows = failed && may && in_time && too_often.is_none() && status != PERMANENT && !self.asked;
        rule(turn.delay().is_some() == follows, "a try that failed by itself is followed by another one")?;
        let near = turn.delay().is_none_or(|reported| reported.abs_diff(delay) < ms(1));
        rule(near, "the delay is the one of the formula")?;
        rule(
            turn.after.deadline() == turn.delay().map(|delay| turn.at + delay) || !follows,
            "the delay counts from the end of the try",
        )?;
        let reported = failed && policy.retries() && !follows;
        rule(turn.why_not().is_some() == reported, "why no try follows is reported")?;
        let counted = turn.why_not().is_none_or(|why| match why {
            NoRetry::Asked(_) => self.asked,
            NoRetry::Permanent(status) => status == PERMANENT,
            NoRetry::CrashRate(rate) => Some(rate) == too_often,
            NoRetry::UsedUp(most) => policy.retries == Some(most) && self.retries >= most,
            NoRetry::RunLimit => !in_time,
        });
        rule(counted, "the reported reason is the one")?;
        rule(turn.has(Effect::Say(Note::Ended)) != follows, "without another try the run is over")?;
        let end = turn.after.conclusion().map(|end| (end.outcome, end.ending));
        let interrupted = reported && self.asked;
        let outcome = if interrupted { Outcome::Stopped } else { conclusion.outcome };
        rule(end == Some((outcome, conclusion.ending)), "the run ends as its last try")?;
        self.retries += u32::from(follows);
        self.until = turn.delay().map(|delay| turn.at + delay);
        (self.trying, self.due, self.last) = (false, false, Some(conclusion.ending));
        Ok(())
    }

    /// What happens between two tries.
    fn delay(&mut self, turn: &Turn<'_>) -> Verdict {
        let is_between = self.until.is_some() && !turn.before.awaits_verdict();
        let starts = turn.has(Effect::StartTry);
        let time_up = turn.before.plan().time_up_at().is_some_and(|time_up| time_up <= turn.at);
        let ends = is_between && (self.asked || (self.due && turn.event == Event::Clear && time_up));
        if is_between {
            rule(turn.has(Effect::Say(Note::Ended)) == ends, "a stop request ends a delay at once")?;
            let end = turn.after.conclusion();
            let is_last = |end: Conclusion| Some(end.ending) == self.last;
            rule(!ends || end.is_some_and(is_last), "the run ends as its last try did")?;
            let interrupted = |end: Conclusion| end.outcome == Outcome::Stopped;
            rule(!ends || !self.asked || end.is_some_and(interrupted), "it counts as stopped")?;
        }
        let is_due = is_between && !ends && !self.due && self.until.is_some_and(|at| at <= turn.at);
        rule(
            turn.has(Effect::AskForClearance) == is_due,
            "at the end of a delay it is made sure that nobody has asked for a stop",
        )?;
        let may_start = is_between && self.due && turn.event == Event::Clear && !ends;
        rule(starts == may_start, "a try starts when it is clear that nobody has asked for a stop")?;
        rule(!(starts && self.asked), "no try starts after a stop request")?;
        rule(!(starts && self.workload), "one workload runs at a time")?;
        rule(
            !starts || self.until.is_some_and(|until| until <= turn.at),
            "the delay is never shorter than said",
        )?;
        let counts = turn.after.attempt() == turn.before.attempt() + u32::from(starts);
        rule(counts, "tries are counted from 1")?;
        self.due |= is_due;
        if starts {
            rule(turn.after.phase() == Phase::Starting, "each try is a fresh one")?;
            (self.main, self.ready_since, self.ready_until, self.until) = (None, None, None, None);
            self.trying = true;
        }
        Ok(())
    }
}

/// The formula of the docs: `first`, then `first` + `first` x 2^(n-2) x 0.8 to 1.2, at most `longest`, never less
/// than 100 ms.
fn expected(delay: Delay, number: u32, jitter: u32) -> Duration {
    let delay = match delay {
        Delay::Fixed(delay) => delay,
        Delay::Exponential { first, .. } if number == 1 => first,
        Delay::Exponential { first, longest } => {
            let factor = 0.8 + 0.4 * f64::from(jitter) / f64::from(u32::MAX);
            let more = first.as_secs_f64() * 2_f64.powi(i32::try_from(number).unwrap_or(99) - 2) * factor;
            longest.min(first + Duration::from_secs_f64(more))
        }
    };
    delay.max(ms(100))
}

struct Case {
    name: &'static str,
    plan: Plan,
    policy: Policy,
}

/// Stops go at once to SIGKILL: what else happens in a stop is walked in `model.rs`.
fn case(name: &'static str, policy: Policy) -> Case {
    let plan = Plan { post_stop: Some(ms(300)), ..plans::plan(Limit::Finite(Duration::ZERO)) };
    Case { name, plan, policy }
}

fn policy(retries: Option<u32>) -> Policy {
    Policy {
        retries,
        delay: Delay::Fixed(ms(1000)),
        reset: ms(700),
        permanent: vec![PERMANENT],
        max_crashes: None,
    }
}

struct Node {
    run: Tries,
    oracle: Oracle,
    now: Duration,
    came_by: Option<(usize, Event, Duration)>,
}

/// Every event, also those that the driver would not have at this moment.
fn events(run: &Tries) -> Vec<Event> {
    let term = Received {
        signal: plans::signal("TERM"),
        origin: Origin::Process { pid: 100, uid: 0 },
        reach: Reach::Winddown,
        hangup: false,
        from_tree: false,
    };
    let mut events = vec![
        Event::Started,
        Event::NotStarted,
        Event::Signal(term),
        Event::Signal(Received { reach: Reach::Own, ..term }),
        Event::Signal(Received { reach: Reach::Copy, ..term }),
        Event::Signal(Received { signal: plans::signal("USR1"), ..term }),
        Event::Signal(Received { signal: plans::signal("HUP"), hangup: true, ..term }),
        Event::MainExited(Exit::Code(0)),
        Event::MainExited(Exit::Code(3)),
        Event::MainExited(Exit::Code(PERMANENT)),
        Event::Remains,
        Event::TreeEmpty,
        Event::Ailing,
        Event::Abandoned,
        Event::ParentEnded,
        Event::Clear,
        Event::Tick,
    ];
    events.extend([0, u32::MAX].map(|jitter| Event::Concluded(conclusion(run), jitter)));
    events
}

/// What the driver would find.
fn conclusion(run: &Tries) -> Conclusion {
    let by_itself = run.request().is_none();
    let (outcome, ending) = match run.main_exit() {
        _ if run.has_survivors() => (Outcome::Stuck, Ending::Status(125)),
        None => (Outcome::NotStarted, Ending::Status(127)),
        Some(Exit::Code(code)) if !by_itself => (Outcome::Stopped, Ending::Status(code)),
        Some(Exit::Code(0)) => (Outcome::Completed, Ending::Status(0)),
        Some(Exit::Code(code)) => (Outcome::Failed, Ending::Status(code)),
        Some(Exit::Signal(signal)) => (Outcome::Crashed, Ending::Die(signal)),
    };
    Conclusion { outcome, ending }
}

fn moments(node: &Node) -> Vec<Duration> {
    let policy = node.run.policy();
    let edges = |at: Duration| [at.saturating_sub(NANOSECOND), at];
    let mut moments = vec![node.now, node.run.deadline().unwrap_or(node.now) + LONG];
    moments.extend(node.run.deadline().into_iter().flat_map(edges));
    let is_running = node.oracle.ready_until.is_none();
    let reset = node.oracle.ready_since.filter(|_| is_running).and_then(|at| at.checked_add(policy.reset));
    moments.extend(reset.into_iter().flat_map(edges));
    if let (Some(rate), Some(first)) = (policy.max_crashes, node.oracle.failures.first()) {
        moments.extend(edges(*first + rate.within));
    }
    moments.retain(|at| *at >= node.now);
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn path(nodes: &[Node], mut at: usize) -> String {
    let mut steps = Vec::new();
    while let Some((from, event, when)) = nodes[at].came_by {
        steps.push(format!("     {event:?} at {when:?}"));
        at = from;
    }
    steps.reverse();
    steps.join("\n")
}

fn walk(case: &Case) -> Vec<Node> {
    let run = Tries::new(case.plan.clone(), case.policy.clone());
    let mut nodes = vec![Node { run, oracle: Oracle::new(), now: ms(1), came_by: None }];
    let mut known: HashSet<(TriesView, Oracle)> = HashSet::new();
    let (mut next, mut edges) = (0, 0);
    while next < nodes.len() {
        for at in moments(&nodes[next]) {
            for event in events(&nodes[next].run) {
                let node = &nodes[next];
                let (mut run, mut oracle, mut effects) = (node.run.clone(), node.oracle.clone(), Vec::new());
                run.handle(at, event, &mut effects);
                let turn = Turn { before: &node.run, after: &run, at, event, effects: &effects };
                if let Err(broken) = oracle.judge(&turn) {
                    let path = path(&nodes, next);
                    panic!("{}: {broken}\n{path}\nthen {event:?} at {at:?}\ndid {effects:?}", case.name);
                }
                edges += 1;
                if known.insert((run.tries_view(at), oracle.view(at, &case.policy))) {
                    nodes.push(Node { run, oracle, now: at, came_by: Some((next, event, at)) });
                }
            }
        }
        next += 1;
        assert!(next < STATES_MAX, "{}: no end in sight\n{}", case.name, path(&nodes, next - 1));
    }
    println!("{}: {} states, {edges} edges", case.name, nodes.len());
    assert!(nodes.iter().any(|node| node.run.is_stopped()), "{}: no run ends", case.name);
    nodes
}

/// The highest number of a try.
fn tries(nodes: &[Node]) -> u32 {
    nodes.iter().map(|node| node.run.attempt()).max().unwrap_or_default()
}

#[test]
fn a_run_of_one_try() {
    assert_eq!(tries(&walk(&case("once", Policy::once()))), 1);
}

#[test]
fn two_retries() {
    let never_set_back = Policy { reset: Duration::MAX, ..policy(Some(2)) };
    assert_eq!(tries(&walk(&case("two retries", never_set_back))), 3);
    walk(&case("two retries, set back", policy(Some(2))));
}

#[test]
fn retries_for_ever() {
    let delay = Delay::Exponential { first: ms(200), longest: ms(1000) };
    walk(&case("for ever", Policy { delay, ..policy(None) }));
}

#[test]
fn a_stop_within_a_try() {
    let mut case = case("stops", policy(Some(1)));
    case.policy.reset = Duration::MAX;
    case.plan =
        Plan { limit: Limit::Finite(ms(20)), straggler_grace: ms(10), watchdog: Some(ms(500)), ..case.plan };
    assert_eq!(tries(&walk(&case)), 2);
}

#[test]
fn no_delay_is_too_short() {
    walk(&case("no delay", Policy { delay: Delay::Fixed(Duration::ZERO), ..policy(Some(1)) }));
}

#[test]
fn the_run_limit_counts_over_all_tries() {
    let mut case = case("run limit", policy(None));
    case.plan.run_limit = Some(ms(1500));
    assert_eq!(tries(&walk(&case)), 2);
}

#[test]
fn a_crash_rate() {
    let max_crashes = Some(CrashRate { most: 1, within: ms(1500) });
    walk(&case("crash rate", Policy { max_crashes, ..policy(None) }));
}
