//! `--log-format json`: each line is one object, which has everything in the text as fields.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::builder::Winddown;
use crate::support::running::{Ended, Running};
use crate::support::{processes, trials};

trials![
    each_line_has_the_common_fields,
    each_event_has_its_fields,
    stragglers_and_shells_are_fields_too,
    a_repeated_signal_is_a_field,
    what_went_wrong_is_reported_as_an_error,
    names_are_quoted,
];

fn start(options: &[&str], flags: &str) -> Running {
    let run = Winddown::new().args(["--log-format", "json"]).args(options).workload(flags).start();
    run.wait_out("up");
    run
}

#[track_caller]
fn lines(ended: &Ended) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    ended.err().iter().map(parse).collect()
}

#[track_caller]
fn line<'a>(lines: &'a [Value], event: &str) -> &'a Value {
    lines.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("no {event} in {lines:#?}"))
}

fn this_process() -> Value {
    let own = std::process::id();
    let name = processes::info(own.cast_signed()).expect("this process").name;
    json!({ "kind": "process", "pid": own, "uid": nix::unistd::getuid().as_raw(), "name": name })
}

fn each_line_has_the_common_fields() {
    let before = SystemTime::now();
    let run = start(&["-v", "-t", "300ms"], "--ignore TERM --on USR1 [ ] --print up --serve");
    run.signal(libc::SIGUSR1);
    run.wait_out("got 10");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137);
    let lines = lines(&ended);
    let mut seen = BTreeSet::new();
    for line in &lines {
        let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}"));
        let time = humantime::parse_rfc3339(text("time")).expect("a time");
        assert!(time + Duration::from_millis(1) >= before && time <= SystemTime::now(), "{line}");
        assert!(line["elapsed_ms"].as_f64().is_some_and(|elapsed| elapsed >= 0.0), "{line}");
        assert!(["error", "warn", "info", "detail"].contains(&text("level")), "{line}");
        assert!(!text("message").is_empty() && !text("message").contains("winddown:"), "{line}");
        seen.insert((text("event").to_owned(), text("phase").to_owned(), text("level").to_owned()));
    }
    let expected = [
        ("ended", "stopped", "info"),
        ("forwarded", "running", "detail"),
        ("half-time", "terminating", "info"),
        ("killing", "killing", "warn"),
        ("reaped", "killing", "detail"),
        ("started", "running", "detail"),
        ("stop-requested", "terminating", "info"),
    ];
    let expected = expected.map(|(event, phase, level)| (event.into(), phase.into(), level.into()));
    // Not in every build.
    seen.remove(&("post-mortem".to_owned(), "killing".to_owned(), "warn".to_owned()));
    assert_eq!(seen, BTreeSet::from(expected));
}

fn each_event_has_its_fields() {
    let run = start(
        &["-v", "-t", "400ms", "--map", "USR2=USR1"],
        "--ignore TERM --on USR1 [ ] --spawn child w [ --ignore TERM --serve ] --say pid --print up --serve",
    );
    run.signal(libc::SIGUSR2);
    run.wait_out("got 10");
    run.signal(libc::SIGTERM);
    let main = json!({ "pid": run.number("pid"), "name": "workload" });
    let worker = json!({ "pid": run.number("w pid"), "name": "w" });
    let ended = run.wait().expect_code(137);
    let lines = lines(&ended);
    assert_eq!(line(&lines, "started")["process"], main);
    let forwarded = line(&lines, "forwarded");
    assert_eq!((&forwarded["signal"], &forwarded["forwarded"]), (&json!("USR2"), &json!("USR1")));
    assert_eq!(forwarded["sender"], this_process());
    let stop = line(&lines, "stop-requested");
    assert_eq!((&stop["cause"], &stop["signal"]), (&json!("signal"), &json!("TERM")));
    assert_eq!((&stop["sender"], &stop["process"]), (&this_process(), &main));
    assert_eq!((&stop["kill_in_ms"], &stop["limit_origin"]), (&json!(400.0), &json!("-t")));
    let half = line(&lines, "half-time");
    assert_eq!(half["there"], json!([main, worker]));
    assert!(half["left_ms"].as_f64().is_some_and(|left| left > 0.0 && left <= 200.0), "{half}");
    let killing = line(&lines, "killing");
    assert_eq!(killing["victims"], json!([main, worker]));
    assert!(killing["after_ms"].as_f64().is_some_and(|after| after >= 400.0), "{killing}");
    let last = line(&lines, "ended");
    assert_eq!((&last["outcome"], &last["process"]), (&json!("killed"), &main));
    assert_eq!(last["exit"], json!({ "signal": "KILL" }));
    assert!(last["took_ms"].as_f64().is_some_and(|took| took >= 400.0), "{last}");
}

fn stragglers_and_shells_are_fields_too() {
    let run = start(
        &[],
        "--on TERM [ --exit 4 ] --spawn session s [ --on TERM [ --sleep 100 --exit 0 ] --serve ] --print up --serve",
    );
    let straggler = json!([{ "pid": run.number("s pid"), "name": "s" }]);
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(4);
    let lines = lines(&ended);
    let exited = line(&lines, "main-exited");
    assert_eq!((&exited["exit"], &exited["asked"]), (&json!({ "code": 4 }), &straggler));
    assert!(exited["after_ms"].is_number());
    // The child itself prints `up`: before it is there, the trap would run at once.
    let script = "trap 'exit 3' TERM; sh -c 'echo up; exec sleep 9'; echo";
    let run =
        Winddown::new().args(["--log-format", "json", "-t", "20s"]).command(["sh", "-c", script]).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let hint = serde_json::from_str::<Value>(&run.wait_err("shell-waits")).unwrap();
    assert_eq!((&hint["shell"]["name"], &hint["child"]["name"]), (&json!("sh"), &json!("sleep")));
}

fn a_repeated_signal_is_a_field() {
    let run = start(&["-t", "20s"], "--on TERM [ ] --on INT [ ] --on QUIT [ --exit 0 ] --print up --serve");
    run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    run.signal(libc::SIGINT);
    run.wait_out("got 2 ");
    let found = serde_json::from_str::<Value>(&run.wait_err("\"repeated\"")).unwrap();
    assert_eq!((&found["signal"], &found["forwarded"]), (&json!("INT"), &json!("INT")));
    assert_eq!(found["sender"], this_process());
    run.signal(libc::SIGQUIT);
    run.wait().expect_code(0);
}

fn what_went_wrong_is_reported_as_an_error() {
    let json_lines = ["--log-format", "json", "-q"];
    let ended = Winddown::new().args(json_lines).command(["no-such-command-here"]).run().expect_code(127);
    let found = lines(&ended);
    let not_started = line(&found, "not-started");
    assert_eq!((&not_started["level"], &not_started["phase"]), (&json!("error"), &json!("starting")));
    let run = Winddown::new().args(json_lines).args(["--record", "/dev/full"]).workload("--exit 2");
    let ended = run.run().expect_code(2);
    let found = lines(&ended);
    let failed = line(&found, "record-failed");
    assert_eq!((&failed["level"], &failed["error"]), (&json!("error"), &json!("ENOSPC")));
    assert_eq!(failed["file"], "/dev/full");
}

fn names_are_quoted() {
    let command = "no \"such\"\n\u{1b}[31mcommand\\";
    let ended = Winddown::new().args(["--log-format", "json"]).command([command]).run().expect_code(127);
    let found = lines(&ended);
    assert_eq!(found.len(), 1, "{}", ended.dump());
    assert!(found[0]["message"].as_str().unwrap().contains(command), "{}", ended.dump());
}
