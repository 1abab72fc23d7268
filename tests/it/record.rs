//! `--record`: every field, compared with what the workload saw of its own run.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use snapbox::file;

use crate::support::builder::{Winddown, workload_path};
use crate::support::running::Running;
use crate::support::snapshot::expect_page;
use crate::support::{TempDir, eventually, processes, read_json, trials};

trials![
    a_kill_is_recorded_in_every_field,
    the_time_is_that_of_the_wall_clock,
    a_stop_in_time_is_recorded,
    everybody_who_was_asked_is_recorded,
    forwarded_signals_are_recorded_as_sent,
    each_of_many_is_recorded_with_its_result,
    a_remapped_exit_is_recorded_beside_the_real_one,
    log_and_record_agree,
    a_record_has_these_fields,
];

const VARIANTS: [&[&str]; 2] = [&[], &["--no-guard"]];

/// Milliseconds.
#[track_caller]
fn ms(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no time: {value}"))
}

/// The names of the phases, and when each began.
fn phases(record: &Value) -> (Vec<&str>, Vec<f64>) {
    let phases = record["phases"].as_array().unwrap();
    phases.iter().map(|entry| (entry["phase"].as_str().unwrap(), ms(&entry["at_ms"]))).unzip()
}

/// The signals that were sent, as `SIGNAL purpose name result`.
fn sent(record: &Value) -> Vec<String> {
    let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    let signals = record["signals"].as_array().unwrap().iter();
    let line = |one: &Value| {
        format!(
            "{} {} {} {}",
            word(one, "signal"),
            word(one, "purpose"),
            word(&one["target"], "name"),
            word(one, "result")
        )
    };
    signals.map(line).collect()
}

/// This process, as a record names a sender.
fn this_process() -> Value {
    let own = std::process::id();
    let name = processes::info(own.cast_signed()).expect("this process").name;
    json!({ "kind": "process", "pid": own, "uid": nix::unistd::getuid().as_raw(), "name": name })
}

fn start(options: &[&str], flags: &str, record: &str) -> Running {
    let run = Winddown::new().args(options).args(["--record", record]).workload(flags).start();
    run.wait_out("up");
    run
}

fn a_kill_is_recorded_in_every_field() {
    for guard in VARIANTS {
        let place = TempDir::new();
        let file = place.file("record");
        let flags = "--ignore TERM --spawn child w [ --ignore TERM --serve ] --say pid --print up --serve";
        let run = start(&[guard, &["-t", "400ms"]].concat(), flags, &file);
        let (main, worker) = (run.number("pid"), run.number("w pid"));
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137);
        let record = read_json(&file);
        let words: Vec<&str> = flags.split(' ').collect();
        let program = workload_path();
        let command = [program.to_str().unwrap()].into_iter().chain(words).collect::<Vec<_>>();
        assert_eq!(record["schema"], 1);
        assert_eq!(record["winddown"], env!("CARGO_PKG_VERSION"));
        assert_eq!(record["command"], json!(command));
        assert_eq!(record["limit"], json!({ "ms": 400.0, "origin": "-t" }));
        assert_eq!(record["main"], json!({ "pid": main, "name": "workload" }));
        let (names, times) = phases(&record);
        assert_eq!(names, ["starting", "running", "terminating", "killing", "stopped"]);
        assert!(times.is_sorted() && times[0] < 0.001 && times[4] <= ended.duration.as_secs_f64() * 1e3);
        let stop = &record["stop"];
        assert_eq!((&stop["cause"], &stop["signal"]), (&json!("signal"), &json!("TERM")));
        assert_eq!(stop["sender"], this_process());
        let deadline = ms(&stop["deadline_ms"]);
        assert!((deadline - ms(&stop["at_ms"]) - 400.0).abs() < 0.002, "the limit exactly: {stop}");
        assert!(times[3] >= deadline, "killed too early: {record:#}");
        assert_eq!(sent(&record), ["TERM ask workload ok", "KILL kill workload ok", "KILL kill w ok"]);
        assert_eq!(record["signals"][2]["target"]["pid"], worker);
        let mut killed = [json!({ "pid": main, "name": "workload" }), json!({ "pid": worker, "name": "w" })];
        killed.sort_by_key(|one| (one["pid"] != main, one["pid"].as_i64()));
        assert_eq!(record["killed"], json!(killed));
        assert_eq!(record["survivors"], json!([]));
        assert_eq!(record["exit"], json!({ "signal": "KILL" }));
        assert_eq!((&record["exit_status"], &record["outcome"]), (&json!(137), &json!("killed")));
    }
}

