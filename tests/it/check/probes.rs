//! What probes send, and what they make a server print.

use super::{check_in, expect, server};
use crate::support::{TempDir, read_json, trials};

trials![
    needs("redis-server") => redis_sees_no_attack,
    needs("python3") => what_answers_probes_is_not_shown,
    needs("python3") => a_complaint_about_the_question_is_not_shown,
    needs("python3") => probes_are_as_they_are_asked_for,
];

/// The log of a check with these options, and the lines that its report shows.
fn printed(options: &str, command: &[String]) -> (String, String) {
    let place = TempDir::new();
    let options = format!("--port auto --log log --report human --report json=check.json {options}");
    check_in(&place, &options, command).expect_code(0);
    let log = std::fs::read_to_string(place.file("log")).expect("the log");
    (log, read_json(place.file("check.json"))["runs"][0]["output"].to_string())
}

fn redis_sees_no_attack() {
    let command =
        ["redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", ""].map(str::to_owned);
    let (log, _) = printed("--only ready,refuse-new,idle-conn,half-request", &command);
    assert!(log.contains("bye bye") && !log.contains("ATTACK"), "{log}");
}

fn what_answers_probes_is_not_shown() {
    let command = ["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "{port}"].map(str::to_owned);
    let (log, shown) = printed("-s INT --only ready,refuse-new", &command);
    assert!(log.matches("GET / HTTP/1.1").count() > 5, "{log}");
    assert!(shown.contains("Serving HTTP on ") && !shown.contains("GET /"), "{shown}");
}

/// A server that speaks something else, and says so.
const ELSE: &str = "import os, signal, socket
signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), os._exit(0)))
listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))
print('up', flush=True)
while True:
    client, _ = listener.accept()
    found = client.recv(100)
    if found:
        print('invalid packet', found, flush=True)
    client.close()";

fn a_complaint_about_the_question_is_not_shown() {
    let command = ["python3", "-c", ELSE].map(str::to_owned);
    let (log, shown) = printed("--only ready,refuse-new --ready log:up", &command);
    assert_eq!(log.matches("invalid packet").count(), 1, "{log}");
    assert_eq!(shown, r#"["up","bye"]"#);
}

fn probes_are_as_they_are_asked_for() {
    let speaks_else = ["python3", "-c", ELSE].map(str::to_owned);
    let (log, _) = printed("--only ready,refuse-new --ready log:up --probe tcp", &speaks_else);
    assert!(!log.contains("invalid packet"), "{log}");
    let (log, _) = printed("--only ready,stops --ready log:up --probe http", &speaks_else);
    assert!(log.matches("GET / HTTP/1.1").count() > 3, "{log}");
    let place = TempDir::new();
    let ended =
        check_in(&place, "--probe none --report human --report json=a", &server("good")).expect_code(0);
    assert!(!ended.dump().contains("probes") && !ended.dump().contains("refuse-new"), "{}", ended.dump());
    assert!(read_json(place.file("a"))["runs"][0]["probes"].is_null());
    let options = "-v --probe tcp --only ready,idle-conn,refuse-new";
    let ended = check_in(&place, options, &server("good")).expect_code(0);
    expect(&ended, "skip", "idle-conn");
    expect(&ended, "ok", "refuse-new");
    let starts = ended.err().iter().filter(|line| line.contains(": started pid=")).count();
    assert_eq!(starts, 1, "for what is skipped no server is started: {}", ended.dump());
}
