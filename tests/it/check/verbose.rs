//! `winddown check -v`: the steps of each run, as they happen.

use serde_json::Value;

use super::{check, server};
use crate::support::trials;

trials![
    needs("python3") => each_step_is_reported_in_order,
    needs("python3") => for_programs_each_line_is_an_object,
    needs("python3") => without_it_nothing_is_reported,
    what_could_not_be_seen_is_reported,
];

const HOLDS: &str = "--only in-flight --slow /slow";

/// What each run reports, in this order.
const STEPS: [&str; 6] = ["started", "ready", "listeners", "signal sent", "ended", "settled"];

/// The steps in the lines of this scenario.
fn steps<'a>(lines: &'a [String], scenario: &str) -> Vec<&'a str> {
    let of_run = lines.iter().filter_map(|line| line.split_once(&format!(" scenario{{{scenario}}}: ")));
    of_run.map(|(_, event)| event.split_once('=').map_or(event, |(text, _)| text)).collect()
}

fn each_step_is_reported_in_order() {
    let lines = check(&format!("-v {HOLDS}"), &server("graceful")).expect_code(0).err();
    let plain = steps(&lines, "id=plain run=1");
    assert!(plain.len() == STEPS.len(), "{lines:#?}");
    assert!(plain.iter().zip(STEPS).all(|(event, step)| event.starts_with(step)), "{lines:#?}");
    let requests = steps(&lines, "id=requests run=2");
    let held = requests.iter().position(|event| event.starts_with("held"));
    assert_eq!(held, Some(3), "{lines:#?}");
    for text in
        ["by=\"listening on 127.0.0.1:", "addresses=\"127.0.0.1:", "held count=3 of=3", "signal=SIGTERM"]
    {
        assert!(lines.iter().any(|line| line.contains(text)), "{text}: {lines:#?}");
    }
    assert_eq!(lines.len(), plain.len() + requests.len(), "{lines:#?}");
}

fn for_programs_each_line_is_an_object() {
    let options = format!("-v --log-format json --report json {HOLDS}");
    let ended = check(&options, &server("graceful")).expect_code(0);
    // Only the report goes to stdout.
    assert_eq!(ended.out().len(), 1, "{}", ended.dump());
    let lines: Vec<Value> =
        ended.err().iter().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let found: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(found.len(), lines.len(), "{lines:#?}");
    assert_eq!(found[..STEPS.len()], STEPS, "{lines:#?}");
    for line in &lines {
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        assert!(line["span"]["id"].is_string() && line["span"]["run"].is_u64(), "{line}");
    }
    let held = lines.iter().find(|line| line["message"] == "held").expect("a line about it");
    assert_eq!(
        (&held["count"], &held["of"], &held["span"]["id"]),
        (&3.into(), &3.into(), &"requests".into())
    );
}

fn without_it_nothing_is_reported() {
    let ended = check(HOLDS, &server("graceful")).expect_code(0);
    assert_eq!(ended.err(), Vec::<String>::new());
}

fn what_could_not_be_seen_is_reported() {
    let command = ["sleep", "60"].map(str::to_owned);
    let lines = check("-v --only stops --ready-timeout 200ms", &command).expect_code(3).err();
    let is_reported = |line: &String| {
        line.contains(" WARN ") && line.contains(": not ready ") && line.contains("listens nowhere")
    };
    assert!(lines.iter().any(is_reported), "{lines:#?}");
}
