//! Whole reports of made-up runs. `SNAPSHOTS=overwrite cargo test --lib check::reports` renews them.

use serde_json::Value;
use snapbox::{Data, assert_data_eq, file};

use super::*;
use crate::check::checks::made_up::{changed, chosen, killed, process};
use crate::check::observed::Observed;
use crate::check::observed::{LeftFile, Missing, Readiness};
use crate::check::runs::scenario::Scenario;
use crate::record::schema::FindingRecord;

/// The report of a test with these words that has seen this.
fn report(words: &[&str], seen: &AllRuns, kind: impl Fn(&Results<'_>) -> String) -> String {
    let (options, selection) = chosen(words);
    let test = ServerTest { options, selection };
    let results = Results::of(&test, seen);
    kind(&results).replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
}

#[track_caller]
fn expect_page(words: &[&str], seen: &AllRuns, snapshot: Data) {
    assert_data_eq!(report(words, seen, |results| results.page(Surface::default())), snapshot.raw());
}

fn ready() -> Readiness {
    Readiness::Ready { after_ms: 212, how: "listening on 127.0.0.1:80".to_owned() }
}

/// A run whose stop takes this long.
fn stopped_in(time_ms: f64) -> Observed {
    changed(|seen| {
        seen.readiness = ready();
        let record = seen.record.as_mut().expect("a record");
        record.phases[1].at_ms = 1000.0 + time_ms;
        record.ends[0].at_ms = 1000.0 + time_ms;
    })
}

const MIXED: [&str; 6] = [
    "--only",
    "ready,stops,exit-status,files,refuse-new,output,shell-wrap,in-flight,kill-restart",
    "--slow",
    "/slow",
    "--warn",
    "files",
];

/// Runs that give a verdict of every kind.
fn mixed() -> AllRuns {
    let plain = changed(|seen| {
        killed(seen);
        seen.readiness = ready();
        seen.record.as_mut().expect("a record").findings = vec![FindingRecord {
            code: "W09".to_owned(),
            name: "draining".to_owned(),
            text: "server (pid 10) waits for 3 clients".to_owned(),
            remedy: "close idle connections".to_owned(),
            ..FindingRecord::default()
        }];
        seen.left.files =
            vec![LeftFile { path: "/run/server | one.pid".to_owned(), kind: "pid file", is_near: true }];
        seen.output.last = vec!["<bye> & 100 %".to_owned()];
        seen.noise.waited_ms = 30;
        seen.left.processes = vec![process(11, "worker")];
    });
    let requests = changed(|seen| seen.missing = Some(Missing::Skip("nothing was under way")));
    AllRuns { plain, others: vec![(Scenario::Requests, requests)], ..AllRuns::default() }
}

#[test]
fn the_page_of_a_good_server() {
    let seen = AllRuns { plain: stopped_in(100.0), ..AllRuns::default() };
    expect_page(&[], &seen, file!["snapshots/good.txt"]);
}

#[test]
fn the_page_of_a_bad_server() {
    expect_page(&MIXED, &mixed(), file!["snapshots/mixed.txt"]);
}

#[test]
fn the_page_of_a_server_that_is_never_ready() {
    let state = "the server is alive and listens nowhere".to_owned();
    let plain = changed(|seen| seen.readiness = Readiness::TimedOut { after_ms: 30_000, seen: state });
    expect_page(&[], &AllRuns { plain, ..AllRuns::default() }, file!["snapshots/never_ready.txt"]);
}

#[test]
fn the_page_of_several_runs() {
    let seen = |last_ms: f64| AllRuns {
        plain: stopped_in(40.0),
        again: [31.0, 33.0, 47.0, last_ms].map(stopped_in).to_vec(),
        ..AllRuns::default()
    };
    expect_page(&["--runs", "5"], &seen(52.0), file!["snapshots/several.txt"]);
    expect_page(&["--runs", "5", "--within", "1s"], &seen(1530.0), file!["snapshots/several_failed.txt"]);
}

#[test]
fn on_a_terminal_lines_break_between_words() {
    let (options, selection) = chosen(&MIXED);
    let (test, seen) = (ServerTest { options, selection }, mixed());
    let results = Results::of(&test, &seen);
    let page = |columns, colour| results.page(Surface { colour, columns });
    assert_data_eq!(page(Some(60), false), file!["snapshots/mixed_60.txt"].raw());
    assert_data_eq!(page(Some(40), false), file!["snapshots/mixed_40.txt"].raw());
    let words = |page: &str| page.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&page(Some(60), false)), words(&page(None, false)), "nothing is lost");
    let (plain, coloured) = (page(Some(60), false), page(Some(60), true));
    assert_eq!(plain.lines().count(), coloured.lines().count(), "colours take no room");
}

/// The JSON with a line for each field.
fn readable_json(results: &Results<'_>) -> String {
    let mut report: Value = serde_json::from_str(&json::report(results)).expect("one JSON object");
    assert!(report["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{report}");
    report["machine"] = "[MACHINE]".into();
    format!("{report:#}\n")
}

#[test]
fn the_reports_for_programs() {
    for (kind, snapshot) in [
        (readable_json as fn(&Results<'_>) -> String, file!["snapshots/mixed.json"]),
        (|results| junit::report(&[results]), file!["snapshots/mixed.junit.xml"]),
        (github::annotations, file!["snapshots/mixed.annotations.txt"]),
        (github::summary, file!["snapshots/mixed.summary.md"]),
    ] {
        assert_data_eq!(report(&MIXED, &mixed(), kind), snapshot.raw());
    }
}
