//! The checks of the full profile.

use super::{check, expect, server, tells_apart};
use crate::support::trials;

trials![
    needs("python3") => sighup_is_told_only,
    needs("python3") => group_vs_leader_and_worker_killed,
    needs("python3") => stopped,
    needs("python3") => dependency_gone,
];

fn sighup_is_told_only() {
    let ended = check("--only sighup", &server("good")).expect_code(0);
    expect(&ended, "ok", "sighup");
}

fn group_vs_leader_and_worker_killed() {
    tells_apart("group-vs-leader", "-t 2s", &server("has-child"), &server("needs-child"));
    tells_apart("worker-killed", "-t 2s", &server("has-child"), &server("needs-child"));
    expect(&check("--only worker-killed", &server("good")).expect_code(0), "skip", "worker-killed");
}

fn stopped() {
    tells_apart("stopped", "-t 2s", &server("good"), &server("was-stopped"));
}

fn dependency_gone() {
    let with =
        |command: &str, mode: &str| check(&format!("--only dependency-gone -t 2s {command}"), &server(mode));
    let removes = "--break rm${IFS}-f${IFS}database";
    expect(&with(removes, "good").expect_code(0), "ok", "dependency-gone");
    expect(&with(removes, "needs-file").expect_code(1), "FAIL", "dependency-gone");
    expect(&with("--break false", "good").expect_code(3), "???", "dependency-gone");
    expect(&with("", "good").expect_code(0), "skip", "dependency-gone");
}
