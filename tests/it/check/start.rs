//! How the server is started, and what it is called.

use super::{check_in, server};
use crate::support::builder::Winddown;
use crate::support::{TempDir, read_json, trials};

trials![
    the_server_gets_variables_and_a_directory,
    needs("python3") => every_report_has_the_name,
];

fn the_server_gets_variables_and_a_directory() {
    let place = TempDir::new();
    std::fs::create_dir(place.file("inner")).expect("a directory");
    let script =
        "echo \"$PWD $GREETING $EMPTY. $PORT\" > seen; trap 'exit 0' TERM; while :; do sleep 0.02; done";
    let words =
        ["check", "--only", "ready", "--ready", "file:inner/seen", "--cwd", "inner", "--port", "8123"];
    let run = Winddown::new().args(words).args(["--env", "GREETING=hello, {port}", "--env", "EMPTY="]);
    let run = run.command(["sh", "-c", script]).env("EMPTY", "no").directory(place.path());
    run.run().expect_nothing_left().expect_code(0);
    let seen = std::fs::read_to_string(place.file("inner/seen")).expect("the file in its directory");
    assert_eq!(seen, format!("{} hello, 8123 . 8123\n", place.file("inner")));
}

fn every_report_has_the_name() {
    let place = TempDir::new();
    let options = "--name my-api --only exit-status --report human --report json=check.json \
        --report junit=junit.xml --report github=github --report timeline=t.html";
    let ended = check_in(&place, options, &server("exits 3")).expect_code(1);
    assert!(ended.out()[0].starts_with("winddown check  my-api  ("), "{}", ended.dump());
    assert_eq!(read_json(place.file("check.json"))["name"], "my-api");
    let text = |name: &str| std::fs::read_to_string(place.file(name)).expect("the report");
    let junit = text("junit.xml");
    assert!(
        junit.contains("<testsuite name=\"my-api\"") && junit.contains("classname=\"my-api\""),
        "{junit}"
    );
    assert!(text("github").contains("title=winddown check%3A my-api%3A exit-status::"), "{}", text("github"));
    let page = text("t.html");
    assert!(page.contains("<title>winddown: my-api</title>"), "{page}");
    assert!(page.contains("<h1 id=\"overview\">my-api</h1>"), "{page}");
}
