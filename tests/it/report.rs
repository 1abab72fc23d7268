//! `winddown report`: the story, the table and the errors. Whole pages come from the records in `records/`,
//! which were written by real runs.

use std::os::fd::OwnedFd;

use serde_json::Value;
use snapbox::{Data, file};

use crate::record_schema;
use crate::support::builder::{Stream, Winddown, winddown_path};
use crate::support::json_schema::{expect_fits, read_schema};
use crate::support::running::Ended;
use crate::support::snapshot::{Transcript, expect_exactly, expect_page};
use crate::support::{Pty, TempDir, read_json, trials};

trials![
    a_kill_is_reported_with_its_cause,
    equal_signals_are_shown_together,
    a_stop_in_time_is_reported,
    the_record_that_was_just_written_is_reported,
    a_plan_is_reported_step_by_step,
    a_run_that_was_not_started_is_reported,
    several_are_set_out_in_a_table,
    only_runs_of_one_kind_are_summed_up,
    a_program_reads_the_words_of_the_record,
    a_file_may_hold_several,
    causes_are_explained,
    what_is_no_record_is_refused,
    what_a_record_does_not_have_is_not_reported,
    wrong_words_are_refused,
    a_closed_reader_is_no_panic,
    a_terminal_gets_colours,
    names_cannot_command_the_terminal,
];

/// `winddown report` with these words.
pub(super) fn report(words: &[&str]) -> Ended {
    reporting(words).run()
}

fn reporting(words: &[&str]) -> Winddown {
    let own = [winddown_path().into_os_string(), "report".into()];
    Winddown::bare().command(own.into_iter().chain(words.iter().map(Into::into)))
}

/// `winddown report` about records of `records/`.
#[track_caller]
fn page(names: &[&str]) -> String {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/records");
    for name in names {
        let wrong = record_schema::errors(&read_json(format!("{place}/{name}")));
        assert!(wrong.is_empty(), "{name} does not match the current schema: {wrong:#?}");
    }
    let ended = reporting(names).directory(place).run().expect_code(0);
    assert_eq!(ended.err().len(), 0, "{}", ended.dump());
    String::from_utf8(ended.out_bytes()).expect("a page is text")
}

/// Writes the record of a shell script that prints `up` and is then asked to stop.
pub(super) fn stopped(place: &TempDir, name: &str, options: &[&str], script: &str) -> String {
    let record = place.file(name);
    let run = Winddown::new().args(options).args(["--record", &record]).command(["sh", "-c", script]).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    drop(run.wait().expect_nothing_left());
    record
}

const STOPS: &str = "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done";
/// Starts a while before it can be asked, and then waits for a child that does not end: all snapshots are
/// alike.
pub(super) const IGNORES: &str = "trap '' TERM; sleep 0.1; sleep 60 & echo up; while :; do wait; done";

fn a_kill_is_reported_with_its_cause() {
    expect_exactly(&page(&["killed.json"]), file!["snapshots/report/killed.txt"]);
}

fn equal_signals_are_shown_together() {
    let place = TempDir::new();
    let signal = |at_ms: f64, name: &str| {
        serde_json::json!({ "at_ms": at_ms, "signal": name, "forwarded": name,
            "sender": { "kind": "process", "pid": 9, "name": "x" } })
    };
    let times = [(1000.0, "USR1"), (2000.0, "TERM"), (2100.0, "USR1"), (2200.0, "HUP"), (2900.0, "USR1")];
    let record = serde_json::json!({
        "schema": 1, "main": { "pid": 7 }, "received": times.map(|(at_ms, name)| signal(at_ms, name)),
        "stop": { "at_ms": 2000.0, "cause": "signal", "signal": "TERM", "sender": { "pid": 9, "name": "x" } },
    });
    let file = place.write("five.json", &record.to_string());
    let lines = report(&[&file]).expect_code(0).out();
    let found: Vec<&str> = lines[4..].iter().map(|line| line.trim()).collect();
    assert_eq!(
        found[1..],
        [
            "-1s  SIGUSR1 from x (pid 9): passed on",
            "0  SIGTERM from x (pid 9): stopping, without a limit",
            "+100ms  SIGUSR1 from x (pid 9): passed on; 2 times, the last at +900ms",
            "+200ms  SIGHUP from x (pid 9): passed on",
        ]
    );
}

