//! The checks of the full profile.

use snapbox::str;

use super::{check, distinguishes, expect, expect_verdicts, server};
use crate::support::trials;

trials![
    long needs("python3", "pid-namespace") => a_server_that_does_everything_well_passes_everything,
    needs("python3") => signals_are_only_reported,
    long needs("python3") => group_vs_leader_and_worker_killed,
    needs("python3") => stopped,
    long needs("python3") => dependency_gone,
    long needs("python3") => stdout_full,
    long needs("python3") => stdin,
    needs("python3") => notify,
];

fn a_server_that_does_everything_well_passes_everything() {
    // Without the queue: whether a connection is in it when the listener closes is a matter of chance.
    let options = "--profile full --strict --skip backlog --slow /slow --stream /stream --drive sleep${IFS}2 --break true";
    let ended = check(options, &server("drains")).expect_code(0);
    assert!(ended.out().last().is_some_and(|line| line == "PASS 34 checks, 3 skipped"), "{}", ended.dump());
}

fn signals_are_only_reported() {
    let ended = check("--profile full --only sighup,sigquit --report json", &server("good")).expect_code(0);
    let found = ended.dump();
    assert!(found.contains("SIGHUP ends the server: death by SIGHUP"), "{found}");
    assert!(found.contains("SIGQUIT ends the server: death by SIGQUIT"), "{found}");
}

fn group_vs_leader_and_worker_killed() {
    distinguishes("group-vs-leader", "-t 2s", &server("has-child"), &server("needs-child"));
    distinguishes("worker-killed", "-t 2s", &server("has-child"), &server("needs-child"));
    expect(&check("--only stops,worker-killed", &server("good")).expect_code(0), "skip", "worker-killed");
}

fn stopped() {
    distinguishes("stopped", "-t 2s", &server("good"), &server("was-stopped"));
}

fn dependency_gone() {
    let with =
        |command: &str, mode: &str| check(&format!("--only dependency-gone -t 2s {command}"), &server(mode));
    let removes = "--break rm${IFS}-f${IFS}database";
    expect(&with(removes, "good").expect_code(0), "ok", "dependency-gone");
    expect(&with(removes, "needs-file").expect_code(1), "FAIL", "dependency-gone");
    expect(&with("--break false", "good").expect_code(3), "???", "dependency-gone");
}

fn stdout_full() {
    distinguishes("stdout-full", "-t 2s", &server("good"), &server("prints"));
    let ended = check("--only stdout-full -t 1s", &server("prints")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL stdout-full  stops: still there after [TIME], killed (frozen): python3 (pid [PID])
      W14 stdout-full: python3 (pid [PID]) writes to its stdout, a pipe (pipe:[INODE]), which is full: nothing reads it
      try: have the reader read to the end, or write the log without blocking
FAIL 1 of 1 check
"#]],
    );
}

fn stdin() {
    distinguishes("stdin", "--ready-timeout 2s", &server("good"), &server("needs-stdin"));
    let ended = check("--only stdin -t 1s", &server("wants-no-terminal")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL stdin        with a terminal as stdin: stops: still there after [TIME], killed (frozen): python3 (pid [PID])
      W15 sleeping: python3 (pid [PID]) sleeps, in clock_nanosleep
      try: wait for the stop (a condition with a timeout, the token) instead of sleeping
FAIL 1 of 1 check
"#]],
    );
}

fn notify() {
    expect(&check("--only stops,notify", &server("good")).expect_code(0), "skip", "notify");
    let ended = check("--only notify --report json", &server("notifies")).expect_code(0);
    assert!(
        ended.dump().contains("after the signal: STOPPING=1, STATUS=bye, EXTEND_TIMEOUT_USEC=70000000"),
        "{}",
        ended.dump()
    );
}
