//! The rules that recognise a cause: the first that fits is the finding. Rules about the process's state and the
//! signal come first, then calls that show a cause by themselves, then the program as a whole. What a process
//! does is judged only if it got the signal.

mod calls;
mod jvm;
mod program;
mod treatment;

use super::causes::{self, KnownCause};
use super::heard::Heard;
use super::look::Thread;
use super::series::Series;
use super::words::{self, doing, name};

/// What one rule found.
pub(super) struct Hit {
    pub(super) cause: &'static KnownCause,
    /// In one line.
    pub(super) text: String,
    /// A remedy that fits better than the cause's own.
    pub(super) remedy: Option<String>,
    /// It says less than a finding about another process.
    pub(super) is_minor: bool,
    /// The child that it is also about: if nothing more is known of that child, it gets no finding of its own.
    pub(super) child: Option<i32>,
}

/// How much the evidence of a rule is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Strength {
    /// The state of the process, its treatment of the signal, or its use of the CPU: whatever it does matters less.
    State,
    /// A call, or a thread, that shows a cause by itself.
    Sure,
    /// What the process most likely waits for.
    Likely,
    /// What it may wait for.
    Weak,
    /// What is left to say.
    Last,
}

/// The strongest first.
const STRENGTHS: [Strength; 5] =
    [Strength::State, Strength::Sure, Strength::Likely, Strength::Weak, Strength::Last];

type Rule = fn(&Series<'_>) -> Option<Hit>;

/// The first rule that fits wins: the strongest come first, those of one strength in the order of these lists.
const LISTS: [&[(Strength, Rule)]; 4] = [treatment::RULES, program::RULES, calls::RULES, jvm::RULES];

/// The finding about one process.
pub(super) fn apply(series: &Series<'_>) -> Hit {
    let found = in_order().find_map(|rule| rule(series)).unwrap_or_else(|| unknown(series));
    let is_unsure = series.heard() == Heard::Unknown && !HOLD_ANYWAY.contains(&found.cause);
    if is_unsure { found.unsure(series.signal) } else { found }
}

/// The causes that keep a process from stopping whether it was asked or not.
const HOLD_ANYWAY: [&KnownCause; 5] =
    [&causes::STOPPED, &causes::UNINTERRUPTIBLE, &causes::NAMESPACE_INIT, &causes::IGNORED, &causes::BLOCKED];

fn in_order() -> impl Iterator<Item = Rule> {
    let of = |strength| LISTS.into_iter().flatten().filter(move |(its, _)| *its == strength);
    STRENGTHS.into_iter().flat_map(of).map(|(_, rule)| *rule)
}

const fn hit(cause: &'static KnownCause, text: String) -> Hit {
    Hit { cause, text, remedy: None, is_minor: false, child: None }
}

impl Hit {
    fn with(self, remedy: String) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    fn minor(self) -> Self {
        Self { is_minor: true, ..self }
    }

    fn about(self, child: i32) -> Self {
        Self { child: Some(child), ..self }
    }

    fn unsure(self, signal: &str) -> Self {
        Self { text: format!("{}; whether it got SIG{signal} can't be seen", self.text), ..self }
    }
}

fn unknown(series: &Series<'_>) -> Hit {
    let main = series.main_thread();
    let does = main.map_or_else(|| words::state(series.last.state).to_owned(), |main| does(series, main));
    let text = format!("{} is {does}; winddown can't see why", who(series));
    hit(&causes::UNKNOWN, text).minor()
}

/// `2 in nanosleep, worker in futex`: each kind once, at most three kinds.
fn alike(all: impl Iterator<Item = String>) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for one in all {
        match kinds.iter_mut().find(|(kind, _)| *kind == one) {
            Some((_, count)) => *count += 1,
            None => kinds.push((one, 1)),
        }
    }
    let counts = kinds.iter().take(3).map(|(kind, count)| match count {
        1 => kind.clone(),
        count => format!("{count} {kind}"),
    });
    let counts: Vec<String> = counts.collect();
    counts.join(", ")
}

fn who(series: &Series<'_>) -> String {
    name(series.last)
}

fn does(series: &Series<'_>, thread: &Thread) -> String {
    doing(thread, &series.last.files)
}
