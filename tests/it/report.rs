//! `winddown report`: the story, the table and the errors, from records of real runs.

use std::os::fd::OwnedFd;

use crate::support::builder::{Stream, Winddown, winddown_path};
use crate::support::running::Ended;
use crate::support::{Pty, TempDir, read_json, trials};

trials![
    a_kill_is_told_with_its_cause,
    equal_signals_are_told_together,
    a_stop_in_time_is_told,
    a_plan_is_told_step_by_step,
    a_run_that_was_not_started_is_told,
    several_are_set_out_in_a_table,
    a_file_may_hold_several,
    causes_are_explained,
    what_is_no_record_is_refused,
    what_a_record_does_not_have_is_not_told,
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

/// The record of a shell script that prints `up`, and is then asked to stop.
pub(super) fn stopped(place: &TempDir, name: &str, options: &[&str], script: &str) -> String {
    let record = place.file(name);
    let run = Winddown::new().args(options).args(["--record", &record]).command(["sh", "-c", script]).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    drop(run.wait().expect_nothing_left());
    record
}

const STOPS: &str = "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done";
/// Starts a while before it can be asked, and then waits for something that does not end: each look at it
/// sees the same.
pub(super) const IGNORES: &str = "trap '' TERM; sleep 0.1; sleep 60 & echo up; while :; do wait; done";

/// Where a line that contains this is; there must be one.
#[track_caller]
fn line(lines: &[String], part: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("{part} is not in {lines:#?}"))
}

fn a_kill_is_told_with_its_cause() {
    let place = TempDir::new();
    let record = stopped(&place, "kill.json", &["-t", "1s"], IGNORES);
    let ended = report(&[&record]).expect_code(0);
    let lines = ended.out();
    let told = read_json(&record);
    let pid = &told["main"]["pid"];
    assert!(lines[1].starts_with("killed after 1"), "{}", ended.told());
    assert!(lines[2].contains("limit 1s (-t); exit status 137; "), "{}", ended.told());
    let started = line(&lines, &format!("started sh (pid {pid})"));
    let asked = line(&lines, " from ");
    let half = line(&lines, "half of the limit is over; still there: sh");
    let killed = line(&lines, "SIGKILL to ");
    let ended_at = line(&lines, &format!("sh (pid {pid}) died of SIGKILL"));
    let cause = line(&lines, &format!("W04 ignored: sh (pid {pid}) ignores SIGTERM"));
    assert!(started < asked && asked < half && half < killed && killed < ended_at && ended_at < cause);
    assert!(lines[asked].trim_start().starts_with("0  SIGTERM from "), "{}", lines[asked]);
    assert!(lines[asked].ends_with(": stopping, SIGKILL in 1s"), "{}", lines[asked]);
    assert!(lines[started].trim_start().starts_with('-'), "{}", lines[started]);
    assert!(lines[killed].trim_start().starts_with("+1s"), "{}", lines[killed]);
    assert_eq!(ended.count_out("try: "), 1, "{}", ended.told());
}

fn equal_signals_are_told_together() {
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
    let told: Vec<&str> = lines[4..].iter().map(|line| line.trim()).collect();
    assert_eq!(
        told[1..],
        [
            "-1s  SIGUSR1 from x (pid 9): passed on",
            "0  SIGTERM from x (pid 9): stopping, without a limit",
            "+100ms  SIGUSR1 from x (pid 9): passed on; 2 times, the last at +900ms",
            "+200ms  SIGHUP from x (pid 9): passed on",
        ]
    );
}

fn a_stop_in_time_is_told() {
    let place = TempDir::new();
    let record = stopped(&place, "stop.json", &["-t", "20s"], STOPS);
    let ended = report(&[&record]).expect_code(0);
    let lines = ended.out();
    assert!(lines[1].starts_with("stopped in "), "{}", ended.told());
    assert!(
        lines[1].contains(" of 20s: sh (pid ") && lines[1].ends_with("exited with 0"),
        "{}",
        ended.told()
    );
    assert_eq!(ended.count_out("why") + ended.count_out("SIGKILL to"), 0, "{}", ended.told());
    assert_eq!(ended.err().len(), 0, "{}", ended.told());
}

fn a_plan_is_told_step_by_step() {
    let place = TempDir::new();
    let options = ["-t", "20s", "--stop", "run 'false' 5s, wait 100ms, TERM", "--post-stop", "true"];
    let record = stopped(&place, "plan.json", &options, STOPS);
    let ended = report(&[&record]).expect_code(0);
    let lines = ended.out();
    let places = [
        "step 1: running 'false', 5s",
        "hook 'false' exited with 1",
        "step 2: waiting, 100ms",
        "step 3: SIGTERM to main",
        "exited with 0",
        "hook 'true' exited with 0",
    ]
    .map(|part| {
        // The verdict is not part of the time line.
        line(&lines[3..], part)
    });
    assert!(places.is_sorted(), "{}", ended.told());
}

fn a_run_that_was_not_started_is_told() {
    let place = TempDir::new();
    let record = place.file("none.json");
    let run = Winddown::new().args(["--record", &record]).command(["/no/such/command"]).run();
    drop(run.expect_code(127));
    let ended = report(&[&record]).expect_code(0);
    let lines = ended.out();
    assert_eq!(lines.len(), 3, "{}", ended.told());
    assert!(lines[1].starts_with("not started: cannot run '/no/such/command'"), "{}", ended.told());
    assert!(lines[2].ends_with("exit status 127"), "{}", ended.told());
}

