//! Reports for machines, and repeated runs.

use snapbox::str;

use super::{check_in, expect, expect_verdicts, server};
use crate::support::builder::{Winddown, winddown_path};
use crate::support::json_schema::{expect_fits, read_schema};
use crate::support::snapshot::{expect_lines, expect_page};
use crate::support::{Pty, TempDir, needs, read_json, trials};

trials![
    needs("python3") => several_reports_at_once,
    needs("python3") => json_fits_its_schema,
    needs("python3", "xmllint", "junit-schema") => junit_fits_the_schema_that_jenkins_reads,
    needs("python3") => github_gets_annotations_and_a_summary,
    needs("python3") => runs_are_summed_up,
    needs("python3") => a_terminal_has_colours_and_a_line_for_each_run,
    on_a_terminal_the_page_is_as_wide_as_that,
    needs("python3") => what_a_server_prints_commands_no_terminal,
    needs("python3") => the_timeline_has_every_run,
    the_timeline_says_once_what_several_checks_say,
    needs("python3") => the_first_failure_ends_the_runs,
    needs("python3") => a_slower_stop_than_the_baseline_fails,
    needs("python3") => a_report_that_cannot_be_written_is_reported,
];

fn several_reports_at_once() {
    let place = TempDir::new();
    let options = "--only stops,exit-status,handler --report junit=junit.xml --report json=check.json";
    let ended = check_in(&place, options, &server("exits 3")).expect_code(1);
    expect(&ended, "FAIL", "exit-status");
    let json = read_json(place.file("check.json"));
    assert_eq!(json["verdict"], "fail");
    assert_eq!(json["exit_status"], 1);
    assert_eq!(json["checks"][2]["id"], "exit-status");
    assert_eq!(json["runs"][0]["exit"]["code"], 3);
    let text = std::fs::read_to_string(place.file("junit.xml")).expect("the report");
    let junit = roxmltree::Document::parse(&text).expect("well-formed");
    let cases = junit.descendants().filter(|node| node.has_tag_name("testcase"));
    let found: Vec<String> = cases
        .map(|case| {
            let failure = case.children().find(|node| node.has_tag_name("failure"));
            let message = failure.and_then(|failure| failure.attribute("message")).unwrap_or("ok");
            let attribute = |name| case.attribute(name).unwrap_or_default();
            format!("{} {} {message}", attribute("classname"), attribute("name"))
        })
        .collect();
    let name = shell_words::join(server("exits 3"));
    let expected =
        ["handler ok", "stops ok", "exit-status exit status 3"].map(|case| format!("{name} {case}"));
    assert_eq!(found, expected);
}

/// With everything it can contain: held connections, a kill, files, several runs, a server that ends.
fn json_fits_its_schema() {
    let place = TempDir::new();
    let schema = read_schema("check.schema.json");
    let mut runs = Vec::new();
    for (options, server) in [
        ("--only stops,exit-status --runs 3", server("good")),
        ("--only stops,silent-conn,in-flight --slow /slow -t 2s", server("graceful")),
        ("--only files --watch .", server("leaves-files")),
        ("--only ready,stops", ["sh", "-c", "exit 3"].map(str::to_owned).to_vec()),
    ] {
        check_in(&place, &format!("{options} --report json=check.json"), &server);
        let report = read_json(place.file("check.json"));
        expect_fits(&schema, &report);
        runs.push(report);
    }
    let [several, held, left, ended] = &runs[..] else { panic!("{runs:#?}") };
    assert_eq!(several["times"]["runs"], 3);
    assert_eq!(several["times"]["failure_bound_percent"], 100.0);
    assert_eq!(several["checks"][0]["runs"], serde_json::json!({"failed": 0, "of": 3}));
    let ends = |run: usize| held["runs"][run]["held"].as_array().expect("a list").clone();
    assert!((0..3).flat_map(ends).any(|held| held["end"] == "answered" && held["status"] == 200), "{held:#}");
    assert!(!held["checks"][2]["remedies"].as_array().expect("a list").is_empty(), "{held:#}");
    assert!(!left["runs"][0]["left"]["files"].as_array().expect("a list").is_empty(), "{left:#}");
    assert_eq!(ended["runs"][0]["ready_ms"], serde_json::Value::Null);
}

/// With a case of every kind.
fn junit_fits_the_schema_that_jenkins_reads() {
    let place = TempDir::new();
    let options = "--only refuse-new,backlog,worker-killed,dependency-gone,stops --break false --report human --report junit=junit.xml";
    let ended = check_in(&place, options, &server("accepts")).expect_code(1);
    for (word, id) in [
        ("FAIL", "refuse-new"),
        ("warn", "backlog"),
        ("skip", "worker-killed"),
        ("???", "dependency-gone"),
        ("ok", "stops"),
    ] {
        expect(&ended, word, id);
    }
    let schema = needs::from_pypi("junit-10.xsd").expect("the schema").display().to_string();
    let validate = ["xmllint", "--noout", "--schema", &schema, &place.file("junit.xml")];
    Winddown::bare().command(validate).run().expect_code(0);
}

