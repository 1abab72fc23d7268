//! The page for people.

use std::fmt::Write as _;

use super::name;
use crate::check::checks::several::Times;
use crate::check::checks::strip;
use crate::check::checks::verdict::{Detail, Verdict, Word, alike, overall};
use crate::check::observed::{AllRuns, LeftFile, Observed, ProbeOutcome, Readiness, Record};
use crate::check::options::Options;
use crate::check::options::reports::PAGE_HEAD;
use crate::check::time::{ms, short};
use crate::os::io::sink::terminal_columns;
use crate::os::io::terminal::may_colour;
use crate::text::{self, counted, printable, wrapped};

const STDOUT: i32 = 1;

/// The longest bar, and the longest row of probes that is worth a look.
const BAR: usize = 40;
const PROBES_MAX: usize = 90;
/// Where the text begins: of most lines, of a verdict, and of one whose checks have a long list of names.
const TEXT: usize = 19;
const SUMMARY: usize = 20;
const NAMES: usize = 7;
/// Below this a text has no more room than a column of words.
const ROOM_MIN: usize = 16;

/// What it is shown on.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::check) struct Surface {
    pub(in crate::check) colour: bool,
    /// The width of a terminal. Files, and programs that look for lines, get each line whole.
    pub(in crate::check) columns: Option<usize>,
}

impl Surface {
    pub(in crate::check) fn of_stdout() -> Self {
        Self { colour: may_colour(STDOUT), columns: terminal_columns(STDOUT) }
    }
}

/// The whole page, for a tired engineer.
pub(in crate::check) fn page(
    options: &Options,
    all: &AllRuns,
    verdicts: &[Verdict],
    failed_runs: usize,
    surface: Surface,
) -> String {
    let mut page = Page { text: String::new(), surface };
    let limit = text::short(options.limit);
    let runs = counted(1 + all.others.len() + all.again.len(), "run", "s");
    page.line(PAGE_HEAD, &format!("{}  ({runs}, limit {limit})", name(options)));
    page.plain_run(options, &all.plain);
    if !all.again.is_empty() {
        for line in Times::of(all).with_failed(failed_runs).describe(page.room(2)) {
            page.line("  ", &line);
        }
    }
    put_away(&mut page, all);
    if let Some(file) = &all.in_turn {
        let text = format!("one at a time: servers side by side would share {}", printable(&file.path));
        page.line(&format!("{:<TEXT$}", "  jobs"), &text);
    }
    let is_listed = |verdict: &Verdict| verdict.word() != Word::Pass || verdict.details().next().is_some();
    for (ids, verdict) in alike(verdicts).filter(|(_, verdict)| is_listed(verdict)) {
        page.verdict(verdict, &ids);
    }
    let passed: Vec<&str> =
        verdicts.iter().filter(|verdict| !is_listed(verdict)).map(|verdict| verdict.id).collect();
    if !passed.is_empty() {
        page.line("  ok  ", &passed.join(", "));
    }
    page.line("", &sum(verdicts));
    page.text
}

/// The page under construction.
struct Page {
    text: String,
    surface: Surface,
}

impl Page {
    fn line(&mut self, head: &str, text: &str) {
        self.line_at(head, head.chars().count(), text);
    }

    /// A text that is too long is broken between words; it goes on below its beginning.
    fn line_at(&mut self, head: &str, begin: usize, text: &str) {
        let room = self.room(begin).filter(|room| text.chars().count() > *room);
        let lines = room.map_or_else(|| vec![text.to_owned()], |room| wrapped(text, room));
        let _ = writeln!(self.text, "{}", format!("{head}{}", lines[0]).trim_end());
        for line in &lines[1..] {
            let _ = writeln!(self.text, "{:begin$}{line}", "");
        }
    }

    /// How much of a line is left behind its beginning.
    fn room(&self, begin: usize) -> Option<usize> {
        self.surface.columns.map(|columns| columns.saturating_sub(begin).max(ROOM_MIN))
    }

    fn plain_run(&mut self, options: &Options, seen: &Observed) {
        let Readiness::Ready { after_ms, how } = &seen.readiness else { return };
        self.line(&format!("  ready  {:>8}  ", short(*after_ms)), &printable(how));
        self.stop(options, seen);
        if seen.noise.is_notable() {
            self.line(&format!("{:<TEXT$}", "  machine"), &seen.noise.to_string());
        }
        if !seen.strip.is_empty() {
            self.probes(&strip(seen, &options.stop_signal().name()));
            self.line(&" ".repeat(TEXT), &legend(seen));
        }
    }

