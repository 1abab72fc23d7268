//! The tries in the record, and what `winddown report` makes of them.

use serde_json::{Value, json};

use crate::record_schema::errors;
use crate::report::report;
use crate::support::builder::Winddown;
use crate::support::{TempDir, read_json, trials};

trials![every_try_is_recorded, a_request_in_a_delay_leaves_a_valid_record, without_retries_none_is_listed];

fn shell(winddown: Winddown, script: &str) -> Winddown {
    winddown.command(["sh", "-c", script])
}

fn parts<'a>(record: &'a Value, name: &str) -> Vec<&'a Value> {
    record["tries"].as_array().expect("a list").iter().map(|one| &one[name]).collect()
}

#[track_caller]
fn expect_valid(record: &Value) {
    let wrong = errors(record);
    assert!(wrong.is_empty(), "{wrong:#?}\n{record:#}");
}

fn every_try_is_recorded() {
    let place = TempDir::new();
    let file = place.file("record");
    let winddown = Winddown::new().args(["--retry", "5", "--retry-delay", "150ms", "--record", &file]);
    let script =
        "case $SHUTDOWN_ATTEMPT in 1) exit 3;; 2) kill -USR1 $$;; 3) setsid sleep 50 & exit 4;; esac";
    shell(winddown.args(["--straggler-grace", "0"]), script).run().expect_code(0).expect_nothing_left();
    let record = read_json(&file);
    expect_valid(&record);
    assert_eq!(record["tries_total"], 4);
    assert_eq!(parts(&record, "attempt"), [1, 2, 3, 4]);
    assert_eq!(parts(&record, "outcome"), ["failed", "crashed", "failed", "completed"]);
    assert_eq!(parts(&record, "exit_status"), [3, 138, 4, 0]);
    let exits = [json!({"code": 3}), json!({"signal": "USR1"}), json!({"code": 4}), json!({"code": 0})];
    assert_eq!(parts(&record, "exit"), exits.iter().collect::<Vec<_>>());
    assert_eq!(parts(&record, "cause"), [&Value::Null, &Value::Null, &json!("main-exited"), &Value::Null]);
    assert_eq!(parts(&record, "next_in_ms"), [&json!(150.0), &json!(150.0), &json!(150.0), &Value::Null]);
    let times =
        |name| parts(&record, name).into_iter().map(|ms| ms.as_f64().expect("a time")).collect::<Vec<_>>();
    let (started, ended) = (times("started_ms"), times("ended_ms"));
    for (ended, started) in ended.iter().zip(&started[1..]) {
        assert!(started - ended >= 150.0, "{record:#}");
    }
    // At the top stands the last try: nobody was asked in it.
    assert_eq!((&record["stop"], &record["outcome"]), (&Value::Null, &json!("completed")));
    assert_eq!(record["main"], record["tries"][3]["main"]);

    let page = report(&[&file]).expect_code(0).out().join("\n");
    for line in [
        "try 1: failed: exited with 3 after ",
        "try 2: crashed: died of SIGUSR1 after ",
        "try 3: failed: exited with 4 after ",
    ] {
        assert!(page.contains(line), "{page}");
    }
    assert!(page.contains("; next try in 150ms"), "{page}");
    let html = place.file("page.html");
    report(&["--html", &html, &file]).expect_code(0);
    let picture = std::fs::read_to_string(&html).expect("a page");
    assert_eq!(picture.matches("<g class=\"try\"").count(), 4, "{picture}");
    let line = |one: &Value| {
        one["attempt"] == 2 && one["message"].as_str().is_some_and(|text| text.contains("died of SIGUSR1"))
    };
    assert!(record["log"].as_array().expect("a list").iter().any(line), "{record:#}");
    let listed: Value =
        serde_json::from_str(&report(&["--format", "json", &file]).expect_code(0).out()[0]).expect("JSON");
    assert_eq!(listed["runs"][0]["tries"], record["tries"]);
}

fn a_request_in_a_delay_leaves_a_valid_record() {
    let place = TempDir::new();
    let file = place.file("record");
    let winddown = Winddown::new().args(["--retry", "forever", "--retry-delay", "1m", "--record", &file]);
    let run = shell(winddown, "exit 3").start();
    run.wait_err("next try in 1m");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
    let record = read_json(&file);
    expect_valid(&record);
    assert_eq!((&record["outcome"], parts(&record, "outcome")), (&json!("stopped"), vec![&json!("failed")]));
}

fn without_retries_none_is_listed() {
    let place = TempDir::new();
    let file = place.file("record");
    shell(Winddown::new().args(["--record", &file]), "exit 3").run().expect_code(3);
    let record = read_json(&file);
    expect_valid(&record);
    assert_eq!((&record["tries"], &record["tries_total"]), (&json!([]), &json!(0)));
}
