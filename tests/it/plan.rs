//! `--stop`: the steps of a stop with real processes, each with its share of the limit.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::limits::milliseconds;
use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, processes, read_json, trials};
use crate::terminal::{expect_status, in_bash};

trials![
    the_plan_ends_with_the_tree,
    steps_come_in_their_order_and_keep_their_shares,
    what_is_left_belongs_to_the_last_step,
    the_step_without_a_share_takes_what_is_left,
    kill_as_the_last_step_does_not_wait_for_the_limit,
    each_step_reaches_whom_it_names,
    no_process_gets_a_signal_twice,
    a_main_process_that_ends_in_a_wait_has_its_stragglers_asked_with_term,
    a_main_process_that_ends_in_a_hook_leaves_the_hook_its_share,
    later_steps_reach_all_stragglers,
    a_main_process_that_ends_by_itself_begins_at_the_first_signal,
    when_everything_has_ended_the_plan_has,
    another_stop_signal_is_only_reported,
    needs("bash") => ctrl_c_twice_kills_in_every_step,
    needs("bash") => ctrl_c_counts_as_the_first_signal_step,
    a_run_limit_begins_the_plan_early_enough,
    without_time_there_is_no_plan,
    a_plan_without_a_limit_goes_through_its_steps,
    explain_plan_starts_nothing,
    log_and_record_name_the_steps,
    winddown_killed_in_a_wait_ends_everything,
    needs("root", "pid-namespace") => pid_1_goes_through_its_steps,
];

/// A run that is up and has been asked by TERM.
#[track_caller]
fn asked(winddown: Winddown, options: &[&str], flags: &str) -> (Running, Instant) {
    let run = winddown.args(options).workload(&format!("{flags} --print up --serve")).start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    (run, asked)
}

/// The signals sent for this purpose, with their targets, and how long after the stop request.
fn sent(record: &Value, purpose: &str) -> Vec<(String, Duration)> {
    let stop = milliseconds(&record["stop"]["at_ms"]);
    let all = record["signals"].as_array().expect("a list of signals").iter();
    let entry = |one: &Value| {
        let name = one["target"]["name"].as_str().unwrap_or("-");
        let signal = one["signal"].as_str().unwrap_or("-");
        (format!("{signal} {name}"), milliseconds(&one["at_ms"]).saturating_sub(stop))
    };
    all.filter(|one| one["purpose"] == purpose && one["result"] == "ok").map(entry).collect()
}

/// Expects these to be asked, in this order, each this many milliseconds after the request or a little later.
#[track_caller]
fn expect_asked(record: &Value, expected: &[(&str, u64)]) {
    let asked = sent(record, "ask");
    let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    let expected_names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected_names, "{record:#}");
    for ((name, at), (_, least)) in asked.iter().zip(expected) {
        let least = Duration::from_millis(*least);
        assert!(*at >= least && *at < least + Duration::from_secs(5), "{name} at {at:?}: {record:#}");
    }
}

/// The numbers of the steps that began.
fn steps(record: &Value) -> Vec<u64> {
    let steps = record["steps"].as_array().expect("a list of steps").iter();
    steps.map(|step| step["number"].as_u64().expect("a number")).collect()
}

#[track_caller]
fn pass(time: Duration, since: Instant) {
    eventually("the time is over", || since.elapsed() > time);
}

/// The running hook keeps its share, whether it ends early or not.
fn the_plan_ends_with_the_tree() {
    for hook in ["sleep 30", "sleep 0.4"] {
        let place = TempDir::new();
        let (record, later) = (place.file("record"), place.file("later"));
        let plan = format!("run '{hook}' 800ms, run 'touch {later}' 1s, TERM 1s, KILL");
        let options = ["-t", "20s", "--record", &record, "--stop", &plan];
        let (run, _) = asked(Winddown::new(), &options, "--on USR1 [ --exit 5 ]");
        run.wait_err("step 1 of 4");
        run.signal(libc::SIGUSR1);
        let ended = run.wait().expect_code(5).expect_nothing_left();
        assert!(!std::path::Path::new(&later).exists(), "{}", ended.dump());
        let record = read_json(&record);
        assert_eq!(steps(&record), [1], "{}", ended.dump());
        assert_eq!(record["outcome"], "stopped");
        let is_wrong = |line: &&String| line.contains("already asked") || line.contains("SIGKILL after");
        assert_eq!(ended.err().iter().filter(is_wrong).count(), 0, "{}", ended.dump());
    }
}