    fn stop(&mut self, options: &Options, seen: &Observed) {
        let Some(took) = seen.stop_ms() else { return };
        if seen.record.as_ref().is_some_and(Record::ended_unasked) {
            self.line(&format!("{:<TEXT$}", "  stop"), &format!("before it was asked: {}", end(seen)));
            return;
        }
        let most = self.room(TEXT).map_or(BAR, |room| room.min(BAR));
        let limit = ms(options.limit).max(1);
        let share = u128::from(took) * most as u128;
        let filled =
            usize::try_from(share.div_ceil(u128::from(limit))).map_or(most, |filled| filled.min(most));
        let bar = "#".repeat(filled) + &"-".repeat(most - filled);
        self.line(&format!("  stop   {:>8}  ", short(took)), &format!("{bar} {}", end(seen)));
    }

    /// The letters in as many lines as they need.
    fn probes(&mut self, strip: &str) {
        let strip: Vec<char> = shortened(strip).chars().collect();
        for (row, letters) in strip.chunks(self.room(TEXT).unwrap_or(usize::MAX)).enumerate() {
            let head = if row == 0 { "  probes" } else { "" };
            self.line(&format!("{head:<TEXT$}"), &letters.iter().collect::<String>());
        }
    }

    /// One line for all checks with the same verdict, and its details.
    fn verdict(&mut self, verdict: &Verdict, ids: &[&str]) {
        let (word, code) = match verdict.word() {
            Word::Fail => ("FAIL", "31"),
            Word::Warn => ("warn", "33"),
            Word::Inconclusive => ("???", "35"),
            Word::Skip => ("skip", "2"),
            Word::Pass => ("ok", "32"),
        };
        let word =
            if self.surface.colour { format!("\x1b[{code}m{word:<4}\x1b[0m") } else { format!("{word:<4}") };
        if let [id] = ids {
            let head = format!("  {word} {id:<12} ");
            self.line_at(&head, SUMMARY.max(NAMES + id.len() + 1), &verdict.summary);
        } else {
            let text = format!("{}: {}", ids.join(", "), verdict.summary);
            self.line_at(&format!("  {word} "), NAMES, &text);
        }
        for detail in verdict.details() {
            match detail {
                Detail::Evidence(text) => self.line("      ", text),
                Detail::Remedy(text) => self.line("      try: ", text),
            }
        }
    }
}

/// What the stop came to.
fn end(seen: &Observed) -> String {
    match seen.record.as_ref() {
        Some(record) if record.was_killed() => "killed at the limit".to_owned(),
        Some(Record { exit: Some(exit), .. }) => exit.to_string(),
        _ => String::new(),
    }
}

/// A line for each file that was removed, with the runs that had left it.
fn put_away(page: &mut Page, all: &AllRuns) {
    let mut listed: Vec<(&LeftFile, Vec<&str>)> = Vec::new();
    for (scenario, run) in all.runs() {
        for file in &run.put_away {
            match listed.iter_mut().find(|(known, _)| *known == file) {
                Some((_, by)) if by.last() == Some(&scenario.name()) => {}
                Some((_, by)) => by.push(scenario.name()),
                None => listed.push((file, vec![scenario.name()])),
            }
        }
    }
    for (file, by) in listed {
        let text = format!("{} ({}), left by {}", printable(&file.path), file.kind, by.join(", "));
        page.line(&format!("{:<TEXT$}", "  put away"), &text);
    }
}

/// `. answered, x refused`: the letters that occur.
fn legend(seen: &Observed) -> String {
    let occurs = |outcome: &ProbeOutcome| seen.strip.iter().any(|probe| probe.outcome == *outcome);
    let words = ProbeOutcome::ALL.into_iter().filter(occurs);
    words.map(|outcome| format!("{} {}", outcome.letter(), outcome.word())).collect::<Vec<_>>().join(", ")
}

/// Cuts off a long strip, whose end says no more.
fn shortened(strip: &str) -> String {
    match strip.char_indices().nth(PROBES_MAX) {
        Some((end, _)) => format!("{}...({} more)", &strip[..end], strip[end..].chars().count()),
        None => strip.to_owned(),
    }
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