fn the_time_is_that_of_the_wall_clock() {
    let place = TempDir::new();
    let file = place.file("record");
    let before = SystemTime::now();
    Winddown::new().args(["--record", &file]).workload("--exit 0").run().expect_code(0);
    let after = SystemTime::now();
    let record = read_json(&file);
    let started = humantime::parse_rfc3339(record["started"].as_str().unwrap()).unwrap();
    // The time is cut to milliseconds.
    let since = |time: SystemTime| time.duration_since(before - Duration::from_millis(1));
    assert!(since(started).is_ok() && started <= after, "{started:?}");
    let (names, times) = phases(&record);
    assert_eq!(names, ["starting", "running", "stopped"]);
    assert!(started + Duration::from_secs_f64(times[2] / 1e3) <= after + Duration::from_millis(1));
}

fn a_stop_in_time_is_recorded() {
    for guard in VARIANTS {
        let place = TempDir::new();
        let file = place.file("record");
        let run = start(
            &[guard, &["-t", "20s"]].concat(),
            "--on TERM [ --sleep 300 --exit 4 ] --print up --serve",
            &file,
        );
        run.signal(libc::SIGTERM);
        run.wait().expect_code(4);
        let record = read_json(&file);
        let (names, times) = phases(&record);
        assert_eq!(names, ["starting", "running", "terminating", "stopped"]);
        assert!(times[3] - times[2] >= 290.0, "{record:#}");
        assert_eq!(sent(&record), ["TERM ask workload ok"]);
        assert_eq!((&record["killed"], &record["exit"]), (&json!([]), &json!({ "code": 4 })));
        assert_eq!((&record["exit_status"], &record["outcome"]), (&json!(4), &json!("stopped")));
    }
}

fn everybody_who_was_asked_is_recorded() {
    let place = TempDir::new();
    let file = place.file("record");
    let child = "--on TERM [ --sleep 100 --exit 0 ] --serve";
    let run = start(
        &["-s", "QUIT", "--to", "all"],
        "--spawn child c [ --on QUIT [ --exit 0 ] --serve ] --on QUIT [ --sleep 100 --exit 0 ] --print up --serve",
        &file,
    );
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
    assert_eq!(sent(&read_json(&file)), ["QUIT ask workload ok", "QUIT ask c ok"]);
    let run = start(
        &[],
        &format!("--spawn session s [ {child} ] --on TERM [ --exit 0 ] --print up --serve"),
        &file,
    );
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
    let record = read_json(&file);
    assert_eq!(sent(&record), ["TERM ask workload ok", "TERM ask s ok"]);
    let at = |index: usize| ms(&record["signals"][index]["at_ms"]);
    assert!(at(1) >= at(0) && at(0) >= ms(&record["stop"]["at_ms"]), "{record:#}");
}

fn forwarded_signals_are_recorded_as_sent() {
    let place = TempDir::new();
    let file = place.file("record");
    let flags = "--on USR1,HUP,RTMIN+2 [ ] --on WINCH [ --exit 0 ] --print up --serve";
    let run = start(&["--map", "USR2=USR1,ALRM="], flags, &file);
    for (signal, got) in [(libc::SIGUSR2, "got 10"), (libc::SIGALRM, ""), (libc::SIGHUP, "got 1 ")] {
        run.signal(signal);
        run.wait_out(got);
    }
    run.queue(libc::SIGRTMIN() + 2, 7);
    run.wait_out("value 7");
    run.signal(libc::SIGWINCH);
    run.wait().expect_code(0);
    let record = read_json(&file);
    let forwarded = ["USR1 forward", "HUP forward", "RTMIN+2 forward", "WINCH forward"];
    assert_eq!(sent(&record), forwarded.map(|one| format!("{one} workload ok")));
    assert_eq!((&record["stop"], &record["outcome"]), (&Value::Null, &json!("completed")));
}