fn steps_come_in_their_order_and_keep_their_shares() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("record");
        let options = [
            "-t",
            "20s",
            "--record",
            &file,
            "--stop",
            "wait 200ms, USR1 300ms, run true 9s, TERM 200ms, QUIT",
        ];
        let (run, _) = asked(winddown, &options, "--on all [ ] --on QUIT [ --exit 4 ]");
        let ended = run.wait().expect_code(4).expect_nothing_left();
        let record = read_json(&file);
        expect_asked(&record, &[("USR1 workload", 200), ("TERM workload", 500), ("QUIT workload", 700)]);
        assert_eq!(steps(&record), [1, 2, 3, 4, 5]);
        assert_eq!(record["outcome"], "stopped");
        for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGQUIT] {
            assert_eq!(ended.count_out(&format!("got {signal} ")), 1, "{}", ended.dump());
        }
    });
}

fn what_is_left_belongs_to_the_last_step() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("record");
        let options = ["-t", "1s", "--record", &file, "--stop", "TERM 100ms, QUIT 100ms"];
        let (run, asked) = asked(winddown, &options, "--on TERM,QUIT [ ]");
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_secs(1));
        let record = read_json(&file);
        expect_asked(&record, &[("TERM workload", 0), ("QUIT workload", 100)]);
        assert!(sent(&record, "kill")[0].1 >= Duration::from_secs(1), "{record:#}");
    });
}

fn the_step_without_a_share_takes_what_is_left() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = ["-t", "1s", "--record", &file, "--stop", "wait, TERM 300ms"];
    let (run, asked) = asked(Winddown::new(), &options, "--on TERM [ ]");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, Duration::from_secs(1));
    expect_asked(&read_json(&file), &[("TERM workload", 700)]);
}

fn kill_as_the_last_step_does_not_wait_for_the_limit() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("record");
        let options = ["-t", "30s", "--record", &file, "--stop", "TERM 300ms, KILL"];
        let flags =
            "--say env:SHUTDOWN_LIMIT_MS --spawn daemon-session d [ --ignore TERM --serve ] --on TERM [ ]";
        let (run, asked) = asked(winddown, &options, flags);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_millis(300));
        let record = read_json(&file);
        let kills = sent(&record, "kill");
        assert!(
            kills.len() == 2 && kills.iter().all(|(_, at)| *at >= Duration::from_millis(300)),
            "{record:#}"
        );
        assert_eq!(record["outcome"], "killed");
        // The plan is the limit, wherever a limit is reported.
        assert_eq!(record["limit"], serde_json::json!({ "ms": 300.0, "origin": "--stop" }));
        assert_eq!(ended.fact("env:SHUTDOWN_LIMIT_MS"), "300");
    });
}

/// The main process has a child and a process in a session of its own.
const FAMILY: &str = "--spawn child w [ --on all [ ] --on QUIT [ --exit 0 ] --serve ] \
     --spawn session s [ --on all [ ] --on QUIT [ --exit 0 ] --serve ] \
     --on all [ ] --on QUIT [ --wait w --wait s --exit 5 ]";

fn each_step_reaches_whom_it_names() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = [
        "-t",
        "30s",
        "--record",
        &file,
        "--stop",
        "USR1 200ms main, USR2 200ms all, TERM 200ms, QUIT 5s all",
    ];
    let (run, _) = asked(Winddown::new(), &options, FAMILY);
    let ended = run.wait().expect_code(5).expect_nothing_left();
    for (name, signals) in [("", [1, 1, 1, 1]), ("w ", [0, 1, 0, 1]), ("s ", [0, 1, 0, 1])] {
        for (signal, count) in
            [libc::SIGUSR1, libc::SIGUSR2, libc::SIGTERM, libc::SIGQUIT].into_iter().zip(signals)
        {
            let line = format!("{name}got {signal} ");
            let found = ended.out().iter().filter(|one| one.starts_with(&line)).count();
            assert_eq!(found, count, "{line}\n{}", ended.dump());
        }
    }
}

fn no_process_gets_a_signal_twice() {
    for plan in [
        "TERM 300ms main, TERM 300ms all, QUIT all",
        "TERM 200ms all, TERM 200ms main, TERM 200ms all, QUIT all",
    ] {
        let options = ["-t", "30s", "--stop", plan];
        let (run, _) = asked(Winddown::new(), &options, FAMILY);
        let ended = run.wait().expect_code(5).expect_nothing_left();
        for name in ["got 15 ", "w got 15 ", "s got 15 "] {
            let found = ended.out().iter().filter(|one| one.starts_with(name)).count();
            assert_eq!(found, 1, "{plan}: {name}\n{}", ended.dump());
        }
    }
}

