//! The checks that need runs of their own.

use snapbox::str;

use super::{check, check_in, distinguishes, expect, expect_verdicts, server};
use crate::support::{TempDir, trials};

trials![
    needs("python3") => in_flight,
    needs("python3") => stream,
    needs("python3") => connections_without_a_request,
    needs("python3") => backlog,
    needs("python3") => under_load,
    needs("python3") => double_term,
    needs("python3") => sigint_and_ctrl_c,
    needs("python3") => startup,
    needs("python3", "pid-namespace") => pid1,
    needs("python3") => restarts,
    what_a_run_has_left_is_put_away_for_the_next,
    what_is_not_certain_to_be_the_servers_stays,
    needs("python3") => a_deserted_socket_is_put_away,
    needs("python3") => kill_orphans,
    long needs("python3") => a_good_server_passes_the_profile,
    needs("python3") => without_what_they_need_they_are_skipped,
    needs("node") => node_close_does_not_end_a_silent_connection,
];

fn in_flight() {
    distinguishes("in-flight", "--slow /slow", &server("graceful"), &server("exits-at-once"));
    // Over before the signal: nothing was tested.
    let ended = check("--only in-flight --slow /quick", &server("good")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  in-flight    nothing was under way at the signal
INCONCLUSIVE 1 of 1 check
"#]],
    );
}

fn stream() {
    distinguishes("stream", "--stream /stream -t 2s", &server("ends-streams"), &server("graceful"));
    let ended = check("--only stream --stream /stream", &server("good")).expect_code(0);
    expect(&ended, "warn", "stream");
}

fn connections_without_a_request() {
    for id in ["idle-conn", "half-request", "silent-conn"] {
        distinguishes(id, "-t 2s", &server("good"), &server("graceful"));
    }
}

fn backlog() {
    expect(&check("--only backlog", &server("good")).expect_code(0), "ok", "backlog");
    expect(&check("--only backlog", &server("accepts")).expect_code(0), "warn", "backlog");
}

fn under_load() {
    let load = |command: &str| check(&format!("--only under-load --drive {command}"), &server("good"));
    expect(&load("sleep${IFS}1.5").expect_code(0), "ok", "under-load");
    expect(&load("sleep${IFS}1.5;false").expect_code(1), "FAIL", "under-load");
    expect(&load("true").expect_code(3), "???", "under-load");
}

fn double_term() {
    distinguishes("double-term", "--slow /slow", &server("graceful"), &server("second"));
}

fn sigint_and_ctrl_c() {
    distinguishes("sigint", "", &server("good"), &server("no-int"));
    distinguishes("ctrl-c", "", &server("good"), &server("aborts-int"));
}

fn startup() {
    distinguishes(
        "startup",
        "-t 1s",
        &server("good"),
        &["sh", "-c", "trap '' TERM; exec \"$@\"", "sh"]
            .map(str::to_owned)
            .into_iter()
            .chain(server("ignores"))
            .collect::<Vec<_>>(),
    );
}

fn pid1() {
    distinguishes("pid1", "-t 1s", &server("good"), &server("no-handler"));
    let ended = check("--only pid1 -t 1s", &server("no-handler")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL pid1         as PID 1 the server is still there after [TIME]
      it has no handler: the kernel drops the signal for such a PID 1
      try: install a handler, or run it under an init: ENTRYPOINT ["winddown", "--", ...]
FAIL 1 of 1 check
"#]],
    );
}

fn restarts() {
    distinguishes("kill-restart", "", &server("good"), &server("pid-file"));
    distinguishes("term-restart", "", &server("pid-file"), &server("once"));
    let ended = check("--only term-restart", &server("once")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL term-restart started again, the server exited with 1
      | server.pid is there: is it running already?
      try: on startup, remove what a dead server left behind (pid file, socket, lock), and bind with SO_REUSEADDR
FAIL 1 of 1 check
"#]],
    );
}

/// Does not start beside a pid file, and leaves one when it is killed.
const WITH_PID_FILE: &str = "test ! -e server.pid || exit 3; trap 'rm server.pid; exit' TERM; echo $$ > server.pid; \
                             echo precious > data.lock; echo up; while :; do sleep 0.02; done";

