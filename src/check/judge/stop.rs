//! The stop itself.

use super::super::observed::{Observed, Record};
use super::super::options::Options;
use super::super::time::{ms, told as time};
use super::super::verdict::{Verdict, Word};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Signal;

/// They end a program that has gone wrong.
const CRASHES: [&str; 7] = ["SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS", "TRAP"];
/// A good exit status, and the way in which many servers die of the stop signal.
const GOOD: [Exit; 3] = [Exit::Code(0), Exit::Code(143), Exit::Signal(Signal::TERM)];

/// Of more that were killed only these are named.
const NAMES_MAX: usize = 5;

pub(super) fn stops(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let told = |word, text: String| Verdict::new("stops", word, text);
    if record.stop.is_none() {
        return told(Word::Fail, "it ended before it was asked to".to_owned());
    }
    let took = record.stop_ms().unwrap_or_default();
    if record.was_killed() || !record.survivors.is_empty() {
        if seen.is_starved() {
            return starved("stops", seen, took);
        }
        let survivors = record.survivors.iter().map(|survivor| &survivor.process);
        let names: Vec<String> =
            record.killed.iter().chain(survivors).take(NAMES_MAX).map(ToString::to_string).collect();
        let word = record.progress.as_deref().map(|word| format!(" ({word})")).unwrap_or_default();
        let text =
            format!("still there after {}, killed{word}: {}", time(ms(options.limit)), names.join(", "));
        return told(Word::Fail, text).explained(record);
    }
    match options.within {
        Some(within) if took > ms(within) && seen.is_starved() => starved("stops", seen, took),
        Some(within) if took > ms(within) => {
            told(Word::Fail, format!("in {}, longer than --within {}", time(took), time(ms(within))))
        }
        _ => told(Word::Pass, format!("in {}", time(took))),
    }
}

/// The machine is to blame, and says nothing about the server.
fn starved(id: &'static str, seen: &Observed, took: u64) -> Verdict {
    let waited = time(seen.noise.waited_ms);
    Verdict::new(
        id,
        Word::Inconclusive,
        format!("the machine starved it: {waited} of {} waiting for a CPU", time(took)),
    )
    .because("run it again when the machine has less to do")
}

pub(super) fn margin(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let took = record.stop_ms().unwrap_or_default();
    let percent = took.saturating_mul(100) / ms(options.limit).max(1);
    if record.was_killed() {
        return Verdict::new("margin", Word::Skip, "the limit was over, see stops");
    }
    let text = format!("{percent} % of the limit of {}", time(ms(options.limit)));
    match percent {
        0..=50 => Verdict::new("margin", Word::Pass, text),
        _ if seen.is_starved() => starved("margin", seen, took),
        51..=90 => {
            Verdict::new("margin", Word::Warn, text).because("on a slower day it would be killed: raise -t")
        }
        _ => Verdict::new("margin", Word::Fail, text)
            .because("on a slower day it is killed: raise -t, or stop faster"),
    }
}

pub(super) fn exit_status(options: &Options, record: &Record) -> Verdict {
    let told = |word, text: String| Verdict::new("exit-status", word, text);
    let Some(exit) = &record.exit else {
        return told(Word::Inconclusive, "it did not end".to_owned());
    };
    if let Some(signal) = exit.signal.as_ref().filter(|signal| CRASHES.contains(&signal.as_str())) {
        return told(Word::Fail, format!("it crashed: SIG{signal}"));
    }
    let is_main = |process: &super::super::observed::Process| record.main.as_ref() == Some(process);
    if record.killed.iter().any(is_main) {
        return told(Word::Skip, "it was killed, see stops".to_owned());
    }
    let asked_with = options.signal.unwrap_or(Signal::TERM);
    let usual = GOOD.into_iter().chain([Exit::Signal(asked_with), Exit::Code(asked_with.exit_status())]);
    let good: Vec<Exit> =
        if options.expect_exit.is_empty() { usual.collect() } else { options.expect_exit.clone() };
    let is_good = good.iter().any(|good| match good {
        Exit::Code(code) => exit.code == Some(i32::from(*code)),
        Exit::Signal(signal) => exit.signal == Some(signal.name()),
    });
    let text = exit.to_string();
    if is_good {
        return told(Word::Pass, text);
    }
    told(Word::Fail, text).because("exit with 0 after a stop; or say what is right: --expect-exit STATUS,...")
}