fn a_main_process_that_ends_in_a_wait_has_its_stragglers_asked_with_term() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = ["-t", "40s", "--record", &file, "--stop", "wait 20s, QUIT 5s"];
    let flags = "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --on USR1 [ --exit 3 ]";
    let (run, asked) = asked(Winddown::new(), &options, flags);
    run.wait_err("step 1 of 2: waiting");
    run.signal(libc::SIGUSR1);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(
        ended.since(asked) < Duration::from_secs(15),
        "the wait ends with the last process: {}",
        ended.dump()
    );
    let record = read_json(&file);
    expect_asked(&record, &[("TERM d", 0)]);
    assert_eq!((&record["outcome"], steps(&record)), (&json!("stopped"), vec![1]));
}

fn a_main_process_that_ends_in_a_hook_leaves_the_hook_its_share() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let [file, go] = ["record", "go"].map(|name| place.file(name));
        let plan =
            format!("run 'sh -c \"until [ -e {go} ]; do sleep 0.02; done; echo hook done\"' 20s, QUIT 5s");
        let options = ["-t", "40s", "--record", &file, "--stop", &plan];
        let flags = "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --on USR1 [ --exit 3 ]";
        let (mut run, _) = asked(winddown, &options, flags);
        run.wait_err("step 1 of 2: running");
        run.signal(libc::SIGUSR1);
        let straggler = run.number("d pid");
        eventually("the straggler has ended", || !processes::is_alive(straggler));
        assert!(run.is_running(), "the hook is under way");
        place.write("go", "");
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert!(ended.err().iter().any(|line| line == "hook done"), "{}", ended.dump());
        let record = read_json(&file);
        expect_asked(&record, &[("TERM d", 0)]);
        assert_eq!((&record["outcome"], steps(&record)), (&json!("stopped"), vec![1]), "{}", ended.dump());
    });
}

fn later_steps_reach_all_stragglers() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = ["-t", "40s", "--record", &file, "--stop", "TERM 500ms main, QUIT 10s main"];
    let flags = "--spawn daemon-session d [ --on TERM [ ] --spawn child c [ --on QUIT [ --exit 0 ] --serve ] \
         --on QUIT [ --wait c --exit 0 ] --serve ] --on TERM [ --exit 3 ]";
    let (run, _) = asked(Winddown::new(), &options, flags);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    let record = read_json(&file);
    let asked = sent(&record, "ask");
    let mut names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["TERM workload", "TERM d"], "{}", ended.dump());
    names[2..].sort_unstable();
    assert_eq!(names[2..], ["QUIT c", "QUIT d"], "{}", ended.dump());
    assert!(asked[2].1 >= Duration::from_millis(500), "{record:#}");
}

/// No client can be served any more: winddown doesn't wait, and runs no hook.
fn a_main_process_that_ends_by_itself_begins_at_the_first_signal() {
    let place = TempDir::new();
    let file = place.file("record");
    let flags = "--spawn daemon-session d [ --on QUIT [ ] --on TERM [ --exit 0 ] --serve ] --exit 3";
    let plan = "wait 20s, run 'echo never' 5s, QUIT 300ms, TERM 5s";
    let run = Winddown::new().args(["-t", "40s", "--record", &file, "--stop", plan]).workload(flags);
    let ended = run.run().expect_code(3).expect_nothing_left();
    let record = read_json(&file);
    expect_asked(&record, &[("QUIT d", 0), ("TERM d", 300)]);
    assert_eq!(steps(&record), [3, 4]);
    assert!(!ended.err().iter().any(|line| line == "never"), "{}", ended.dump());
}

fn when_everything_has_ended_the_plan_has() {
    guarded_or_not(|winddown| {
        let options = ["-t", "50s", "--stop", "TERM 20s, run 'echo never' 5s, QUIT 20s"];
        let (run, asked) = asked(winddown, &options, "--on TERM [ --exit 3 ]");
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
        assert!(!ended.err().iter().any(|line| line == "never"), "{}", ended.dump());
    });
}

