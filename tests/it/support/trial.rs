//! Lists of tests, and how a test is run.

use std::any::Any;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::lateness::{Machine, NotJudged};
use super::needs::missing;
use super::turn;

/// How many times a test that fails on a busy machine is run.
const ATTEMPTS: usize = 3;

/// In the words of `tests/model.rs`.
const LONG: &str = "it is long: cargo test --test it -- --include-ignored, as .ci/run does";

/// Notes on tests, printed at the end.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// How many long tests were not run.
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);
static LONG_FORM: AtomicBool = AtomicBool::new(false);

/// Whether the command line asks for ignored tests: long tests run, and tests with repetitions repeat as often as
/// their long form does.
fn is_long_form() -> bool {
    LONG_FORM.load(Ordering::Relaxed)
}

/// Chooses short or long forms; call this before the tests run.
pub(crate) fn choose_form(arguments: &Arguments) {
    LONG_FORM.store(arguments.ignored || arguments.include_ignored, Ordering::Relaxed);
}

/// The first value in the short form, the second in the long one.
pub(crate) fn short_or_long<T>(short: T, long: T) -> T {
    if is_long_form() { long } else { short }
}

/// Defines `trials()` for a module, from the names of its test functions:
///
/// `trials![plain, needs("nginx") => slow_response, alone => exact_times, timed => by_its_verdict,
/// alone long needs("root", "pid-namespace") => as_pid_1];`
///
/// `alone`: no other test runs meanwhile. `long`: runs where ignored tests are asked for. `timed`: its result depends
/// on time in ways that [`lateness`](super::lateness) doesn't measure: if it fails on a busy machine each time, it
/// isn't judged.
macro_rules! trials {
    (@each [$($done:expr,)*]) => { vec![$($done),*] };
    (@each $done:tt $($rest:tt)+) => { trials!(@one $done { alone: false, long: false, timed: false, needs: &[] } $($rest)+) };
    (@one $done:tt { alone: $_:literal, $($how:tt)* } alone $($rest:tt)+) => {
        trials!(@one $done { alone: true, $($how)* } $($rest)+)
    };
    (@one $done:tt { alone: $alone:literal, long: $_:literal, $($how:tt)* } long $($rest:tt)+) => {
        trials!(@one $done { alone: $alone, long: true, $($how)* } $($rest)+)
    };
    (@one $done:tt { alone: $alone:literal, long: $long:literal, timed: $_:literal, $($how:tt)* }
        timed $($rest:tt)+) => {
        trials!(@one $done { alone: $alone, long: $long, timed: true, $($how)* } $($rest)+)
    };
    (@one $done:tt { alone: $alone:literal, long: $long:literal, timed: $timed:literal, $($how:tt)* }
        needs($($need:expr),+) $($rest:tt)+) => {
        trials!(@one $done { alone: $alone, long: $long, timed: $timed, needs: &[$($need),+] } $($rest)+)
    };
    (@one $done:tt $how:tt => $($rest:tt)+) => { trials!(@one $done $how $($rest)+) };
    (@one [$($done:expr,)*] { $($how:tt)* } $name:ident $(, $($rest:tt)*)?) => {
        trials!(@each [$($done,)* $crate::support::trial::Test {
            name: concat!(module_path!(), "::", stringify!($name)), body: $name, $($how)*
        },] $($($rest)*)?)
    };
    ($($list:tt)*) => {
        /// The tests of this module.
        pub(crate) fn trials() -> Vec<$crate::support::trial::Test> {
            trials!(@each [] $($list)*)
        }
    };
}
pub(crate) use trials;

/// One test, as `trials!` makes it.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    /// Includes the path of its module.
    pub(crate) name: &'static str,
    pub(crate) alone: bool,
    pub(crate) long: bool,
    pub(crate) timed: bool,
    pub(crate) needs: &'static [&'static str],
    pub(crate) body: fn(),
}

impl Test {
    /// The same test, as a `timed` one.
    pub(crate) fn timed(self) -> Self {
        Self { timed: true, ..self }
    }

    /// As the harness runs it. A long test that isn't asked for ignores itself, because the harness would give no
    /// reason; it doesn't count as missing anything.
    pub(crate) fn trial(self) -> Trial {
        let trial = Trial::ignorable_test(self.short_name(), move || {
            if self.long && !is_long_form() {
                LEFT_OUT.fetch_add(1, Ordering::Relaxed);
                return Ok(Completion::ignored_with(LONG));
            }
            let missing = self.needs.iter().find_map(|need| missing(need));
            if let Some(reason) = &missing
                && std::env::var_os("WINDDOWN_TEST_ALL").is_some()
            {
                return Err(Failed::from(reason));
            }
            let Some(reason) = missing.or_else(|| self.run()) else {
                return Ok(Completion::Completed);
            };
            self.note(&format!("not tested here: {reason}"));
            Ok(Completion::ignored_with(reason))
        });
        trial.with_ignored_flag(self.long && is_long_form())
    }

    fn short_name(self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, name)| name)
    }

    fn note(self, text: &str) {
        let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(format!("{}: {text}", self.short_name()));
    }

    /// Runs the test; returns why it isn't judged, if so. A test that fails while the machine is too busy to judge by is
    /// repeated, alone.
    fn run(self) -> Option<String> {
        let mut busy = None;
        for attempt in 1..=ATTEMPTS {
            let _turn = turn::take(self.alone || attempt > 1);
            let start = Instant::now();
            let Err(panic) = catch_unwind(self.body) else {
                if attempt > 1 {
                    self.note("failed while the machine was busy, and passed when repeated alone");
                }
                return None;
            };
            let panic = match panic.downcast::<Unseen>() {
                Ok(_) if attempt < ATTEMPTS => continue,
                Ok(unseen) => Box::new(unseen.0),
                Err(panic) => panic,
            };
            let machine = Machine::between(start, Instant::now());
            busy = Some(match panic.downcast::<NotJudged>() {
                Ok(busy) => busy.0,
                Err(panic) if !machine.is_starved() => resume_unwind(panic),
                Err(panic) if !self.timed && attempt == ATTEMPTS => resume_unwind(panic),
                Err(panic) => {
                    format!("{}: {}", NotJudged::new(&machine).0, summary(&text_of(panic.as_ref())))
                }
            });
        }
        busy
    }
}

/// Ends a test in which winddown had no time to see what it should report, and says so itself: the test is repeated,
/// alone, and fails like any other if that happens each time.
pub(crate) struct Unseen(pub(crate) String);

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The first line of a failure; of a snapshot's, the place and the first line that differs.
pub(crate) fn summary(failure: &str) -> String {
    let mut lines = failure.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let Some(snapshot) = first.strip_prefix("---- ") else {
        return first.to_owned();
    };
    let changes = lines.map(|line| line.trim_start_matches(|one: char| one == ' ' || one.is_ascii_digit()));
    let changes = changes.filter(|line| line.starts_with("- ") || line.starts_with("+ "));
    let changes: Vec<&str> = changes.take(2).map(str::trim_end).collect();
    format!("{snapshot}: {}", changes.join(" "))
}

/// Prints at the end what was not tested, and why, and what was repeated.
pub(crate) fn print_notes() {
    for note in NOTES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        eprintln!("{note}");
    }
    let left_out = LEFT_OUT.load(Ordering::Relaxed);
    if left_out > 0 {
        eprintln!(
            "{left_out} long tests were left out: cargo test --test it -- --include-ignored, as .ci/run does"
        );
    }
}
