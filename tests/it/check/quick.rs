//! The checks that one stop can show.

use super::{check, expect, server, tells_apart};
use crate::support::trials;

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
    needs("python3") => zombies,
    needs("python3") => shell_wrap,
    needs("python3") => refuse_new,
    needs("python3") => what_is_allowed_may_be_left,
    needs("python3") => severities_are_the_users,
    what_listens_nowhere_is_skipped,
];

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn a_good_server_passes_everything() {
    let ended = check("--strict", &server("good")).expect_code(0);
    expect(&ended, "ok", "refuse-new");
    assert!(ended.out().last().is_some_and(|line| line == "PASS 12 checks"), "{}", ended.told());
    assert!(ended.out().iter().any(|line| line.contains(".|TERM|")), "{}", ended.told());
}

fn ready() {
    tells_apart("ready", "--ready-timeout 20s", &server("good"), &sh("echo starting; exit 3"));
    let ended = check("--ready-timeout 300ms", &sh("sleep 60 & wait")).expect_code(3);
    expect(&ended, "???", "ready");
    assert!(ended.told().contains("alive and listens nowhere"), "{}", ended.told());
}

fn handler() {
    tells_apart("handler", "-t 1s", &server("good"), &server("ignores"));
    tells_apart("handler", "-t 1s", &server("good"), &server("blocks"));
    expect(&check("--only handler", &server("no-handler")).expect_code(0), "warn", "handler");
}

fn stops() {
    tells_apart("stops", "-t 2s", &server("good"), &server("ignores"));
    let ended = check("--only stops -t 1s", &server("ignores")).expect_code(1);
    assert!(ended.told().contains("W04 ignored"), "the post-mortem is told: {}", ended.told());
}

fn a_stop_within_the_limit_may_be_too_long() {
    tells_apart("stops", "--within 1s", &server("good"), &server("slow 1.5"));
}

fn margin() {
    tells_apart("margin", "-t 2s", &server("good"), &server("slow 1.85"));
    expect(&check("--only margin -t 4s", &server("slow 2.4")).expect_code(0), "warn", "margin");
}

fn exit_status() {
    tells_apart("exit-status", "", &server("good"), &server("exits 3"));
    tells_apart("exit-status", "--expect-exit 3", &server("exits 3"), &server("good"));
    tells_apart("exit-status", "--expect-exit 3", &server("exits 3"), &server("aborts"));
}

fn survivors() {
    tells_apart("survivors", "", &server("good"), &server("leaves-child"));
    // The shell dies, and whoever is behind it was never told.
    let wrapped = sh(&format!("{}; true", server("good").join(" ")));
    tells_apart("survivors", "", &server("good"), &wrapped);
}

fn ports() {
    tells_apart("ports", "-t 2s", &server("good"), &server("leaves-port"));
}

fn files() {
    tells_apart("files", "", &server("good"), &server("leaves-files"));
    let ended = check("--only files", &server("leaves-files")).expect_code(1);
    assert!(ended.told().contains("server.sock (socket)"), "{}", ended.told());
    assert!(ended.told().contains("server.pid (pid file)"), "{}", ended.told());
}

fn output() {
    tells_apart("output", "", &server("good"), &server("traceback"));
    tells_apart("output", "-t 2s", &server("good"), &server("leaves-output"));
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
}

fn refuse_new() {
    tells_apart("refuse-new", "", &server("good"), &server("accepts"));
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
    assert!(!ended.told().contains("exit-status"), "{}", ended.told());
}

fn what_listens_nowhere_is_skipped() {
    let loops = sh("trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
    let ended = check("--ready log:up", &loops).expect_code(0);
    expect(&ended, "skip", "ports");
    expect(&ended, "skip", "refuse-new");
}