fn a_stop_in_time_is_reported() {
    expect_exactly(&page(&["stopped.json"]), file!["snapshots/report/stopped.txt"]);
}

fn the_record_that_was_just_written_is_reported() {
    let place = TempDir::new();
    let lines = report(&[&stopped(&place, "stop.json", &["-t", "20s"], STOPS)]).expect_code(0).out();
    assert!(lines[1].starts_with("stopped in ") && lines[1].ends_with("exited with 0"), "{lines:#?}");
    let lines = report(&[&stopped(&place, "kill.json", &["-t", "1s"], IGNORES)]).expect_code(0).out();
    assert!(lines[1].starts_with("killed after 1"), "{lines:#?}");
}

fn a_plan_is_reported_step_by_step() {
    expect_exactly(&page(&["plan.json"]), file!["snapshots/report/plan.txt"]);
}

fn a_run_that_was_not_started_is_reported() {
    expect_exactly(&page(&["not_started.json"]), file!["snapshots/report/not_started.txt"]);
}

fn several_are_set_out_in_a_table() {
    let in_time = page(&["stopped.json", "plan.json", "stopped.json"]);
    expect_exactly(&in_time, file!["snapshots/report/several.txt"]);
    // It is not known how long a stop that ended in a kill would have taken.
    let killed = page(&["stopped.json", "killed.json", "not_started.json"]);
    expect_exactly(&killed, file!["snapshots/report/several_killed.txt"]);
}

/// A stop of this command by this signal: how it ended, after how many milliseconds.
fn made(place: &TempDir, name: &str, (command, signal, outcome, time_ms): Stop) -> String {
    let record = serde_json::json!({
        "schema": 1, "command": [command], "outcome": outcome, "main": { "pid": 7, "name": command },
        "phases": [{ "phase": "running", "at_ms": 1.0 }, { "phase": "stopped", "at_ms": 100.0 + time_ms }],
        "stop": { "at_ms": 100.0, "cause": "signal", "signal": signal, "sender": { "kind": "kernel" } },
    });
    place.write(name, &record.to_string())
}

type Stop = (&'static str, &'static str, &'static str, f64);

fn only_runs_of_one_kind_are_summed_up() {
    let place = TempDir::new();
    let runs: [Stop; 6] = [
        ("a", "TERM", "stopped", 100.0),
        ("a", "TERM", "stopped", 300.0),
        ("a", "INT", "stopped", 9000.0),
        ("b", "TERM", "stopped", 7000.0),
        ("c", "TERM", "stopped", 70.0),
        ("c", "TERM", "killed", 700.0),
    ];
    let made = |(number, run): (usize, &Stop)| made(&place, &format!("{number}.json"), *run);
    let files: Vec<String> = runs.iter().enumerate().map(made).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    // As paths they would change the width of the table.
    let names = files.iter().filter_map(|file| file.rsplit('/').next());
    let ended = reporting(&names.collect::<Vec<_>>()).directory(place.path()).run().expect_code(0);
    expect_page(&ended.out().join("\n"), file!["snapshots/report/kinds.txt"]);
    let page = report(&[&["--html", "-"], &files[..]].concat()).expect_code(0).dump();
    assert!(page.contains("<h2>Stop times of a, stopped by SIGTERM</h2>"), "{page}");
    assert!(page.contains("n = 2, min 100ms, median 200ms, max 300ms"), "{page}");
}

/// The schema of the report, with that of the record in it.
fn report_schema() -> Value {
    let record = read_schema("record.schema.json");
    let text = read_schema("report.schema.json").to_string().replace("record.schema.json#", "#/$defs/record");
    let mut schema: Value = serde_json::from_str(&text).expect("a schema");
    schema["$defs"] = record["$defs"].clone();
    schema["$defs"]["record"] = record;
    schema
}

fn a_program_reads_the_words_of_the_record() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/records");
    let names = ["stopped.json", "killed.json", "not_started.json", "plan.json", "stopped.json"];
    let ended = reporting(&[&["--format", "json"][..], &names].concat()).directory(place).run();
    let ended = ended.expect_code(0);
    assert_eq!((ended.out().len(), ended.err().len()), (1, 0), "{}", ended.dump());
    let read: Value = serde_json::from_slice(&ended.out_bytes()).expect("one object");
    expect_fits(&report_schema(), &read);
    for (run, name) in read["runs"].as_array().unwrap().iter().zip(names) {
        let record = read_json(format!("{place}/{name}"));
        assert_eq!(run["record"], name);
        for (field, value) in run.as_object().unwrap() {
            assert!(
                ["record", "stop_time_ms"].contains(&field.as_str()) || record[field] == *value,
                "{field}"
            );
        }
    }
    let killed =
        read["groups"].as_array().unwrap().iter().find(|group| group["killed"] == 1).expect("a kill");
    assert_eq!((&killed["median_ms"], &killed["recommended_limit_ms"]), (&Value::Null, &Value::Null));
    // Of one record, too, and not beside a page.
    let one = reporting(&["--format", "json", "stopped.json"]).directory(place).run().expect_code(0);
    let one: Value = serde_json::from_slice(&one.out_bytes()).expect("one object");
    assert_eq!(one["groups"][0]["median_ms"], one["runs"][0]["stop_time_ms"]);
}