fn github_gets_annotations_and_a_summary() {
    let place = TempDir::new();
    let words = ["check", "--only", "exit-status,handler"];
    let run = Winddown::new().args(words).command(server("exits 3")).directory(place.path());
    let summary = place.write("summary", "before\n");
    let ended = run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary).run().expect_code(1);
    let annotations: Vec<String> = ended.out().into_iter().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1, "{annotations:?}");
    expect_page(
        &annotations[0],
        str![
            "::error title=winddown check%3A python3 [ROOT]/tests/it/check/server.py exits 3%3A exit-status::exit status 3%0Atry: exit with 0 after a stop, or say which status is good: --expect-exit STATUS,..."
        ],
    );
    let text = std::fs::read_to_string(summary).expect("the summary");
    assert!(text.starts_with("before\n") && text.contains("| exit-status | fail |"), "{text}");
    // A report for programs contains nothing else.
    let words = ["check", "--only", "exit-status", "--report", "json"];
    let run = Winddown::new().args(words).command(server("exits 3")).directory(place.path());
    let ended = run.env("GITHUB_ACTIONS", "true").run().expect_code(1);
    assert!(ended.out().len() == 1 && ended.out()[0].starts_with('{'), "{:?}", ended.out());
    assert!(ended.err()[0].starts_with("::error "), "{:?}", ended.err());
}

fn a_terminal_has_colours_and_a_line_for_each_run() {
    let place = TempDir::new();
    let words = ["check", "--only", "exit-status,sigint", "--ready", "tcp:{port}", "--port", "auto"];
    let words = words.map(str::to_owned).into_iter().chain(server("exits 3"));
    let front = ["env".to_owned(), "TERM=xterm".to_owned(), winddown_path().display().to_string()];
    let mut pty = Pty::program(front.into_iter().chain(words));
    pty.expect("FAIL 1 of 1 check, 1 skipped");
    let screen = pty.screen();
    assert!(screen.contains("[1/2] plain ") && screen.contains("[2/2] sigint "), "{screen}");
    assert!(screen.contains("\x1b[31mFAIL\x1b[0m"), "{screen}");
    assert_eq!(pty.wait().code(), Some(1));
    pty.tag().assert_nothing_left();
    // Elsewhere there is neither of them.
    let ended = check_in(&place, "--only exit-status", &server("exits 3")).expect_code(1);
    assert!(!ended.dump().contains("[1/1]") && !ended.dump().contains('\x1b'), "{}", ended.dump());
}

fn on_a_terminal_the_page_is_as_wide_as_that() {
    for columns in [80, 40] {
        let script = format!(
            "stty cols {columns}; exec {} check --only ready,stops,output,sigint --profile standard -- sh -c 'echo no; exit 3'",
            winddown_path().display()
        );
        let mut pty = Pty::program(["sh", "-c", &script]);
        pty.expect("FAIL 1 of 4 checks");
        let screen = pty.screen();
        let too_long: Vec<&str> =
            screen.lines().filter(|line| line.trim_end().chars().count() > columns).collect();
        assert!(too_long.is_empty(), "{columns}: {too_long:#?}");
        assert!(screen.contains("try: run the command by hand"), "{screen}");
        pty.wait();
    }
}

fn what_a_server_prints_commands_no_terminal() {
    let place = TempDir::new();
    let script = r"printf '\033[31mred\033[0m\ttab\033]0;title\007\n'; exit 3";
    let ended = check_in(&place, "", &["sh", "-c", script].map(str::to_owned)).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL ready        the server exited with 3 before it was ready
      | red    tab
      try: run the command by hand to see why it ends: it must stay in the foreground until it is asked to stop
  ???  handler, stops, margin, exit-status, survivors, ports, files, output, zombies, shell-wrap, refuse-new: the server was not ready, so there was nothing to stop
FAIL 1 of 12 checks
"#]],
    );
    let named = ["sh", "-c", "exit 3", "a\x1b[2Jb"].map(str::to_owned);
    let ended = check_in(&place, "", &named).expect_code(1);
    assert!(ended.out()[0].contains(r"a\u{1b}[2Jb") && !ended.dump().contains('\x1b'), "{}", ended.dump());
}

