//! The checks that a single stop can decide.

use snapbox::str;

use super::{check, distinguishes, expect, expect_verdicts, server};
use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::{TempDir, eventually, trials};

trials![
    needs("python3") => a_good_server_passes_everything,
    needs("python3") => ready,
    needs("python3") => handler,
    needs("python3") => stops,
    needs("python3") => a_stop_within_the_limit_may_be_too_long,
    needs("python3") => margin,
    needs("python3") => exit_status,
    needs("python3") => survivors,
    needs("python3") => ports,
    needs("python3") => files,
    needs("python3") => output,
    needs("python3") => a_panic_is_found_in_all_of_the_output,
    // A file that appears in /dev/shm during another check may be its server's.
    alone needs("python3") => shared_memory_that_is_left_is_found,
    alone needs("python3") => shared_memory_that_may_be_of_others_is_reported_as_such,
    needs("python3") => zombies,
    needs("python3") => shell_wrap,
    needs("python3") => a_shell_of_busybox_is_a_shell,
    needs("python3") => refuse_new,
    needs("python3") => what_is_allowed_may_be_left,
    needs("python3") => severities_are_the_users,
    what_listens_nowhere_is_skipped,
    needs("python3") => where_nothing_was_tested_nothing_is_said,
];

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn a_good_server_passes_everything() {
    let ended = check("--strict", &server("good")).expect_code(0);
    expect_verdicts(
        &ended,
        str![[r#"
  ok  ready, handler, stops, margin, exit-status, survivors, ports, files, output, zombies, shell-wrap, refuse-new
PASS 12 checks
"#]],
    );
    assert!(ended.out().iter().any(|line| line.contains(".|TERM|")), "{}", ended.dump());
}

fn ready() {
    distinguishes("ready", "--ready-timeout 20s", &server("good"), &sh("echo starting; exit 3"));
    let ended = check("--ready-timeout 300ms", &sh("sleep 60 & wait")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  ready        not ready after [TIME]: the server is alive and listens nowhere; missing: a socket that accepts, or READY=1
      try: say what makes it ready (--ready), or give it more time (--ready-timeout)
  ???  handler, stops, margin, exit-status, survivors, ports, files, output, zombies, shell-wrap, refuse-new: the server was not ready, so there was nothing to stop
INCONCLUSIVE 12 of 12 checks
"#]],
    );
}

fn handler() {
    distinguishes("handler", "-t 1s", &server("good"), &server("ignores"));
    distinguishes("handler", "-t 1s", &server("good"), &server("blocks"));
    expect(&check("--only handler", &server("no-handler")).expect_code(0), "warn", "handler");
}

fn stops() {
    distinguishes("stops", "-t 2s", &server("good"), &server("ignores"));
    let ended = check("--only stops -t 1s", &server("ignores")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL stops        still there after [TIME], killed (frozen): python3 (pid [PID])
      W04 ignored: python3 (pid [PID]) ignores SIGTERM
      try: install a handler, ask with another signal (--stop-signal), or start it with the signal not ignored
FAIL 1 of 1 check
"#]],
    );
}

fn a_stop_within_the_limit_may_be_too_long() {
    distinguishes("stops", "--within 1s", &server("good"), &server("slow 1.5"));
}

fn margin() {
    distinguishes("margin", "-t 2s", &server("good"), &server("slow 1.85"));
    expect(&check("--only margin -t 4s", &server("slow 2.4")).expect_code(0), "warn", "margin");
}

fn exit_status() {
    distinguishes("exit-status", "", &server("good"), &server("exits 3"));
    distinguishes("exit-status", "--expect-exit 3", &server("exits 3"), &server("good"));
    distinguishes("exit-status", "--expect-exit 3", &server("exits 3"), &server("aborts"));
}

fn survivors() {
    distinguishes("survivors", "", &server("good"), &server("leaves-child"));
    // The shell dies, and the server behind it never gets the signal.
    let wrapped = sh(&format!("{}; true", server("good").join(" ")));
    distinguishes("survivors", "", &server("good"), &wrapped);
}

fn ports() {
    distinguishes("ports", "-t 2s", &server("good"), &server("leaves-port"));
}

fn files() {
    distinguishes("files", "", &server("good"), &server("leaves-files"));
    let ended = check("--only files", &server("leaves-files")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL files        left behind: [DIR]/server.pid (pid file), [DIR]/server.sock (socket)
      try: remove these files before the server exits
FAIL 1 of 1 check
"#]],
    );
}

fn output() {
    distinguishes("output", "", &server("good"), &server("traceback"));
    distinguishes("output", "-t 2s", &server("good"), &server("leaves-output"));
}

/// However much output follows it, or shares its line.
fn a_panic_is_found_in_all_of_the_output() {
    let ended = check("--only output", &server("panics-and-logs")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL output       the server printed a panic or a crash after the signal
      | thread 'main' panicked at src/main.rs:4711
      try: stop the work first, then close what it needs; the first of these lines says where it failed
FAIL 1 of 1 check
"#]],
    );
    let ended = check("--only output", &server("panics-in-a-long-line")).expect_code(1);
    assert_eq!(
        ended.count_out("the server printed a panic or a crash after the signal"),
        1,
        "{}",
        ended.dump()
    );
    // So is the text that means "ready".
    let script = format!("echo here; yes | head -c 1000000; exec {}", server("good").join(" "));
    check("--only ready --ready log:^here$", &sh(&script)).expect_code(0);
}

/// Both where it is mapped at the signal, with no descriptor left, and where it is made only during the stop.
fn shared_memory_that_is_left_is_found() {
    for mode in ["leaves-memory", "leaves-memory-late"] {
        let file = format!("/dev/shm/winddown-test-{}-{mode}", std::process::id());
        let ended = check("--only files", &server(&format!("{mode} {file}")));
        std::fs::remove_file(&file).expect("the file is left");
        let ended = ended.expect_code(0);
        expect(&ended, "warn", "files");
        assert!(ended.dump().contains(&format!("{file} (shared memory)")), "{}", ended.dump());
    }
    // A file that another process makes meanwhile, and holds, is not the server's.
    let file = format!("/dev/shm/winddown-test-{}", std::process::id());
    let script = format!("python3 -c 'import time; file = open(\"{file}\", \"w\"); time.sleep(60)'");
    let other = Winddown::bare().command(sh(&script)).start();
    eventually("the file is there", || std::path::Path::new(&file).exists());
    let ended = check("--only files", &server("good")).expect_code(0);
    other.signal(libc::SIGKILL);
    std::fs::remove_file(&file).expect("the file");
    expect(&ended, "ok", "files");
    other.wait();
}

/// A file that another process makes meanwhile, and leaves, can't be told from one that the server had briefly.
fn shared_memory_that_may_be_of_others_is_reported_as_such() {
    let (place, file) = (TempDir::new(), format!("/dev/shm/winddown-test-{}-other", std::process::id()));
    let (go, made) = (place.file("go"), place.file("made"));
    let makes = format!("until [ -e {go} ]; do sleep 0.01; done; : > {file}; : > {made}");
    let other = Winddown::bare().command(sh(&makes)).start();
    let waits =
        format!(": > {go}; until [ -e {made} ]; do sleep 0.01; done; exec {}", server("good").join(" "));
    let ended = check("--only files", &sh(&waits));
    other.wait();
    std::fs::remove_file(&file).expect("the file");
    let ended = ended.expect_code(0);
    expect(&ended, "warn", "files");
    let expected = format!("{file} (shared memory, by the server or by another program)");
    assert!(ended.dump().contains(&expected), "{}", ended.dump());
}

fn zombies() {
    expect(&check("--only zombies", &server("good")).expect_code(0), "ok", "zombies");
    expect(&check("--only zombies", &server("zombies")).expect_code(0), "warn", "zombies");
    expect(&check("--only zombies", &server("more-zombies")).expect_code(1), "FAIL", "zombies");
}

fn shell_wrap() {
    let plain = server("good").join(" ");
    expect(&check("--only shell-wrap", &sh(&format!("exec {plain}"))).expect_code(0), "ok", "shell-wrap");
    expect(&check("--only shell-wrap", &sh(&format!("{plain}; true"))).expect_code(0), "warn", "shell-wrap");
    // A shell that stops its child itself is not in the way.
    let passed_on = sh(&format!("trap 'kill $!; wait; exit 0' TERM; {plain} & wait"));
    expect(&check("--only shell-wrap", &passed_on).expect_code(0), "ok", "shell-wrap");
    let loops = sh("trap 'exit 0' TERM; echo up; while :; do sleep 0.5; done");
    expect(&check("--only shell-wrap --ready log:up", &loops).expect_code(0), "ok", "shell-wrap");
}

/// Alpine's shell is the same program as many other commands.
fn a_shell_of_busybox_is_a_shell() {
    let place = TempDir::new();
    let busybox = place.install("busybox", std::path::Path::new("/bin/sh"));
    let shell = place.file("ash");
    std::os::unix::fs::symlink(&busybox, &shell).expect("a link");
    for shell in [busybox, shell] {
        let script = format!("{}; true", server("good").join(" "));
        let ended = check("--only shell-wrap", &[shell, "-c".to_owned(), script]).expect_code(0);
        expect_verdicts(
            &ended,
            str![[r#"
  warn shell-wrap   busybox gets the stop signal, python3 behind it does not
      try: start the server with exec: exec python3 ...
PASS 1 check, 1 warning
"#]],
        );
    }
}

fn refuse_new() {
    distinguishes("refuse-new", "", &server("good"), &server("accepts"));
}

fn what_is_allowed_may_be_left() {
    let options = "--only files,survivors --allow file:*.sock,file:server.pid,proc:sleep";
    check(options, &server("leaves-files")).expect_code(0);
    check(options, &server("leaves-child")).expect_code(0);
}

fn severities_are_the_users() {
    check("--only handler --deny handler", &server("no-handler")).expect_code(1);
    check("--only handler --strict", &server("no-handler")).expect_code(1);
    check("--only exit-status --warn exit-status", &server("exits 3")).expect_code(0);
    let ended = check("--skip exit-status", &server("exits 3")).expect_code(0);
    expect_verdicts(
        &ended,
        str![[r#"
  ok  ready, handler, stops, margin, survivors, ports, files, output, zombies, shell-wrap, refuse-new
PASS 11 checks
"#]],
    );
}

fn what_listens_nowhere_is_skipped() {
    let loops = sh("trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
    let ended = check("--ready log:up", &loops).expect_code(0);
    expect_verdicts(
        &ended,
        str![[r#"
  skip ports        the server listens nowhere
  skip refuse-new   the server listens nowhere, so there was nothing to connect to
  ok  ready, handler, stops, margin, exit-status, survivors, files, output, zombies, shell-wrap
PASS 10 checks, 2 skipped
"#]],
    );
}

/// Of the whole.
fn verdict(ended: &Ended) -> serde_json::Value {
    let report: serde_json::Value = serde_json::from_slice(&ended.out_bytes()).expect("a report");
    report["verdict"].clone()
}

/// That is not a pass.
fn where_nothing_was_tested_nothing_is_said() {
    let ended = check("--only worker-killed,notify --report json", &server("good")).expect_code(3);
    assert_eq!(verdict(&ended), "inconclusive");
    let ended = check("--only worker-killed", &server("good")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  skip worker-killed it has no children
INCONCLUSIVE nothing was tested, 1 skipped
"#]],
    );
    // One skipped check among others changes nothing.
    let ended = check("--only stops,notify --report json", &server("good")).expect_code(0);
    assert_eq!(verdict(&ended), "pass");
}
