//! What is kept of each run: the server's output and the records.

use super::{check_in, server};
use crate::support::builder::Winddown;
use crate::support::{TempDir, read_json, trials};

trials![
    the_log_has_the_output_of_every_run,
    a_log_replaces_only_a_log,
    needs("python3") => each_run_has_its_record,
    what_cannot_be_kept_is_reported,
];

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn read(place: &TempDir, name: &str) -> String {
    std::fs::read_to_string(place.file(name)).expect("the file")
}

const LINES: &str = "trap 'printf bye; exit 0' TERM; seq 300; echo there >&2; while :; do sleep 0.02; done";

fn the_log_has_the_output_of_every_run() {
    let place = TempDir::new();
    let options = "--only ready,stops,sigint --runs 2 --ready log:300 --name api --log server.log";
    check_in(&place, options, &sh(LINES)).expect_code(0);
    let log = read(&place, "server.log");
    let parts: Vec<&str> = log.split("\n==> ").collect();
    assert_eq!(parts[0], "winddown check --log: what the server printed\n");
    let titles: Vec<&str> = parts.iter().filter_map(|part| Some(part.split_once(" <==\n")?.0)).collect();
    assert_eq!(titles, ["api, run 1, plain", "api, run 2, plain", "api, run 3, sigint"], "{log}");
    let numbers: Vec<String> = (1..=300).map(|number| number.to_string()).collect();
    for part in &parts[1..3] {
        let printed: Vec<&str> = part.lines().skip(1).filter(|line| *line != "there").collect();
        assert_eq!((printed[..300].join(" "), printed[300]), (numbers.join(" "), "bye"), "{part}");
        assert!(part.contains("\nthere\n"), "{part}");
    }
}

fn a_log_replaces_only_a_log() {
    let place = TempDir::new();
    let options = "--only ready --ready log:300 --log server.log";
    place.write("server.log", "theirs\n");
    let ended = check_in(&place, options, &sh(LINES)).expect_code(125);
    assert!(ended.dump().contains("it is neither empty nor a log of check"), "{}", ended.dump());
    assert_eq!(read(&place, "server.log"), "theirs\n");
    std::fs::remove_file(place.file("server.log")).expect("a file");
    // A log is longer than what it is recognised by.
    for _ in 0..2 {
        check_in(&place, options, &sh(LINES)).expect_code(0);
        assert_eq!(read(&place, "server.log").matches("==> run 1, plain <==").count(), 1);
    }
}

fn each_run_has_its_record() {
    let place = TempDir::new();
    let options =
        "--only stops,silent-conn,term-restart,dependency-gone --break true --runs 2 --record a/records";
    check_in(&place, options, &server("good")).expect_code(0);
    let names = |directory: &str| {
        let entries = std::fs::read_dir(place.file(directory)).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("a file").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    let expected =
        ["001-plain.json", "002-plain.json", "003-silent.json", "004-term-restart.json", "005-broken.json"];
    assert_eq!(names("a/records"), expected);
    let record = read_json(place.file("a/records/003-silent.json"));
    assert_eq!(record["outcome"], "stopped");
    let files = expected.map(|name| place.file(&format!("a/records/{name}")));
    Winddown::new().args(["report"]).command(files).run().expect_code(0);
    // A server that was never ready has one, too; the server is part of its name.
    let options = "--only ready --ready notify --ready-timeout 200ms --name my/api --record b";
    check_in(&place, options, &server("good")).expect_code(3);
    assert_eq!(names("b"), ["my_api-001-plain.json"]);
}

fn what_cannot_be_kept_is_reported() {
    let place = TempDir::new();
    std::fs::create_dir(place.file("records")).expect("a directory");
    place.write("records/001-plain.json", "theirs\n");
    let ended =
        check_in(&place, "--only ready --ready log:300 --record records", &sh(LINES)).expect_code(125);
    assert!(ended.dump().contains("cannot write --record records/001-plain.json: "), "{}", ended.dump());
    assert_eq!(read(&place, "records/001-plain.json"), "theirs\n");
    let ended = check_in(&place, "--record records/001-plain.json", &sh(LINES)).expect_code(125);
    assert!(ended.dump().contains("a directory is needed"), "{}", ended.dump());
    let ended = check_in(&place, "--log a --report human=./a", &sh(LINES)).expect_code(125);
    assert!(ended.dump().contains("two outputs go to "), "{}", ended.dump());
}
