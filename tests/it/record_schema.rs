//! Records of all kinds of runs match `docs/record.schema.json`, which accepts nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::OnceLock;
use std::time::Duration;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::job_control::program;
use crate::support::builder::{Winddown, winddown_path, workload_path};
use crate::support::json_schema::{self, read_schema};
use crate::support::{TempDir, eventually, holds_within, processes, read_json, trials};
use crate::terminal::{expect_status, in_bash};

trials![
    the_schema_lets_nothing_else_pass,
    runs_that_end_by_themselves,
    runs_that_are_not_started,
    runs_that_are_asked_by_a_signal,
    runs_that_have_to_be_killed,
    runs_with_stragglers,
    runs_that_reach_their_run_limit,
    runs_with_a_plan_and_hooks,
    forwarded_signals_and_stopped_processes,
    limits_without_end_and_from_elsewhere,
    requests_for_more_time,
    a_terminal_that_hangs_up,
    needs("bash") => a_key_of_the_terminal,
    a_winddown_that_is_killed,
    names_of_any_bytes,
    needs("root", "pid-namespace") => a_sender_outside_the_container,
    needs("root", "setpriv") => a_process_that_may_not_be_killed,
];

fn schema() -> Value {
    read_schema("record.schema.json")
}

/// What does not match the schema.
pub(crate) fn errors(record: &Value) -> Vec<String> {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| jsonschema::validator_for(&schema()).expect("a schema"));
    json_schema::errors(validator, record)
}

/// Panics, with the errors, unless the record matches the schema.
#[track_caller]
pub(crate) fn check(record: &Value) {
    let wrong = errors(record);
    assert!(wrong.is_empty(), "{wrong:#?}\n{record:#}");
    let times: Vec<f64> = record["phases"].as_array().unwrap().iter().map(at).collect();
    assert!(times.is_sorted(), "phases move forward only:\n{record:#}");
    let times: Vec<f64> = record["signals"].as_array().unwrap().iter().map(at).collect();
    assert!(times.is_sorted(), "signals are in order:\n{record:#}");
}

fn at(entry: &Value) -> f64 {
    entry["at_ms"].as_f64().expect("a time")
}

/// The record of a run with these options and this workload, to which the test does something meanwhile.
#[track_caller]
fn record_of(options: &[&str], flags: &str, during: impl FnOnce(&crate::support::running::Running)) -> Value {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new().args(["--record", &file]).args(options).workload(flags).start();
    during(&run);
    let ended = run.wait();
    let record = read_json(&file);
    check(&record);
    let status = ended.code().or(ended.signal().map(|signal| signal + 128));
    assert_eq!(record["exit_status"], json!(status), "{}\n{record:#}", ended.dump());
    record
}

/// The same, asked by these signals once it is up.
#[track_caller]
fn asked(options: &[&str], flags: &str, signals: &[i32]) -> Value {
    record_of(options, &format!("{flags} --print up --serve"), |run| {
        run.wait_out("up");
        for &signal in signals {
            run.signal(signal);
        }
    })
}

/// The same, for a run that ends by itself.
#[track_caller]
fn alone(options: &[&str], flags: &str) -> Value {
    record_of(options, flags, |_| {})
}

/// The parts that only some builds record.
fn of_looks(record: &Value) -> impl Iterator<Item = &'static str> {
    const PLACES: [&str; 4] =
        ["/looks/1", "/looks/1/processes/0", "/looks/1/processes/0/threads/0", "/findings/0"];
    PLACES.into_iter().filter(|place| record.pointer(place).is_some())
}