fn another_stop_signal_is_only_reported() {
    for plan in ["wait 20s, TERM", "run 'sleep 20' 3s, TERM", "TERM 20s, QUIT"] {
        let options = ["-t", "40s", "--stop-on", "TERM,INT,HUP", "--stop", plan];
        let flags = "--on TERM,INT,HUP [ ] --on USR1 [ --print heard ] --on USR2 [ --exit 3 ]";
        let (run, _) = asked(Winddown::new(), &options, flags);
        run.wait_err("step 1 of 2");
        run.signal(libc::SIGHUP);
        run.signal(libc::SIGINT);
        let is_reported = |name: &str| {
            run.err().iter().any(|line| line.contains(name) && line.contains("while stopping: not passed on"))
        };
        eventually("both are logged", || is_reported("SIGHUP from") && is_reported("SIGINT from"));
        // Signals that are no stop requests are passed on as usual.
        run.signal(libc::SIGUSR1);
        run.wait_out("heard");
        run.signal(libc::SIGUSR2);
        let ended = run.wait();
        assert_eq!((ended.count_out("got 1 "), ended.count_out("got 2 ")), (0, 0), "{}", ended.dump());
    }
}

fn ctrl_c_twice_kills_in_every_step() {
    in_bash(|pty, winddown| {
        for plan in ["wait 20s, TERM", "run 'sleep 20' 15s, TERM", "TERM 20s, QUIT"] {
            pty.line(&format!(
                "{winddown} -t 40s --stop \"{plan}\" $WL --on INT [ --print heard ] --on TERM [ ] --print up --serve"
            ));
            pty.expect("\r\nup");
            let first = Instant::now();
            pty.keys("\x03");
            // The log doesn't wait for a terminal, so its line may be missing; the workload's is not.
            pty.expect("\r\nheard");
            pass(Duration::from_millis(600), Instant::now());
            pty.keys("\x03");
            pty.prompt();
            expect_status(pty, 137);
            assert!(first.elapsed() < Duration::from_secs(15), "{}", pty.screen());
        }
    });
}

fn ctrl_c_counts_as_the_first_signal_step() {
    in_bash(|pty, winddown| {
        pty.line(&format!(
            "{winddown} -t 40s --stop \"wait 200ms, TERM 400ms, QUIT\" \
             $WL --on INT [ ] --on TERM [ --print twice ] --on QUIT [ --exit 6 ] --print up --serve"
        ));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.expect("got 2 ");
        pty.expect("got 3 ");
        pty.prompt();
        expect_status(pty, 6);
        assert_eq!((pty.count("got 2 "), pty.count("twice")), (1, 1), "only as typed: {}", pty.screen());
    });
}

fn a_run_limit_begins_the_plan_early_enough() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = ["--run-limit", "2s", "-t", "1s", "--record", &file, "--stop", "wait 300ms, TERM"];
    let run = Winddown::new().args(options).workload("--on TERM [ --exit 3 ] --serve");
    let ended = run.run().expect_code(124).expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_millis(1300));
    let record = read_json(&file);
    assert_eq!((&record["stop"]["cause"], &record["outcome"]), (&json!("run-limit"), &json!("stopped")));
    expect_asked(&record, &[("TERM workload", 300)]);
    let run = Winddown::new().args(options).workload("--ignore TERM --serve");
    let ended = run.run().expect_code(137).expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_secs(2));
}

fn without_time_there_is_no_plan() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = ["-t", "0", "--record", &file, "--stop", "wait 20s, run 'echo never' 5s, TERM 5s"];
    let (run, asked) = asked(Winddown::new(), &options, "--on TERM [ ]");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
    assert!(!ended.err().iter().any(|line| line == "never"), "{}", ended.dump());
    let record = read_json(&file);
    assert_eq!((steps(&record), sent(&record, "ask").len()), (vec![], 0), "{record:#}");
}

fn a_plan_without_a_limit_goes_through_its_steps() {
    let place = TempDir::new();
    let file = place.file("record");
    let options = ["-t", "infinity", "--record", &file, "--stop", "wait 200ms, TERM 200ms, QUIT"];
    let (run, _) = asked(Winddown::new(), &options, "--on TERM [ ] --on QUIT [ --exit 3 ]");
    run.wait().expect_code(3).expect_nothing_left();
    expect_asked(&read_json(&file), &[("TERM workload", 200), ("QUIT workload", 400)]);
}

fn explain_plan_starts_nothing() {
    let place = TempDir::new();
    let file = place.file("started");
    for command in [&["touch", &file][..], &["no-such-command-here"], &[]] {
        let post_stop = format!("touch {file}");
        let options = ["--explain-plan", "--stop", "wait 5s, TERM", "--post-stop", &post_stop];
        let ended = Winddown::new().args(options).command(command).run().expect_code(0);
        assert!(ended.err().is_empty(), "{}", ended.dump());
        assert_eq!(
            ended.out()[..2],
            ["a stop begins on SIGINT, SIGTERM (default)", "time limit 10s (default)"]
        );
        assert_eq!(
            ended.out().last().map(String::as_str),
            Some("worst case: 20s (time limit 10s + kill wait 5s + post-stop 5s)")
        );
    }
    assert!(!std::path::Path::new(&file).exists());
    Winddown::new().args(["--explain-plan", "--stop", "wait 11s, TERM"]).run().expect_code(125);
}

