//! `winddown check --jobs`: runs side by side.

use std::time::Duration;

use serde_json::Value;

use super::{check_in, expect, server};
use crate::support::builder::Winddown;
use crate::support::lateness::expect_within;
use crate::support::running::Ended;
use crate::support::{TempDir, eventually, trials};

trials![
    needs("python3", "root") => a_fixed_port_is_no_obstacle_in_namespaces,
    needs("python3", "root", "setpriv") => an_ordinary_user_has_namespaces_as_well,
    needs("python3") => without_namespaces_each_has_a_port,
    needs("root", "unshare") => where_neither_is_possible_the_remedy_is_named,
    needs("python3") => servers_that_would_share_a_file_take_turns,
    needs("python3") => what_is_out_of_the_namespace_is_played_again_alone,
    needs("python3", "root") => an_interrupt_ends_all,
    alone_they_are_refused,
];

const SIDE_BY_SIDE: &str =
    "-v --report json --jobs 4 --only stops,idle-conn,half-request,silent-conn,sigint,kill-orphans";
const ORDER: [&str; 6] = ["plain", "idle", "half", "silent", "sigint", "kill"];

/// The scenarios in the order of the report, and how many servers there were at once.
fn seen(ended: &Ended) -> (Vec<String>, usize) {
    let report: Value = serde_json::from_str(&ended.out()[0]).expect("a report");
    let runs = report["runs"].as_array().expect("runs").iter();
    let (mut there, mut most) = (0, 0);
    for line in ended.err() {
        there += usize::from(line.contains(": started pid="));
        there -= usize::from(line.contains(": settled "));
        most = most.max(there);
    }
    (runs.map(|run| run["scenario"].as_str().expect("a name").to_owned()).collect(), most)
}

/// A port that is free now.
fn port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port().to_string()
}

fn with_a_fixed_port(run: Winddown) -> Winddown {
    run.args("check --env".split(' ')).args([format!("PORT={}", port())]).args(SIDE_BY_SIDE.split(' '))
}

fn a_fixed_port_is_no_obstacle_in_namespaces() {
    let place = TempDir::new();
    let ended = with_a_fixed_port(Winddown::new()).command(server("good")).directory(place.path()).run();
    let ended = ended.expect_code(0).expect_nothing_left();
    let (order, most) = seen(&ended);
    assert_eq!(order, ORDER, "{}", ended.dump());
    assert!(most > 1, "{}", ended.dump());
}

fn an_ordinary_user_has_namespaces_as_well() {
    let place = TempDir::new();
    let script = place.write("server.py", include_str!("server.py"));
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let run = with_a_fixed_port(Winddown::new().prefix(user)).command(["/usr/bin/python3", &script, "good"]);
    let ended = run.directory("/").run().expect_code(0).expect_nothing_left();
    assert_eq!(seen(&ended).0, ORDER, "{}", ended.dump());
}

fn without_namespaces_each_has_a_port() {
    let place = TempDir::new();
    let ended = check_in(&place, &format!("--port auto {SIDE_BY_SIDE}"), &server("good")).expect_code(0);
    let report: Value = serde_json::from_str(&ended.out()[0]).expect("a report");
    let runs = report["runs"].as_array().expect("runs");
    let ports: std::collections::HashSet<String> =
        runs.iter().map(|run| run["listeners"].to_string()).collect();
    assert!(ports.len() > 1, "{}", ended.dump());
    assert_eq!(seen(&ended).0, ORDER, "{}", ended.dump());
}

fn where_neither_is_possible_the_remedy_is_named() {
    let none =
        ["unshare", "-U", "-r", "sh", "-c", "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$@\"", "sh"];
    let options = ["check", "--profile", "standard", "--jobs", "2"];
    let ended = Winddown::new().prefix(none).args(options).command(["true"]).run().expect_code(125);
    assert_eq!(
        ended.err(),
        ["winddown: check: --jobs 2: no network namespace can be made here (No space left on device); \
          give --port auto, or leave it out"]
    );
}

fn servers_that_would_share_a_file_take_turns() {
    let place = TempDir::new();
    let options = "-v --jobs 3 --only stops,sigint,idle-conn,silent-conn --port auto";
    let ended = check_in(&place, options, &server("pid-file")).expect_code(0);
    let expected = format!(
        "  jobs             one at a time: servers side by side would share {}",
        place.file("server.pid")
    );
    assert!(ended.out().contains(&expected), "{}", ended.dump());
    let starts = ended.err().iter().filter(|line| line.contains(": started pid=")).count();
    assert_eq!(starts, 4, "{}", ended.dump());
}

/// A server that needs another one, of this machine.
fn what_is_out_of_the_namespace_is_played_again_alone() {
    let place = TempDir::new();
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let needed = other.local_addr().expect("bound").port();
    let connect = format!("import socket; socket.create_connection(('127.0.0.1', {needed})).close()");
    let words: Vec<String> = ["sh", "-c", "python3 -c \"$0\" || exit 1; exec \"$@\"", &connect]
        .map(str::to_owned)
        .into_iter()
        .chain(server("good"))
        .collect();
    let ended = check_in(&place, "--jobs 2 --only stops,sigint,idle-conn", &words).expect_code(0);
    expect(&ended, "ok", "sigint");
}

fn an_interrupt_ends_all() {
    let place = TempDir::new();
    // Only the first start is quick.
    let script = "test -e started && exec sleep 60; touch started; trap exit TERM; echo up; while :; do sleep 0.02; done";
    let options = "check -v --ready log:up --jobs 4 --only stops,sigint,ctrl-c,kill-orphans,term-restart";
    let run = Winddown::new()
        .args(options.split(' '))
        .command(["sh", "-c", script])
        .directory(place.path())
        .start();
    let sleeps = || run.tag().living().iter().filter(|one| one.name == "sleep").count();
    eventually("four servers are there", || sleeps() == 4);
    let asked = run.signal(libc::SIGINT);
    let ended = run.wait().expect_code(130).expect_nothing_left();
    expect_within(ended.since(asked), Duration::from_secs(2), (asked, ended.end), || ended.dump());
}

fn alone_they_are_refused() {
    let ended = Winddown::new().args(["check", "--jobs", "2"]).command(["true"]).run().expect_code(125);
    assert!(ended.err()[0].contains("--jobs plays scenarios side by side"), "{}", ended.dump());
}