/// A record that lacks a property, or has an extra one, or a wrong value, is not valid.
fn the_schema_lets_nothing_else_pass() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(jsonschema::meta::is_valid(&schema()));
    let plan = ["-t", "2s", "--stop", "run true 1s, TERM 100ms, KILL"];
    let whole = asked(&plan, "--ignore TERM", &[libc::SIGTERM]);
    assert!(validator.is_valid(&whole));
    for pointer in [
        "",
        "/limit",
        "/main",
        "/phases/0",
        "/stop",
        "/stop/sender",
        "/steps/0",
        "/hooks/0",
        "/signals/0",
        "/killed/0",
        "/exit",
        "/received/0",
        "/left_out",
        "/ends/0",
        "/resources",
        "/log/0",
    ]
    .into_iter()
    .chain(of_looks(&whole))
    {
        let names: Vec<String> =
            whole.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut record = whole.clone();
            record.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(&name);
            assert!(!validator.is_valid(&record), "{pointer}/{name} may be left out");
        }
        let mut record = whole.clone();
        record.pointer_mut(pointer).unwrap()["more"] = json!(1);
        assert!(!validator.is_valid(&record), "{pointer} may have more");
    }
    for (pointer, value) in [
        ("/outcome", json!("stopped")),
        ("/outcome", json!("fine")),
        ("/exit_status", json!(256)),
        ("/stop/cause", json!("run-limit")),
        ("/steps/0/hook", Value::Null),
        ("/steps/0/to", json!("main")),
        ("/steps/1/to", Value::Null),
        ("/steps/1/share_ms", json!(0)),
        ("/hooks/0/exit", Value::Null),
        ("/hooks/0/result", json!("overran")),
        ("/signals/0/signal", json!("SIGTERM")),
        ("/signals/0/result", json!("not permitted")),
        ("/phases/0/at_ms", json!(-1)),
        ("/limit/origin", json!("somewhere")),
        ("/main/pid", json!(0)),
        ("/killed", json!([])),
    ] {
        let mut record = whole.clone();
        *record.pointer_mut(pointer).unwrap() = value.clone();
        assert!(!validator.is_valid(&record), "{pointer} may be {value}");
    }
}

fn requests_for_more_time() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new()
        .args(["--notify", "--extend-max", "3s", "-t", "5s", "--record", &file])
        .workload("--on TERM [ --tell EXTEND_TIMEOUT_USEC=7000000 --tell EXTEND_TIMEOUT_USEC=50000000 --tell EXTEND_TIMEOUT_USEC=60000000 --barrier --exit 0 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
    let record = read_json(&file);
    check(&record);
    let asked: Vec<_> = record["extensions"].as_array().unwrap().iter().map(|one| &one["granted"]).collect();
    // The second extension is granted as far as the maximum allows.
    assert_eq!(asked, [true, true, false], "{record:#}");
    assert_eq!(record["extensions"][0]["process"], record["main"], "{record:#}");
    assert!(record["extensions"][0]["time_ms"].as_f64().unwrap() > 1000.0, "{record:#}");
    assert_eq!(record["extensions"][2]["time_ms"], 60_000.0, "{record:#}");
    let mut wrong = record.clone();
    wrong["extensions"][0].as_object_mut().unwrap().remove("granted");
    assert!(!errors(&wrong).is_empty());
}

fn runs_that_end_by_themselves() {
    for guard in [&[][..], &["--no-guard"]] {
        let record = alone(guard, "--exit 0");
        assert_eq!((&record["outcome"], &record["stop"]), (&json!("completed"), &Value::Null));
        assert_eq!(alone(guard, "--exit 3")["exit"], json!({ "code": 3 }));
        assert_eq!(alone(guard, "--die SEGV")["exit"], json!({ "signal": "SEGV" }));
        assert_eq!(alone(guard, "--die RTMIN+3")["exit"], json!({ "signal": "RTMIN+3" }));
    }
}

fn runs_that_are_not_started() {
    let place = TempDir::new();
    let file = place.file("record");
    let plain = place.write("plain", "text");
    for (command, status) in [("no-such-command-here", 127), (plain.as_str(), 126)] {
        for guard in [&[][..], &["--no-guard"]] {
            let run = Winddown::new().args(["--record", &file]).args(guard).command([command]);
            run.run().expect_code(status);
            let record = read_json(&file);
            check(&record);
            assert_eq!(record["outcome"], "not-started");
            assert_eq!(record["command"], json!([command]));
        }
    }
}

fn runs_that_are_asked_by_a_signal() {
    let record = asked(&[], "", &[libc::SIGTERM]);
    assert_eq!(record["outcome"], "stopped");
    assert_eq!(record["stop"]["cause"], "signal");
    asked(&["-s", "RTMIN+5"], "--on RTMIN+5 [ --exit 0 ]", &[libc::SIGINT]);
    asked(&["--to", "all"], "--spawn session*3 s [ --serve ]", &[libc::SIGTERM]);
    asked(&[], "--on INT,TERM [ --sleep 100 --exit 1 ]", &[libc::SIGTERM, libc::SIGTERM, libc::SIGINT]);
}

fn runs_that_have_to_be_killed() {
    let worker = "--spawn child*2 w [ --ignore TERM --serve ]";
    let record = asked(&["-t", "200ms"], &format!("--ignore TERM {worker}"), &[libc::SIGTERM]);
    assert_eq!(record["outcome"], "killed");
    assert_eq!(record["killed"].as_array().map(Vec::len), Some(3), "{record:#}");
    let record = asked(&["-t", "0"], worker, &[libc::SIGTERM]);
    assert_eq!(record["outcome"], "killed");
    let record = asked(&["-t", "200ms", "--no-guard"], worker, &[libc::SIGTERM]);
    assert_eq!((&record["outcome"], &record["exit"]), (&json!("killed"), &json!({ "signal": "TERM" })));
}