fn what_a_run_has_left_is_put_away_for_the_next() {
    let place = TempDir::new();
    let command = ["sh", "-c", WITH_PID_FILE].map(str::to_owned);
    let options = "--ready log:up --only stops,kill-restart,kill-orphans,term-restart";
    let ended = check_in(&place, options, &command).expect_code(1);
    let left =
        format!("  put away         {} (pid file), left by kill-restart, kill", place.file("server.pid"));
    let found: Vec<String> = ended.out().into_iter().filter(|line| line.contains("put away")).collect();
    assert_eq!(found, [left], "{}", ended.dump());
    expect(&ended, "FAIL", "kill-restart");
    expect(&ended, "ok", "term-restart");
    assert!(!place.path().join("server.pid").exists(), "{}", ended.dump());
    assert_eq!(std::fs::read_to_string(place.file("data.lock")).expect("it stays"), "precious\n");
}

/// A file that was there before, one of another process, and one that the user allows.
fn what_is_not_certain_to_be_the_servers_stays() {
    let place = TempDir::new();
    place.write("before.pid", "1\n");
    let script = "echo $$ > before.pid; echo 1 > other.pid; echo $$ > allowed.pid; echo $$ > server.pid; \
                  echo $$ > server.txt; echo up; exec sleep 60";
    let options = "--ready log:up --only stops --allow file:allowed.pid";
    let command = ["sh", "-c", script].map(str::to_owned);
    let ended = check_in(&place, options, &command).expect_code(0);
    for (name, stays) in [
        ("before.pid", true),
        ("other.pid", true),
        ("allowed.pid", true),
        ("server.txt", true),
        ("server.pid", false),
    ] {
        assert_eq!(place.path().join(name).exists(), stays, "{name}: {}", ended.dump());
    }
}

fn a_deserted_socket_is_put_away() {
    let place = TempDir::new();
    let ended = check_in(&place, "--only files,sigint --report json", &server("leaves-files")).expect_code(1);
    let report: serde_json::Value = serde_json::from_str(&ended.out()[0]).expect("a report");
    for run in report["runs"].as_array().expect("runs") {
        let kinds: Vec<_> =
            run["put_away"].as_array().expect("files").iter().map(|file| &file["kind"]).collect();
        assert_eq!(kinds, ["pid file", "socket"], "{report:#}");
    }
    assert_eq!(place.path().read_dir().expect("its directory").count(), 0);
}

fn kill_orphans() {
    distinguishes("kill-orphans", "", &server("good"), &server("leaves-child"));
}

fn a_good_server_passes_the_profile() {
    let options = "--profile standard --slow /slow --skip backlog,idle-conn,half-request,silent-conn";
    check(options, &server("graceful")).expect_code(0);
}

fn without_what_they_need_they_are_skipped() {
    let skipped = "in-flight,stream,under-load,abandoned";
    let others = "backlog,idle-conn,half-request,silent-conn,double-term,sigint,ctrl-c,startup,pid1,kill-restart,kill-orphans";
    let ended = check(&format!("--profile standard --skip {others}"), &server("good")).expect_code(0);
    skipped.split(',').for_each(|id| expect(&ended, "skip", id));
    // Unless they were named.
    for (id, option) in [
        ("in-flight", "--slow URL"),
        ("stream", "--stream URL"),
        ("under-load", "--drive COMMAND"),
        ("abandoned", "--slow URL"),
        ("abort", "--slow URL"),
    ] {
        let ended = check(&format!("--only {id}"), &server("good")).expect_code(125);
        assert_eq!(ended.err(), [format!("winddown: check: '--only {id}' needs {option}")]);
    }
}

/// A known truth: the textbook stop waits for a client that never sent a byte.
fn node_close_does_not_end_a_silent_connection() {
    let script = "const s = require('http').createServer((q, r) => r.end()).listen(0, '127.0.0.1'); \
                  process.on('SIGTERM', () => s.close())";
    let node = ["node", "-e", script].map(str::to_owned);
    let ended = check("--only stops,silent-conn,idle-conn -t 2s", &node).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
    expect(&ended, "ok", "idle-conn");
}
