//! From the start to the signal.

use super::super::observed::{Before, Observed, Readiness, Shell, Takes};
use super::super::time::told as time;
use super::super::verdict::{Verdict, Word};
use crate::observe::message::counted;

pub(super) fn ready(seen: &Observed) -> Verdict {
    let told = |word, text: String| Verdict::new("ready", word, text);
    match &seen.readiness {
        Readiness::Ready { after_ms, how } => told(Word::Pass, format!("after {}: {how}", time(*after_ms))),
        Readiness::Ended { how } => {
            told(Word::Fail, format!("it {how} before it was ready")).said(&seen.output.last)
        }
        Readiness::TimedOut { after_ms, seen: what } => {
            told(Word::Inconclusive, format!("not ready after {}: {what}", time(*after_ms)))
                .because("say how it is ready (--ready), or give it more time (--ready-timeout)")
                .said(&seen.output.last)
        }
        Readiness::NotRun { why, .. } => told(Word::Inconclusive, why.clone()),
    }
}

pub(super) fn handler(before: &Before) -> Verdict {
    let main = &before.main;
    let (word, text, remedy) = match before.takes {
        None => (Word::Inconclusive, "the main process had ended before the signal", ""),
        Some(Takes::Caught) => (Word::Pass, "the stop signal is caught", ""),
        Some(Takes::Read) => (Word::Pass, "the stop signal is blocked, and read", ""),
        Some(Takes::Ignored) => (
            Word::Fail,
            "the stop signal is ignored",
            "install a handler; a shell that starts it in the background or nohup may have passed this on",
        ),
        Some(Takes::Blocked) => (
            Word::Fail,
            "the stop signal is blocked, and nobody reads it",
            "unblock it (pthread_sigmask), or read it in a thread (sigwait) or by signalfd",
        ),
        Some(Takes::Default) => (
            Word::Warn,
            "no handler: the stop signal ends it at once, in the middle of its work",
            "install a handler that finishes what is under way",
        ),
        Some(Takes::Dropped) => (
            Word::Fail,
            "no handler, and as PID 1 of its namespace it does not get the signal",
            "install a handler, or put an init in front of it, such as winddown",
        ),
    };
    let verdict = Verdict::new("handler", word, text);
    if remedy.is_empty() { verdict } else { verdict.because(format!("{main}: {remedy}")) }
}

pub(super) fn zombies(before: &Before) -> Verdict {
    let told = |word| Verdict::new("zombies", word, counted(before.zombies, "zombie", "s"));
    match before.zombies {
        0 => told(Word::Pass),
        number if number > before.zombies_first && before.zombies_first > 0 => told(Word::Fail)
            .because("and they grow: wait for children, or run it under an init such as winddown"),
        _ => told(Word::Warn).because("wait for children, or run it under an init such as winddown"),
    }
}

/// For information only.
pub(super) fn notify(seen: &Observed) -> Verdict {
    let told = |word, text: &str| Verdict::new("notify", word, text);
    let Some(messages) = &seen.messages else { return told(Word::Skip, "it says nothing by sd_notify") };
    // The main job answers these by itself.
    let asked = seen.record.iter().flat_map(|record| &record.extensions);
    let asked = asked.map(|extension| format!("EXTEND_TIMEOUT_USEC={:.0}", extension.time_ms * 1000.0));
    let lines: Vec<String> = messages.iter().cloned().chain(asked).collect();
    if lines.is_empty() {
        return told(Word::Pass, "it says nothing after the signal; STOPPING=1 would tell a service manager");
    }
    told(Word::Pass, &format!("after the signal {}", lines.join(", ")))
}

pub(super) fn shell_wrap(before: &Before) -> Verdict {
    let Some(Shell { program, child }) = &before.shell else {
        return Verdict::new("shell-wrap", Word::Pass, "no shell in front");
    };
    let child = child.name.as_deref().unwrap_or_default();
    let text = format!("{program} stands in front of {child}, and gets the signal");
    Verdict::new("shell-wrap", Word::Warn, text).because(format!("start it with exec: exec {child} ..."))
}