fn runs_with_stragglers() {
    let record = alone(&[], "--spawn session*2 s [ --serve ] --exit 3");
    assert_eq!(record["stop"]["cause"], "main-exited");
    assert_eq!(record["outcome"], "failed");
    let record = alone(&["-t", "200ms"], "--spawn session s [ --ignore TERM --serve ] --exit 0");
    assert_eq!((&record["outcome"], &record["exit_status"]), (&json!("killed"), &json!(0)));
    let record = alone(&["--leave-stragglers"], "--spawn session s [ --serve ] --exit 0");
    assert_eq!((&record["outcome"], &record["stop"]), (&json!("completed"), &Value::Null));
}

fn runs_that_reach_their_run_limit() {
    let record = alone(&["--run-limit", "300ms"], "--serve");
    assert_eq!((&record["outcome"], &record["stop"]["cause"]), (&json!("stopped"), &json!("run-limit")));
    let record = alone(&["--stop-after", "300ms"], "--serve");
    assert_eq!((&record["outcome"], &record["stop"]["cause"]), (&json!("stopped"), &json!("stop-after")));
    let record = alone(&["--run-limit", "1s", "-t", "300ms"], "--ignore TERM --serve");
    assert_eq!((&record["outcome"], &record["stop"]["cause"]), (&json!("killed"), &json!("run-limit")));
}

fn runs_with_a_plan_and_hooks() {
    let plan = "wait 50ms, run 'sleep 9' 50ms, run no-such-command-here, TERM";
    let record = asked(&["--stop", plan, "--post-stop", "false"], "", &[libc::SIGTERM]);
    let results: Vec<_> = record["hooks"].as_array().unwrap().iter().map(|hook| &hook["result"]).collect();
    assert_eq!(results, ["overran", "ended", "ended"], "{record:#}");
    assert_eq!(record["hooks"][1]["exit"], json!({ "code": 127 }));
    assert_eq!(record["steps"].as_array().map(Vec::len), Some(4), "{record:#}");
    let record = asked(&["-t", "3s", "--stop", "QUIT 50ms all, KILL"], "--on QUIT [ ]", &[libc::SIGTERM]);
    assert_eq!(record["outcome"], "killed");
    let record = asked(&["--stop-delay", "50ms"], "", &[libc::SIGTERM]);
    assert_eq!(record["steps"][1]["signal"], Value::Null, "the one received");
}

fn forwarded_signals_and_stopped_processes() {
    let flags = "--on USR1,RTMIN+1 [ ] --on TERM [ --exit 0 ] --print up --stop --serve";
    let record = record_of(&["--map", "USR2=USR1"], flags, |run| {
        run.wait_out("up");
        let inner = processes::inner(run.pid()).expect("the second process");
        let main = processes::children(inner)[0].pid;
        eventually("the main process is stopped", || processes::state(main) == Some('T'));
        let real_time = libc::SIGRTMIN() + 1;
        // One by one: of those that wait for winddown the kernel hands out the smallest number first.
        for (signal, passed_on) in [(libc::SIGUSR2, libc::SIGUSR1), (real_time, real_time)] {
            run.signal(signal);
            eventually("it is passed on", || processes::has_pending(main, passed_on));
        }
        run.signal(libc::SIGTERM);
    });
    let signals = record["signals"].as_array().unwrap();
    let has = |signal: &str, purpose: &str| {
        signals
            .iter()
            .any(|sent| sent["signal"] == signal && sent["purpose"] == purpose && sent["result"] == "ok")
    };
    assert!(has("USR1", "forward") && has("RTMIN+1", "forward"), "{record:#}");
    assert!(has("TERM", "ask") && has("CONT", "continue"), "{record:#}");
}

fn limits_without_end_and_from_elsewhere() {
    let record = asked(&["-t", "infinity"], "", &[libc::SIGTERM]);
    assert_eq!((&record["limit"]["ms"], &record["stop"]["deadline_ms"]), (&Value::Null, &Value::Null));
    asked(&["-t", "365250d"], "", &[libc::SIGTERM]);
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new().env("WINDDOWN_RECORD", &file).env("WINDDOWN_TIME_LIMIT", "1.5");
    run.workload("--exit 0").run().expect_code(0);
    let record = read_json(&file);
    check(&record);
    assert_eq!(record["limit"], json!({ "ms": 1500.0, "origin": "WINDDOWN_TIME_LIMIT" }));
}