fn the_timeline_has_every_run() {
    let place = TempDir::new();
    let options = "--only stops,silent-conn,in-flight --runs 2 --slow /slow -t 2s --report timeline=t.html";
    let ended = check_in(&place, options, &server("graceful")).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
    let text = std::fs::read_to_string(place.file("t.html")).expect("the page");
    let dtd = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let page = roxmltree::Document::parse_with_options(&text, dtd).expect("well-formed");
    let of = |class: &str| page.descendants().filter(|node| node.attribute("class") == Some(class)).count();
    assert_eq!(
        page.descendants().filter(|node| node.has_tag_name("svg")).count(),
        5,
        "four and the plain ones together"
    );
    assert!(of("probe") > 10, "{} probes", of("probe"));
    assert_eq!(of("connection"), 4, "three requests and a silent one");
    assert!(text.contains("silent connection") && text.contains("answered: 200"), "{text}");
    // Those that failed come first, and no two have one name.
    let runs: Vec<&str> = page
        .descendants()
        .filter(|node| {
            node.has_tag_name("h2") && node.attribute("id").is_some_and(|id| id.starts_with("run-"))
        })
        .filter_map(|node| node.text())
        .collect();
    assert_eq!(runs, ["silent", "plain 1", "plain 2", "requests"]);
    // The verdict is that of check, though the server has stopped.
    let verdicts: Vec<(&str, &str)> = page
        .descendants()
        .filter_map(|node| Some((node.attribute("class")?.strip_prefix("verdict ")?, node.text()?)))
        .collect();
    let failed = ("check-failed", "✕ fails silent-conn");
    assert_eq!(verdicts[..2], [failed, failed], "the whole and the run: {verdicts:?}");
    assert!(verdicts[2..].iter().all(|verdict| *verdict == ("passed", "✓ passes 1 check")), "{verdicts:?}");
    assert_eq!((of("stopped"), text.matches("<p>n = 2, min ").count()), (0, 1), "plain runs are summed up");
}

fn the_timeline_says_once_what_several_checks_say() {
    let place = TempDir::new();
    let exits = ["sh", "-c", "exit 3"].map(str::to_owned);
    check_in(&place, "--report timeline=t.html", &exits).expect_code(1);
    let text = std::fs::read_to_string(place.file("t.html")).expect("the page");
    // For the whole, and for the one run.
    assert_eq!(text.matches("was not ready").count(), 2, "{text}");
    assert!(text.contains("? handler, stops, margin"), "{text}");
}

fn runs_are_summed_up() {
    let place = TempDir::new();
    let ended = check_in(&place, "--only stops --runs 3", &server("good")).expect_code(0);
    assert!(ended.out()[0].ends_with("  (3 runs, limit 10s)"), "{}", ended.dump());
    assert_eq!(ended.count_out("no failure in 3 runs: up to 100 % may still fail"), 1, "{}", ended.dump());
}

fn the_first_failure_ends_the_runs() {
    let place = TempDir::new();
    let script = "test ! -e started || { echo 'started before'; exit 1; }; trap exit TERM; touch started; echo up; \
                  while :; do sleep 0.02; done";
    let options = "--ready log:up --only term-restart,ready --until-fail --runs 5";
    let ended = check_in(&place, options, &["sh", "-c", script].map(str::to_owned)).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL ready        in 1 of 2 runs: the server exited with 1 before it was ready
      | started before
      try: run the command by hand to see why it ends: it must stay in the foreground until it is asked to stop
  FAIL term-restart started again, the server exited with 1
      | started before
      try: on startup, remove what a dead server left behind (pid file, socket, lock), and bind with SO_REUSEADDR
FAIL 2 of 2 checks
"#]],
    );
}

fn a_slower_stop_than_the_baseline_fails() {
    let place = TempDir::new();
    check_in(&place, "--only stops --save-baseline times.json", &server("good")).expect_code(0);
    let options = "--only stops,baseline --baseline times.json";
    expect(&check_in(&place, options, &server("slow 1.5")).expect_code(1), "FAIL", "baseline");
    check_in(&place, "--save-baseline times.json --only stops", &server("slow 0.6")).expect_code(0);
    expect(&check_in(&place, options, &server("good")).expect_code(0), "ok", "baseline");
}

fn a_report_that_cannot_be_written_is_reported() {
    let place = TempDir::new();
    // The directory is removed while the check runs.
    let words = "--only stops --report junit=sub/a.xml --save-baseline sub/b";
    std::fs::create_dir(place.file("sub")).expect("a directory");
    let server = server("good").join(" ");
    let ended =
        check_in(&place, words, &["sh", "-c", &format!("rmdir sub; exec {server}")].map(str::to_owned));
    let ended = ended.expect_code(125);
    expect_verdicts(
        &ended,
        str![[r#"
  ok  stops
PASS 1 check
"#]],
    );
    expect_lines(
        &ended.err(),
        str![[r#"
winddown: check: cannot write --report [DIR]/sub/a.xml: its directory was deleted
winddown: check: cannot write --save-baseline [DIR]/sub/b: its directory was deleted
"#]],
    );
}
