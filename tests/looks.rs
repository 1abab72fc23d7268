//! The judgement of a post-mortem, on looks that were recorded of real programs: `tests/looks/`. They are
//! renewed by `WINDDOWN_KEEP_LOOKS=$PWD/tests/looks cargo test --test it -- post_mortem::`.

use std::collections::BTreeSet;

use serde::Deserialize;
use winddown::postmortem::causes::CAUSES;
use winddown::postmortem::judge::{self, Case, LINES_MAX, PostMortem, Progress};
use winddown::postmortem::look::{Hex, Look, Moment};

const TERM: (i32, &str) = (15, "TERM");

/// What was recorded, and what it has to be found to be.
#[derive(Deserialize)]
struct Recorded {
    code: String,
    text: String,
    progress: Option<Progress>,
    killed: Vec<i32>,
    looks: Vec<Look>,
}

impl Recorded {
    fn judged(&self) -> PostMortem {
        let (looks, killed) = (&self.looks, &self.killed);
        // Who was started with it ignored is no look's.
        let ignored_by_winddown = if self.text.contains("winddown itself") { 1 << (TERM.0 - 1) } else { 0 };
        judge::judge(&Case { looks, killed, signal: TERM, ignored_by_winddown })
    }

    /// The code of the first finding.
    fn first(&self) -> &'static str {
        self.judged().findings.first().map_or("none", |finding| finding.code)
    }
}

fn read(name: &str) -> Recorded {
    let path = format!("{}/tests/looks/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn all() -> Vec<(String, Recorded)> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/looks")).expect("a folder");
    let names = folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<String> = names.map(|name| name.trim_end_matches(".json").to_owned()).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

#[test]
fn each_is_found_again() {
    for (name, recorded) in all() {
        let judged = recorded.judged();
        let found = judged
            .findings
            .iter()
            .any(|finding| finding.code == recorded.code && finding.text.contains(&recorded.text));
        assert!(found, "{name}: {judged:#?}");
        assert_eq!(judged.progress, recorded.progress, "{name}");
        assert!(judged.lines().len() <= LINES_MAX, "{name}");
        assert!(judged.lines()[0].starts_with("why ("), "{name}: {}", judged.lines()[0]);
    }
}

#[test]
fn each_cause_has_a_recorded_case() {
    let recorded: BTreeSet<String> = all().into_iter().map(|(_, recorded)| recorded.code).collect();
    // A read that was not under way before, and a case that nothing fits: made from others below.
    let missing: Vec<_> =
        CAUSES.iter().map(|cause| cause.code).filter(|code| !recorded.contains(*code)).collect();
    assert_eq!(missing, ["W12", "W20"]);
}

#[test]
fn a_call_that_began_after_the_signal_is_another_cause() {
    let mut recorded = read("W17-python3");
    assert_eq!(recorded.first(), "W17");
    recorded.looks.retain(|look| look.moment != Moment::Before);
    assert_eq!(recorded.first(), "W12");
}

#[test]
fn what_nothing_fits_is_said_to_be_unknown() {
    let mut recorded = read("W10-python3");
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        seen.sockets.listening = 0;
    }
    assert_eq!(recorded.first(), "W20");
}

#[test]
fn the_signal_decides_before_anything_else() {
    let mut recorded = read("W09-node");
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        (seen.signals.ignored, seen.signals.caught) = (seen.signals.caught, Hex(0));
    }
    assert_eq!(recorded.first(), "W04");
}

#[test]
fn only_those_who_were_killed_are_judged() {
    let mut recorded = read("W09-node");
    recorded.killed.clear();
    let judged = recorded.judged();
    assert_eq!((judged.findings.len(), judged.progress, judged.lines().len()), (0, None, 0));
}

#[test]
fn without_looks_nothing_is_found() {
    let mut recorded = read("W09-node");
    recorded.looks.clear();
    assert_eq!(recorded.judged(), PostMortem::default());
}

/// Of one look, or of numbers that make no sense, there is a finding and no panic.
#[test]
fn odd_looks_are_judged_too() {
    for (name, mut recorded) in all() {
        for look in &mut recorded.looks {
            look.at_ms = f64::NAN;
            for seen in &mut look.processes {
                (seen.cpu_ms, seen.starved_ms, seen.thread_count) = (u64::MAX, Some(u64::MAX), usize::MAX);
                seen.threads.clear();
            }
        }
        assert!(!recorded.judged().lines().is_empty(), "{name}");
        recorded.looks.drain(..recorded.looks.len() - 1);
        let judged = recorded.judged();
        assert!(!judged.findings.is_empty() && judged.progress.is_none(), "{name}");
    }
}
