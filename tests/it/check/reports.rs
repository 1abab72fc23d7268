//! Reports for machines, and repeated runs.

use super::{check_in, expect, server};
use crate::support::builder::Winddown;
use crate::support::{TempDir, read_json, trials};

trials![
    needs("python3") => several_reports_at_once,
    needs("python3") => github_gets_annotations_and_a_summary,
    needs("python3") => runs_are_summed_up,
    needs("python3") => the_first_failure_ends_the_runs,
    needs("python3") => a_slower_stop_than_the_baseline_fails,
    needs("python3") => a_report_that_cannot_be_written_is_told,
];

fn several_reports_at_once() {
    let place = TempDir::new();
    let options = "--only stops,exit-status,handler --report junit=junit.xml --report json=check.json";
    let ended = check_in(&place, options, &server("exits 3")).expect_code(1);
    expect(&ended, "FAIL", "exit-status");
    let json = read_json(place.file("check.json"));
    assert_eq!(json["verdict"], "fail");
    assert_eq!(json["exit_status"], 1);
    assert_eq!(json["checks"][2]["id"], "exit-status");
    assert_eq!(json["runs"][0]["exit"], "exit status 3");
    // By a reader of XML that knows nothing of us; elements and attributes are those of Jenkins' junit-10.xsd.
    let script = "import sys, xml.etree.ElementTree as e\n\
                  root = e.parse('junit.xml').getroot()\n\
                  suite = {'name', 'tests', 'failures', 'errors', 'skipped', 'time', 'timestamp', 'hostname', 'id'}\n\
                  case = {'name', 'time', 'classname'}\n\
                  said = {'type', 'message'}\n\
                  known = {'testsuites': suite, 'testsuite': suite, 'testcase': case, 'failure': said, \
                  'error': said, 'skipped': said, 'system-out': set(), 'system-err': set()}\n\
                  strange = [(one.tag, name) for one in root.iter() for name in one.keys() if name not in known[one.tag]]\n\
                  assert not strange, strange\n\
                  for case in root.iter('testcase'):\n    \
                  found = case.find('failure')\n    \
                  print(case.get('classname'), case.get('name'), 'ok' if found is None else found.get('message'))\n    \
                  assert found is None or 'winddown check  python3' in found.text";
    let read =
        Winddown::bare().command(["python3", "-c", script]).directory(place.path()).run().expect_code(0);
    let expected =
        ["winddown.check handler ok", "winddown.check stops ok", "winddown.check exit-status exit status 3"];
    assert_eq!(read.out(), expected);
}

fn github_gets_annotations_and_a_summary() {
    let place = TempDir::new();
    let words = ["check", "--only", "exit-status,handler"];
    let run = Winddown::new().args(words).command(server("exits 3")).directory(place.path());
    let summary = place.write("summary", "before\n");
    let ended = run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary).run().expect_code(1);
    let annotations: Vec<String> = ended.out().into_iter().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1, "{annotations:?}");
    assert!(annotations[0].starts_with("::error title=winddown check%3A exit-status::"), "{annotations:?}");
    let text = std::fs::read_to_string(summary).expect("the summary");
    assert!(text.starts_with("before\n") && text.contains("| exit-status | fail |"), "{text}");
}

fn runs_are_summed_up() {
    let place = TempDir::new();
    let ended = check_in(&place, "--only stops --runs 3", &server("good")).expect_code(0);
    let told = ended.told();
    assert!(told.contains("(3 runs, limit 10.00 s)"), "{told}");
    assert!(told.contains("no failure in 3 runs: up to 100 % may still fail"), "{told}");
    assert!(told.contains("recommended limit: -t "), "{told}");
}

fn the_first_failure_ends_the_runs() {
    let place = TempDir::new();
    let ended =
        check_in(&place, "--only term-restart,ready --until-fail --runs 5", &server("once")).expect_code(1);
    assert!(ended.told().contains("in 1 of 2 runs"), "{}", ended.told());
}

fn a_slower_stop_than_the_baseline_fails() {
    let place = TempDir::new();
    check_in(&place, "--only stops --save-baseline times.json", &server("good")).expect_code(0);
    let options = "--only stops,baseline --baseline times.json";
    expect(&check_in(&place, options, &server("slow 1.5")).expect_code(1), "FAIL", "baseline");
    check_in(&place, "--save-baseline times.json --only stops", &server("slow 0.6")).expect_code(0);
    expect(&check_in(&place, options, &server("good")).expect_code(0), "ok", "baseline");
}

fn a_report_that_cannot_be_written_is_told() {
    let place = TempDir::new();
    let refused = check_in(&place, "--report junit=nowhere/a.xml", &server("good")).expect_code(125);
    assert!(refused.err()[0].contains("its directory does not exist"), "{:?}", refused.err());
    let ended = check_in(&place, "--only stops --save-baseline nowhere/a", &server("good")).expect_code(125);
    assert!(ended.told().contains("cannot write: --save-baseline nowhere/a"), "{}", ended.told());
}