fn a_terminal_that_hangs_up() {
    let place = TempDir::new();
    let file = place.file("record");
    let mut pty = program([format!("--record={file}").as_str()], "--print up --serve");
    pty.expect("up");
    pty.hang_up();
    pty.wait();
    let record = read_json(file);
    check(&record);
    assert_eq!(record["stop"]["cause"], "hangup");
}

fn a_key_of_the_terminal() {
    in_bash(|pty, winddown| {
        let place = TempDir::new();
        let file = place.file("record");
        pty.line(&format!(
            "{winddown} --record {file} $WL --on INT [ --sleep 200 --die INT ] --print up --serve"
        ));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.prompt();
        expect_status(pty, 130);
        let record = read_json(file);
        check(&record);
        assert_eq!(record["stop"]["sender"], json!({ "kind": "kernel" }));
        assert_eq!(record["signals"], json!([]), "the terminal sent it, and winddown did not");
    });
}

/// The process that is left finishes the job and writes the record.
fn a_winddown_that_is_killed() {
    for inner in [false, true] {
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new()
            .args(["-v", "--record", &file])
            .workload("--spawn session s [ --on TERM [ ] --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        run.wait_err("started");
        let victim = if inner { processes::children(run.pid())[0].pid } else { run.pid() };
        run.tag().signal(victim, libc::SIGKILL);
        let ended = run.wait().expect_nothing_left();
        assert!(
            holds_within(Duration::from_secs(5), || fs::exists(&file).unwrap()),
            "{inner}: {}",
            ended.dump()
        );
        let record = read_json(&file);
        check(&record);
        assert_eq!(record["stop"]["cause"], "winddown-killed", "{record:#}");
    }
}

fn names_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = TempDir::new();
    let file = place.file("record");
    let program = place.path().join(std::ffi::OsStr::from_bytes(b"a \"b\"\n\xff)"));
    fs::rename(place.install("program", workload_path()), &program).unwrap();
    let words =
        [program.as_os_str(), std::ffi::OsStr::from_bytes(b"--serve"), std::ffi::OsStr::from_bytes(b"--")];
    let run = Winddown::new()
        .args(["--record", &file, "-v"])
        .command(words)
        .more([std::ffi::OsStr::from_bytes(b"\xfe")])
        .start();
    run.wait_err("started");
    run.signal(libc::SIGTERM);
    let ended = run.wait();
    let record = read_json(&file);
    check(&record);
    assert!(record["main"]["name"].as_str().unwrap().starts_with("a \"b\"\n"), "{record:#}");
    assert_eq!(ended.err().len(), 4, "each line is one line: {}", ended.dump());
}

fn a_sender_outside_the_container() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new().pid_1().args(["--record", &file]).workload("--print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait();
    let record = read_json(&file);
    check(&record);
    assert_eq!(record["stop"]["sender"]["pid"], 0);
    assert_eq!(record["main"]["pid"], 2);
}

/// winddown without privileges, and a worker that has become root again by its set-user-id program.
fn a_process_that_may_not_be_killed() {
    const NOBODY: &str = "65534";
    let place = TempDir::new();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let file = place.file("record");
    let winddown = place.install("winddown", winddown_path());
    let [plain, rooted] = ["plain", "rooted"].map(|name| place.install(name, workload_path()));
    fs::set_permissions(&rooted, fs::Permissions::from_mode(0o4755)).unwrap();
    let run = Winddown::new()
        .prefix(["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .binary(&winddown)
        .args(["-t", "200ms", "--kill-wait", "200ms", "--record", &file])
        .command([plain.as_str()])
        .more(
            format!(
                "--spawn session r [ --exec [ {rooted} --setuid 0 --print up --serve ] ] --print on --serve"
            )
            .split(' '),
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(125);
    let record = read_json(&file);
    check(&record);
    assert_eq!(record["outcome"], "stuck", "{}", ended.dump());
    assert_eq!(record["survivors"][0]["name"], "rooted", "{record:#}");
    let refused = record["signals"].as_array().unwrap().iter().filter(|sent| sent["result"] == "EPERM");
    assert!(refused.count() >= 1, "{record:#}");
    let left = ended.tag().living();
    assert_eq!(left.len(), 1, "{left:?}");
    ended.tag().signal(left[0].pid, libc::SIGKILL);
}