fn several_are_set_out_in_a_table() {
    let place = TempDir::new();
    let files: Vec<String> =
        (0..3).map(|number| stopped(&place, &format!("{number}.json"), &["-t", "20s"], STOPS)).collect();
    let ended = report(&[&files[0], &files[1], &files[2]]).expect_code(0);
    let lines = ended.out();
    for (line, file) in lines[1..].iter().zip(&files) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            (cells[0], cells[1], cells[2], cells[4]),
            (file.as_str(), "stopped", "0", "20s"),
            "{line}"
        );
    }
    line(&lines, "Stop times:");
    line(&lines, "n = 3, min ");
    line(
        &lines,
        "3 runs: the longest covers p36 with 95 % confidence, and less than 100 % of such stops fail.",
    );
    line(&lines, "Recommended limit: 1s (twice the longest, ");
    // How long a stop would have taken is not known of one that was killed.
    let killed = stopped(&place, "killed.json", &["-t", "200ms"], IGNORES);
    let ended = report(&[&files[0], &killed]).expect_code(0);
    let lines = ended.out();
    line(&lines, "1 of 2 runs had to be killed");
    assert_eq!(ended.count_out("Recommended"), 0, "{}", ended.told());
}

fn a_file_may_hold_several() {
    let place = TempDir::new();
    let one = std::fs::read_to_string(stopped(&place, "1.json", &["-t", "20s"], STOPS)).unwrap();
    let both = place.write("both.json", &format!("{one}\n{one}"));
    let ended = reporting(&["-"]).stdin(Stream::File(both.clone().into())).run().expect_code(0);
    let lines = ended.out();
    assert!(lines[1].starts_with("-#1 ") && lines[2].starts_with("-#2 "), "{}", ended.told());
    line(&report(&[&both]).expect_code(0).out(), "both.json#2 ");
}

fn causes_are_explained() {
    let by_code = report(&["--explain", "w09"]).expect_code(0);
    let lines = by_code.out();
    assert_eq!(lines[0], "W09 draining: The server waits for clients that are still connected");
    assert!(lines.iter().any(|line| line.starts_with("Try: close idle connections")), "{}", by_code.told());
    assert!(lines.iter().all(|line| line.len() < 90), "{}", by_code.told());
    assert_eq!(report(&["--explain", "draining"]).expect_code(0).out(), lines);
    assert_eq!(report(&["--explain"]).expect_code(0).out().len(), 20);
}

#[track_caller]
fn refused(ended: Ended, parts: &[&str]) {
    let ended = ended.expect_code(125);
    let err = ended.err();
    assert_eq!((ended.out_bytes().len(), err.len()), (0, 1), "{}", ended.told());
    for part in ["winddown: report: "].iter().chain(parts) {
        assert!(err[0].contains(part), "{part} is not in {}", err[0]);
    }
}

fn what_is_no_record_is_refused() {
    let place = TempDir::new();
    let remedy = "name a file that winddown --record has written";
    let missing = place.file("missing.json");
    refused(report(&[&missing]), &[&missing, remedy]);
    let directory = place.path().display().to_string();
    refused(report(&[&directory]), &[&directory, remedy]);
    for (name, text) in [
        ("empty", ""),
        ("text", "no json\n"),
        ("half", "{\"schema\": 1, \"comm"),
        ("other", "{\"a\": 1}"),
        ("list", "[1, 2]"),
        ("wrong", "{\"schema\": 1, \"command\": 5}"),
        ("deep", &"[".repeat(100_000)),
    ] {
        let file = place.write(name, text);
        refused(report(&[&file]), &[&file, "no record", remedy]);
    }
    let newer = place.write("newer", "{\"schema\": 99}");
    refused(report(&[&newer]), &[&newer, "schema 99", "report it with a newer winddown"]);
    let out = place.file("no/such/place.html");
    let record = place.write("bare", "{\"schema\": 1}");
    refused(report(&["--html", &out, &record]), &[&out, "name a file that can be written"]);
}

fn what_a_record_does_not_have_is_not_told() {
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
    refused(report(&[]), &["no record given", "winddown report FILE..."]);
    refused(report(&["--nonsense"]), &["there is no option '--nonsense'"]);
    refused(report(&["--html"]), &["--html"]);
    refused(report(&["--explain", "W99"]), &["--explain W99", "no such cause"]);
    refused(report(&["--explain", "W09", "file"]), &["--explain"]);
    let help = report(&["--help"]).expect_code(0);
    assert_eq!(help.count_out("winddown report --explain [CODE]"), 1, "{}", help.told());
}

fn a_closed_reader_is_no_panic() {
    let place = TempDir::new();
    let record = stopped(&place, "stop.json", &["-t", "20s"], STOPS);
    for words in [&[record.as_str()][..], &["--html", "-", &record], &["--explain"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = reporting(words).stdout(Stream::Fd(OwnedFd::from(writer))).run();
        assert_eq!(ended.signal(), Some(libc::SIGPIPE), "{}", ended.told());
        assert_eq!(ended.err().len(), 0, "{}", ended.told());
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
        assert!(!ended.out_bytes().contains(&0x1b), "{}", ended.told());
    }
    assert_eq!(report(&[&file]).count_out("a\\n\\u{1b}[2Jb (pid 7)"), 3);
}