fn log_and_record_name_the_steps() {
    let place = TempDir::new();
    let file = place.file("record");
    let plan = "wait 100ms, run 'sh -c \"exit 3\"' 5s, USR1 100ms all, TERM 100ms, QUIT";
    let options = ["-t", "20s", "--log-format", "json", "--record", &file, "--stop", plan];
    let (run, _) = asked(Winddown::new(), &options, "--on USR1,TERM [ ] --on QUIT [ --exit 4 ]");
    let ended = run.wait().expect_code(4);
    let lines: Vec<Value> =
        ended.err().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let found: Vec<&Value> = lines.iter().filter(|line| line["event"] == "step").collect();
    let hook = "sh -c \"exit 3\"";
    let expected = [
        ("wait", Value::Null, Value::Null, Value::Null, json!(100.0)),
        ("run", Value::Null, Value::Null, json!(hook), json!(5000.0)),
        ("signal", json!("USR1"), json!("all"), Value::Null, json!(100.0)),
        ("signal", json!("TERM"), json!("main"), Value::Null, json!(100.0)),
        ("signal", json!("QUIT"), json!("main"), Value::Null, Value::Null),
    ];
    let record = read_json(&file);
    let recorded = record["steps"].as_array().expect("a list");
    assert_eq!((found.len(), recorded.len()), (5, 5), "{}\n{record:#}", ended.dump());
    for (index, (action, signal, to, hook, share)) in expected.into_iter().enumerate() {
        for step in [found[index], &recorded[index]] {
            assert_eq!(step["number"], index + 1, "{step}");
            let fields = ["action", "signal", "to", "hook", "share_ms"].map(|name| step[name].clone());
            assert_eq!(
                fields,
                [json!(action), signal.clone(), to.clone(), hook.clone(), share.clone()],
                "{step}"
            );
        }
        assert_eq!(found[index]["count"], 5);
        assert!(recorded[index]["at_ms"].as_f64() <= found[index]["elapsed_ms"].as_f64());
    }
    let ended_hook =
        lines.iter().find(|line| line["event"] == "hook-ended").expect("the hook's end is logged");
    assert_eq!((&ended_hook["hook"], &ended_hook["exit"]), (&json!(hook), &json!({ "code": 3 })));
    assert_eq!(record["hooks"][0]["hook"], hook);
    assert_eq!(
        (&record["hooks"][0]["result"], &record["hooks"][0]["exit"]),
        (&json!("ended"), &json!({ "code": 3 }))
    );
}

fn winddown_killed_in_a_wait_ends_everything() {
    for outer in [true, false] {
        let options = ["-t", "40s", "--stop", "wait 20s, TERM"];
        let (run, _) =
            asked(Winddown::new(), &options, "--spawn session s [ --ignore TERM --serve ] --on TERM [ ]");
        run.wait_err("step 1 of 2");
        let victim = if outer { run.pid() } else { processes::children(run.pid())[0].pid };
        let killed = run.tag().signal(victim, libc::SIGKILL);
        let gone = holds_within(Duration::from_secs(6), || run.tag().living().is_empty());
        assert!(gone, "{outer}: {:#?}", run.tag().living());
        assert!(killed.elapsed() >= Duration::from_millis(500), "it has its half second");
    }
}

fn pid_1_goes_through_its_steps() {
    let place = TempDir::new();
    let file = place.file("record");
    let plan = "wait 200ms, run 'sh -c \"sleep 0.2; setsid sleep 50 & exit 0\"' 5s, USR1 200ms, TERM";
    let options = ["-t", "30s", "--record", &file, "--stop", plan];
    let (run, _) = asked(Winddown::new().pid_1(), &options, "--on USR1 [ ] --on TERM [ --exit 3 ]");
    run.wait().expect_code(3).expect_nothing_left();
    let record = read_json(&file);
    expect_asked(&record, &[("USR1 workload", 400), ("TERM workload", 600)]);
    assert_eq!((&record["killed"], &record["outcome"]), (&json!([]), &json!("stopped")), "{record:#}");
}