/// Some of many processes may have gone between the scan and the signal.
fn each_of_many_is_recorded_with_its_result() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = start(
        &["-t", "300ms", "--to", "all"],
        "--ignore TERM --spawn child*30 c [ --ignore TERM --serve ] --print up --serve",
        &file,
    );
    run.signal(libc::SIGTERM);
    run.wait().expect_code(137);
    let record = read_json(&file);
    let results: Vec<&Value> =
        record["signals"].as_array().unwrap().iter().map(|one| &one["result"]).collect();
    assert!(results.iter().all(|one| **one == "ok" || **one == "ESRCH"), "{record:#}");
    assert_eq!(record["killed"].as_array().map(Vec::len), Some(31), "{record:#}");
}

fn a_remapped_exit_is_recorded_beside_the_real_one() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new().args(["--remap-exit", "143=0", "--record", &file]).workload("--die TERM");
    run.run().expect_code(0);
    let record = read_json(&file);
    assert_eq!((&record["exit"], &record["exit_status"]), (&json!({ "signal": "TERM" }), &json!(0)));
    assert_eq!(record["outcome"], "crashed");
}

fn log_and_record_agree() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = start(
        &["-v", "-t", "400ms", "--log-format", "json"],
        "--ignore TERM --spawn session s [ --ignore TERM --serve ] --print up --serve",
        &file,
    );
    run.signal(libc::SIGTERM);
    eventually("the stop is logged", || run.err().len() > 1);
    let ended = run.wait().expect_code(137);
    let record = read_json(&file);
    let lines: Vec<Value> = ended.err().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |event: &str| {
        lines.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("no {event}"))
    };
    let requested = line("stop-requested");
    for field in ["cause", "signal", "sender"] {
        assert_eq!(requested[field], record["stop"][field]);
    }
    assert_eq!(requested["elapsed_ms"], record["stop"]["at_ms"]);
    assert_eq!(requested["limit_origin"], record["limit"]["origin"]);
    assert_eq!(requested["kill_in_ms"], record["limit"]["ms"]);
    assert_eq!(line("started")["process"], record["main"]);
    let killing = line("killing");
    assert_eq!(killing["elapsed_ms"], record["phases"][3]["at_ms"]);
    let mut victims = killing["victims"].as_array().unwrap().clone();
    victims.sort_by_key(|one| (*one != record["main"], one["pid"].as_i64()));
    assert_eq!(json!(victims), record["killed"]);
    let last = line("ended");
    assert_eq!((&last["outcome"], &last["exit"]), (&record["outcome"], &record["exit"]));
    assert!(ms(&last["elapsed_ms"]) >= ms(&record["phases"][4]["at_ms"]));
}

/// Puts a placeholder in for each value that depends on the run or the machine.
fn without_values(record: &mut Value) {
    match record {
        Value::Array(list) => list.iter_mut().for_each(without_values),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "at_ms" | "deadline_ms" | "cpu_user_ms" | "cpu_system_ms" => *value = json!("[TIME]"),
                    "pid" | "uid" | "memory_peak_bytes" => *value = json!("[NUMBER]"),
                    "started" => *value = json!("[DATE]"),
                    "winddown" => *value = json!("[VERSION]"),
                    "sender" => *value = json!("[SENDER]"),
                    // They contain paths and times; and the slim build takes no snapshots.
                    "command" | "log" | "looks" if value.is_array() => *value = json!("[LIST]"),
                    _ => without_values(value),
                }
            }
        }
        _ => {}
    }
}

fn a_record_has_these_fields() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = start(&["-t", "20s"], "--on TERM [ --exit 3 ] --print up --serve", &file);
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3);
    let mut record = read_json(&file);
    without_values(&mut record);
    expect_page(&format!("{record:#}\n"), file!["snapshots/record/stopped.json"]);
}
