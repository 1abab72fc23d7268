//! The page for people.

use std::fmt::Write as _;

use super::name;
use crate::check::checks::several::Times;
use crate::check::checks::strip;
use crate::check::checks::verdict::{Verdict, Word, alike, overall};
use crate::check::observed::{AllRuns, Observed, ProbeOutcome, Readiness, Record};
use crate::check::options::Options;
use crate::check::options::reports::PAGE_HEAD;
use crate::check::time::{ms, short};
use crate::text::{self, counted, printable};

const BAR: u64 = 40;

/// The whole page, for a tired engineer.
pub(in crate::check) fn page(
    options: &Options,
    all: &AllRuns,
    verdicts: &[Verdict],
    failed_runs: usize,
    colour: bool,
) -> String {
    let seen = &all.plain;
    let mut page = String::new();
    let limit = text::short(options.limit);
    let runs = match all.others.len() + all.again.len() {
        0 => "1 run".to_owned(),
        more => format!("{} runs", more + 1),
    };
    let name = name(options);
    let _ = writeln!(page, "{PAGE_HEAD}{name}  ({runs}, limit {limit})");
    if let Readiness::Ready { after_ms, how } = &seen.readiness {
        let _ = writeln!(page, "  ready  {:>8}  {}", short(*after_ms), printable(how));
        stop_line(&mut page, options, seen);
        if seen.noise.is_notable() {
            let _ = writeln!(page, "  machine          {}", seen.noise);
        }
        if !seen.strip.is_empty() {
            let signal = options.stop_signal().name();
            let _ = writeln!(page, "  probes           {}", shortened(&strip(seen, &signal)));
            let _ = writeln!(page, "                   {}", legend(seen));
        }
    }
    if !all.again.is_empty() {
        page.push_str(&Times::of(all).with_failed(failed_runs).describe());
    }
    let is_told = |verdict: &Verdict| verdict.word() != Word::Pass || verdict.details().next().is_some();
    for (ids, verdict) in alike(verdicts).filter(|(_, verdict)| is_told(verdict)) {
        let _ = writeln!(page, "{}", line(verdict, &ids, colour));
        for detail in verdict.details() {
            let _ = writeln!(page, "      {detail}");
        }
    }
    let passed: Vec<&str> =
        verdicts.iter().filter(|verdict| !is_told(verdict)).map(|verdict| verdict.id).collect();
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
    let end = match record.and_then(|record| record.exit.as_ref()) {
        _ if record.is_some_and(Record::was_killed) => "killed at the limit".to_owned(),
        Some(exit) => exit.to_string(),
        None => String::new(),
    };
    let line = format!("  stop   {:>8}  {bar} {end}", short(took));
    let _ = writeln!(page, "{}", line.trim_end());
}

/// `. answered, x refused`: the letters that occur.
fn legend(seen: &Observed) -> String {
    let occurs = |outcome: &ProbeOutcome| seen.strip.iter().any(|probe| probe.outcome == *outcome);
    let words = ProbeOutcome::ALL.into_iter().filter(occurs);
    words.map(|outcome| format!("{} {}", outcome.letter(), outcome.word())).collect::<Vec<_>>().join(", ")
}

/// Cuts off a long strip, whose end says no more.
fn shortened(strip: &str) -> String {
    const MOST: usize = 90;
    let letters: Vec<char> = strip.chars().collect();
    if letters.len() <= MOST {
        return strip.to_owned();
    }
    format!("{}...({} more)", letters[..MOST].iter().collect::<String>(), letters.len() - MOST)
}

/// One line for all checks with the same verdict.
fn line(verdict: &Verdict, ids: &[&str], colour: bool) -> String {
    let (word, code) = match verdict.word() {
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
    let number = |word: Word| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let skipped = match number(Word::Skip) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let warnings = match number(Word::Warn) {
        0 => String::new(),
        warnings => format!(", {}", counted(warnings, "warning", "s")),
    };
    let checks = counted(verdicts.len() - number(Word::Skip), "check", "s");
    match (number(Word::Fail), number(Word::Inconclusive)) {
        (0, 0) if overall(verdicts) == Word::Inconclusive => {
            format!("INCONCLUSIVE nothing was tested{skipped}")
        }
        (0, 0) => format!("PASS {checks}{warnings}{skipped}"),
        (0, open) => format!("INCONCLUSIVE {open} of {checks}{warnings}{skipped}"),
        (failed, _) => format!("FAIL {failed} of {checks}{warnings}{skipped}"),
    }
}