fn a_file_may_hold_several() {
    let place = TempDir::new();
    let one = std::fs::read_to_string(stopped(&place, "1.json", &["-t", "20s"], STOPS)).unwrap();
    let both = place.write("both.json", &format!("{one}\n{one}"));
    let ended = reporting(&["-"]).stdin(Stream::File(both.clone().into())).run().expect_code(0);
    let lines = ended.out();
    assert!(lines[1].starts_with("-#1 ") && lines[2].starts_with("-#2 "), "{}", ended.dump());
    assert!(report(&[&both]).expect_code(0).out()[2].starts_with(&format!("{both}#2 ")));
}

fn causes_are_explained() {
    let by_code = report(&["--explain", "w09"]).expect_code(0);
    assert!(by_code.out().iter().all(|line| line.len() < 90), "{}", by_code.dump());
    assert_eq!(report(&["--explain", "draining"]).expect_code(0).out(), by_code.out());
    show(&["--explain", "w09"], file!["snapshots/report/explain_w09.txt"]);
    show(&["--explain"], file!["snapshots/report/explain.txt"]);
}

/// Expects this page, and nothing else.
#[track_caller]
fn show(words: &[&str], snapshot: Data) {
    let ended = report(words).expect_code(0);
    assert_eq!(ended.err().len(), 0, "{}", ended.dump());
    expect_page(&String::from_utf8_lossy(&ended.out_bytes()), snapshot);
}

/// One error line each.
#[track_caller]
fn all_refused<'a>(command_lines: impl IntoIterator<Item = &'a [&'a str]>, snapshot: Data) {
    let mut transcript = Transcript::default();
    for words in command_lines {
        let ended = report(words).expect_code(125);
        assert_eq!((ended.out_bytes().len(), ended.err().len()), (0, 1), "{}", ended.dump());
        transcript.add(["winddown", "report"].iter().chain(words), &ended);
    }
    transcript.expect(snapshot);
}

fn what_is_no_record_is_refused() {
    let place = TempDir::new();
    let mut files = vec![place.file("missing.json"), place.path().display().to_string()];
    let deep = "[".repeat(100_000);
    files.extend(
        [
            ("empty", ""),
            ("text", "no json\n"),
            ("half", "{\"schema\": 1, \"comm"),
            ("other", "{\"a\": 1}"),
            ("list", "[1, 2]"),
            ("wrong", "{\"schema\": 1, \"command\": 5}"),
            ("deep", &deep),
            ("newer", "{\"schema\": 99}"),
        ]
        .map(|(name, text)| place.write(name, text)),
    );
    let (out, record) = (place.file("no/such/place.html"), place.write("bare", "{\"schema\": 1}"));
    let mut command_lines: Vec<Vec<&str>> = files.iter().map(|file| vec![file.as_str()]).collect();
    command_lines.push(vec!["--html", &out, &record]);
    all_refused(command_lines.iter().map(Vec::as_slice), file!["snapshots/report/no_record.txt"]);
}

