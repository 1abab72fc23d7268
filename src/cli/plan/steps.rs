//! The words of `--stop` and of the options that take a command.

use std::ffi::CString;
use std::time::Duration;

use super::shell_syntax;
use crate::cli::values::{self, stop_signal, target};
use crate::lifecycle::plan::Target;
use crate::lifecycle::signal::Signal;
use crate::os::process::hook::Hook;
use crate::os::process::spawn_error::{SET_BY_ENV, variable};

/// One step as the user wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct PlannedStep {
    pub(super) what: What,
    pub(super) share: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Wait,
    Run(Hook),
    Signal(Signal, Option<Target>),
    Kill,
}

impl PlannedStep {
    /// Whether `--hook-limit` applies to it.
    pub(in crate::cli) const fn has_hook_without_share(&self) -> bool {
        matches!(self.what, What::Run(_)) && self.share.is_none()
    }

    /// Whether it asks processes, but does not name them.
    pub(in crate::cli) const fn asks_anybody(&self) -> bool {
        matches!(self.what, What::Signal(_, None))
    }
}

/// `wait 5s, run "curl -X POST localhost/drain" 3s, USR1 15s main, TERM 5s, QUIT 1s all`.
pub(in crate::cli) fn stop_plan(text: &str) -> Result<Vec<PlannedStep>, String> {
    let parts = at_commas(text);
    let steps: Vec<PlannedStep> = parts.iter().map(|part| step(part)).collect::<Result<_, _>>()?;
    let last = steps.len() - 1;
    if steps.iter().take(last).any(|step| step.what == What::Kill) {
        return Err("KILL ends the plan; put it last".to_owned());
    }
    let takes_the_rest =
        |step: &&PlannedStep| step.share.is_none() && matches!(step.what, What::Wait | What::Signal(..));
    if steps.iter().filter(takes_the_rest).count() > 1 {
        return Err("only one step can take what is left; give the others a share, e.g. TERM 5s".to_owned());
    }
    Ok(steps)
}

/// Splits a plan at the commas outside quotes.
fn at_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    let mut is_escaped = false;
    for letter in text.chars() {
        match letter {
            ',' if quote.is_none() && !is_escaped => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one from the start").push(letter),
        }
        match (letter, quote) {
            _ if is_escaped => {}
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if open == letter => quote = None,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped && quote != Some('\'');
    }
    parts
}

fn step(text: &str) -> Result<PlannedStep, String> {
    let words = split(text)?;
    let Some((first, rest)) = words.split_first() else {
        return Err("a step is missing; use e.g. 'wait 5s, TERM 20s, QUIT'".to_owned());
    };
    match first.as_str() {
        "wait" => Ok(PlannedStep { what: What::Wait, share: only_share(rest)? }),
        "run" => {
            let (command, rest) = rest.split_first().ok_or("run needs a command, e.g. run './drain' 3s")?;
            Ok(PlannedStep { what: What::Run(hook(command)?), share: only_share(rest)? })
        }
        _ => signal_step(first, rest),
    }
}

fn signal_step(first: &str, rest: &[String]) -> Result<PlannedStep, String> {
    let signal = stop_signal(first)
        .map_err(|error| format!("'{first}' is neither wait, run nor a signal: {error}"))?;
    if signal == Signal::KILL {
        return if rest.is_empty() {
            Ok(PlannedStep { what: What::Kill, share: None })
        } else {
            Err("KILL goes to every process and needs no share; write just KILL".to_owned())
        };
    }
    let (mut share_given, mut to) = (None, None);
    for word in rest {
        match target(word) {
            Ok(given) if to.is_none() => to = Some(given),
            Err(_) if share_given.is_none() => share_given = Some(share(word)?),
            _ => return Err(format!("'{word}' is one word too many; use e.g. TERM 5s all")),
        }
    }
    Ok(PlannedStep { what: What::Signal(signal, to), share: share_given })
}

fn only_share(words: &[String]) -> Result<Option<Duration>, String> {
    match words {
        [] => Ok(None),
        [word] => share(word).map(Some),
        [_, more, ..] => Err(format!("'{more}' is one word too many; quote a command, and give one share")),
    }
}

fn share(word: &str) -> Result<Duration, String> {
    values::share(word).map_err(|error| format!("'{word}' is not a share of the limit: {error}"))
}

fn split(text: &str) -> Result<Vec<String>, String> {
    shell_words::split(text).map_err(|_| format!("a quote is not closed in {}", text.trim()))
}

/// A command in one option: split into words as a shell does, without anything else of a shell.
pub(in crate::cli) fn hook(text: &str) -> Result<Hook, String> {
    let words = split(text)?;
    if words.first().is_none_or(String::is_empty) {
        return Err("a command is needed, e.g. './drain --fast'".to_owned());
    }
    if let Some(found) = shell_syntax::find(text) {
        return Err(format!("'{found}' needs a shell, and there is none; use sh -c '...', or quote it"));
    }
    if variable(text.trim_start()).is_some() {
        return Err(SET_BY_ENV.to_owned());
    }
    let words: Result<_, _> = words.into_iter().map(CString::new).collect();
    let words = words.map_err(|_| "a command can't hold a NUL byte; leave it out".to_owned())?;
    Ok(Hook { text: text.trim().to_owned(), words })
}
