//! Made-up runs for the tests of verdicts and reports.

use super::judge;
use super::selection::Selection;
use super::verdict::Verdict;
use crate::check::observed::{
    AllRuns, Before, Listener, Observed, Probe, ProbeOutcome, ProcessRecord, Readiness, Record, Takes,
};
use crate::check::options::Options;
use crate::check::options::parse::{CheckRequest, parse};
use crate::check::options::server_test::ServerTest;
use crate::record::schema::{EndRecord, ExitRecord, PhaseRecord, StopRecord};

/// The options and checks that these words choose.
pub(in crate::check) fn chosen(words: &[&str]) -> (Options, Selection) {
    let words = ["check"].iter().chain(words).chain(&["server"]).map(Into::into).collect::<Vec<_>>();
    match parse(&words) {
        Ok(CheckRequest::Check(mut tests)) => {
            let ServerTest { options, selection } = tests.remove(0);
            (options, selection)
        }
        other => panic!("{other:?}"),
    }
}

/// All verdicts.
pub(in crate::check) fn judged(words: &[&str], all: &AllRuns) -> Vec<Verdict> {
    let (options, selection) = chosen(words);
    judge(&options, &selection, all)
}

pub(in crate::check) fn process(pid: i32, name: &str) -> ProcessRecord {
    ProcessRecord { pid, name: Some(name.to_owned()) }
}

pub(in crate::check) fn exit(code: i32) -> ExitRecord {
    ExitRecord { code: Some(code), signal: None }
}

/// A server that stops in 100 ms.
pub(in crate::check) fn good() -> Observed {
    let main = process(10, "server");
    let phase = |phase: &str, at_ms| PhaseRecord { phase: phase.to_owned(), at_ms };
    let record = Record {
        main: Some(main.clone()),
        stop: Some(StopRecord { at_ms: 1000.0, ..StopRecord::default() }),
        phases: vec![phase("terminating", 1000.0), phase("stopped", 1100.0)],
        ends: vec![EndRecord { at_ms: 1100.0, pid: 10, exit: exit(0), ..EndRecord::default() }],
        exit: Some(exit(0)),
        outcome: Some("stopped".to_owned()),
        ..Record::default()
    };
    let listener = Listener { protocol: "tcp".to_owned(), address: "127.0.0.1:80".to_owned(), inode: 1 };
    let before = Before {
        main,
        takes: Some(Takes::Caught),
        shell: None,
        listeners: vec![listener],
        zombies_first: 0,
        zombies: 0,
    };
    let mut seen = Observed {
        readiness: Readiness::Ready { after_ms: 5, how: String::new() },
        before: Some(before),
        record: Some(record),
        strip: strip("...", "..xxx"),
        ..Observed::default()
    };
    seen.output.open_ms = Some(1);
    seen
}

/// A probe every 50 ms.
pub(in crate::check) fn strip(before: &str, after: &str) -> Vec<Probe> {
    let outcome = |letter| {
        ProbeOutcome::ALL.into_iter().find(|one| one.letter() == letter).expect("a letter of the strip")
    };
    let first = -50 * i64::try_from(before.len()).expect("short");
    let probes = before.chars().chain(after.chars()).zip(0..);
    probes.map(|(letter, at)| Probe { at_ms: first + 50 * at, outcome: outcome(letter) }).collect()
}

pub(in crate::check) fn killed(seen: &mut Observed) {
    let record = seen.record.as_mut().expect("a record");
    record.killed = vec![process(10, "server")];
    record.phases[1].at_ms = 11_000.0;
    record.ends[0].at_ms = 11_000.0;
}

/// The good run with a change.
pub(in crate::check) fn changed(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut seen = good();
    change(&mut seen);
    seen
}