fn what_a_record_does_not_have_is_not_reported() {
    let place = TempDir::new();
    let records = [
        "{\"schema\": 1}",
        "{\"schema\": 1, \"new\": [], \"command\": [\"x\"], \"outcome\": \"odd\", \"main\": {\"pid\": 7}}",
        "{\"schema\": 1, \"main\": {\"pid\": 7, \"name\": null}, \"stop\": {\"at_ms\": 1e300}, \"outcome\": \"killed\"}",
        "{\"schema\": 1, \"main\": {\"pid\": 7}, \"stop\": {\"at_ms\": -5, \"deadline_ms\": -9}, \
         \"phases\": [{\"phase\": \"stopped\", \"at_ms\": 1e18}], \"ends\": [{\"pid\": 7, \"at_ms\": -1}]}",
    ];
    for (number, text) in records.iter().enumerate() {
        let file = place.write(&format!("{number}.json"), text);
        assert_ne!(report(&[&file]).expect_code(0).out().len(), 0);
        assert_ne!(report(&[&file, &file]).expect_code(0).out().len(), 0);
        assert_ne!(report(&["--html", "-", &file]).expect_code(0).out().len(), 0);
    }
}

fn wrong_words_are_refused() {
    let wrong: [&[&str]; 7] = [
        &[],
        &["--nonsense"],
        &["--html"],
        &["--explain", "W99"],
        &["--explain", "W09", "file"],
        &["--format", "yaml", "file"],
        &["--format", "json", "--html", "-", "file"],
    ];
    all_refused(wrong, file!["snapshots/report/usage_errors.txt"]);
    show(&["--help"], file!["snapshots/report/help.txt"]);
}

fn a_closed_reader_is_no_panic() {
    let place = TempDir::new();
    let record = stopped(&place, "stop.json", &["-t", "20s"], STOPS);
    for words in [&[record.as_str()][..], &["--html", "-", &record], &["--explain"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = reporting(words).stdout(Stream::Fd(OwnedFd::from(writer))).run();
        assert_eq!(ended.signal(), Some(libc::SIGPIPE), "{}", ended.dump());
        assert_eq!(ended.err().len(), 0, "{}", ended.dump());
    }
}

fn a_terminal_gets_colours() {
    let place = TempDir::new();
    let record = stopped(&place, "kill.json", &["-t", "200ms"], IGNORES);
    let mut pty = Pty::bash();
    for (environment, coloured) in
        [("TERM=xterm", true), ("TERM=xterm NO_COLOR=1", false), ("TERM=dumb", false), ("TERM=", false)]
    {
        pty.line(&format!("env {environment} \"$WD\" report {record}"));
        let shown = pty.prompt();
        assert_eq!(shown.contains("\x1b[31mkilled after "), coloured, "{environment}: {shown:?}");
        assert_eq!(shown.contains('\x1b'), coloured, "{environment}: {shown:?}");
        assert!(shown.contains("killed after "), "{environment}: {shown:?}");
    }
    pty.line(&format!("TERM=xterm \"$WD\" report {record} | cat"));
    assert!(!pty.prompt().contains('\x1b'), "no colour in a pipe");
}

fn names_cannot_command_the_terminal() {
    let place = TempDir::new();
    let file = place.write(
        "odd.json",
        "{\"schema\": 1, \"command\": [\"\\u001b[2J\"], \"outcome\": \"\\u001b[2J\", \"started\": \"\\u001b\", \
         \"main\": {\"pid\": 7, \"name\": \"a\\n\\u001b[2Jb\"}, \"stop\": {\"cause\": \"\\u001b\"}, \
         \"findings\": [{\"code\": \"\\u001b\", \"text\": \"\\u001b\", \"remedy\": \"\\u001b\"}], \
         \"hooks\": [{\"hook\": \"\\u001b\"}], \"steps\": [{\"action\": \"\\u001b\"}], \
         \"ends\": [{\"pid\": 7, \"exit\": {\"signal\": \"\\u001b\"}}], \"progress\": \"\\u001b\", \
         \"exit\": {\"signal\": \"\\u001b\"}, \"received\": [{\"signal\": \"\\u001b\", \"at_ms\": 9}]}",
    );
    for words in [&[file.as_str()][..], &[&file, &file], &["--html", "-", &file]] {
        let ended = report(words).expect_code(0);
        assert!(!ended.out_bytes().contains(&0x1b), "{}", ended.dump());
    }
    assert_eq!(report(&[&file]).count_out("a\\n\\u{1b}[2Jb (pid 7)"), 3);
}
