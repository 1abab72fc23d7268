//! The page for people.

use std::fmt::Write as _;

use super::judge::{self, strip};
use super::observed::{Observed, Readiness, Record, Seen};
use super::options::Options;
use super::statistics::Times;
use super::time::{ms, told as time};
use super::verdict::{Verdict, Word};
use crate::lifecycle::signal::Signal;
use crate::observe::log::printable;

const BAR: u64 = 40;

/// Everything, for a tired engineer.
pub(super) fn page(options: &Options, all: &Seen, verdicts: &[Verdict], colour: bool) -> String {
    let seen = &all.plain;
    let mut page = String::new();
    let words: Vec<String> = options.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let limit = time(ms(options.limit));
    let runs = match all.others.len() + all.again.len() {
        0 => "1 run".to_owned(),
        more => format!("{} runs", more + 1),
    };
    let command = printable(&shell_words::join(&words));
    let _ = writeln!(page, "winddown check  {command}  ({runs}, limit {limit})");
    if let Readiness::Ready { after_ms, how } = &seen.readiness {
        let _ = writeln!(page, "  ready  {:>8}  {}", time(*after_ms), printable(how));
        stop_line(&mut page, options, seen);
        if seen.noise.is_notable() {
            let _ = writeln!(page, "  machine          {}", seen.noise);
        }
        if !seen.strip.is_empty() {
            let signal = options.signal.unwrap_or(Signal::TERM).name();
            let _ = writeln!(page, "  probes           {}", shortened(&strip(seen, &signal)));
        }
    }
    if !all.again.is_empty() {
        let failed = all.plain_runs().filter(|run| judge::fails(options, all, run)).count();
        page.push_str(&Times::of(all).told(failed));
    }
    for (at, verdict) in verdicts.iter().enumerate().filter(|(_, verdict)| verdict.word != Word::Pass) {
        let is_alike = |other: &Verdict| other.word == verdict.word && other.summary == verdict.summary;
        if verdicts[..at].iter().any(is_alike) {
            continue;
        }
        let ids: Vec<&str> =
            verdicts[at..].iter().filter(|other| is_alike(other)).map(|other| other.id).collect();
        let _ = writeln!(page, "{}", line(verdict, &ids, colour));
        for evidence in &verdict.evidence {
            let _ = writeln!(page, "      {evidence}");
        }
    }
    let passed: Vec<&str> =
        verdicts.iter().filter(|verdict| verdict.word == Word::Pass).map(|verdict| verdict.id).collect();
    if !passed.is_empty() {
        let _ = writeln!(page, "  ok  {}", passed.join(", "));
    }
    let _ = writeln!(page, "{}", sum(verdicts));
    page
}

fn stop_line(page: &mut String, options: &Options, seen: &Observed) {
    let Some(took) = seen.stop_ms() else { return };
    let limit = ms(options.limit).max(1);
    let filled = took.saturating_mul(BAR).div_ceil(limit).min(BAR);
    let bar: String = (0..BAR).map(|at| if at < filled { '#' } else { '-' }).collect();
    let record = seen.record.as_ref();
    let was_killed = record.is_some_and(Record::was_killed);
    let end = if was_killed { "KILL" } else { "" };
    let _ = writeln!(page, "  stop   {:>8}  {bar} {end}", time(took));
}

/// A long strip says no more at its ends.
fn shortened(strip: &str) -> String {
    const MOST: usize = 90;
    let letters: Vec<char> = strip.chars().collect();
    if letters.len() <= MOST {
        return strip.to_owned();
    }
    format!("{}...({} more)", letters[..MOST].iter().collect::<String>(), letters.len() - MOST)
}

/// One line for all that say the same.
fn line(verdict: &Verdict, ids: &[&str], colour: bool) -> String {
    let (word, code) = match verdict.word {
        Word::Fail => ("FAIL", "31"),
        Word::Warn => ("warn", "33"),
        Word::Inconclusive => ("???", "35"),
        Word::Skip => ("skip", "2"),
        Word::Pass => ("ok", "32"),
    };
    let word = if colour { format!("\x1b[{code}m{word:<4}\x1b[0m") } else { format!("{word:<4}") };
    format!("  {word} {:<12} {}", ids.join(", "), verdict.summary)
}

fn sum(verdicts: &[Verdict]) -> String {
    let number = |word: Word| verdicts.iter().filter(|verdict| verdict.word == word).count();
    let all = verdicts.len();
    let warnings = match number(Word::Warn) {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        more => format!(", {more} warnings"),
    };
    match (number(Word::Fail), number(Word::Inconclusive)) {
        (0, 0) => format!("PASS {all} checks{warnings}"),
        (0, open) => format!("INCONCLUSIVE {open} of {all} checks{warnings}"),
        (failed, _) => format!("FAIL {failed} of {all} checks{warnings}"),
    }
}
