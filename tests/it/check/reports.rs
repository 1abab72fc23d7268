//! Reports for machines, and repeated runs.

use super::{check_in, expect, server};
use crate::support::builder::{Winddown, winddown_path};
use crate::support::{Pty, TempDir, needs, read_json, trials};

trials![
    needs("python3") => several_reports_at_once,
    needs("python3", "xmllint", "junit-schema") => junit_fits_the_schema_that_jenkins_reads,
    needs("python3") => github_gets_annotations_and_a_summary,
    needs("python3") => runs_are_summed_up,
    needs("python3") => a_terminal_has_colours_and_a_line_for_each_run,
    needs("python3") => what_a_server_prints_commands_no_terminal,
    needs("python3") => the_timeline_has_every_run,
    needs("python3") => the_first_failure_ends_the_runs,
    needs("python3") => a_slower_stop_than_the_baseline_fails,
    needs("python3") => a_report_that_cannot_be_written_is_told,
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
    assert_eq!(json["runs"][0]["exit"], "exit status 3");
    let text = std::fs::read_to_string(place.file("junit.xml")).expect("the report");
    let junit = roxmltree::Document::parse(&text).expect("well-formed");
    let cases = junit.descendants().filter(|node| node.has_tag_name("testcase"));
    let told: Vec<String> = cases
        .map(|case| {
            let failure = case.children().find(|node| node.has_tag_name("failure"));
            // GitLab shows the body, others the message.
            assert!(failure.is_none_or(|failure| failure.text().unwrap_or_default().contains("FAIL 1 of 3")));
            let message = failure.and_then(|failure| failure.attribute("message")).unwrap_or("ok");
            let attribute = |name| case.attribute(name).unwrap_or_default();
            format!("{} {} {message}", attribute("classname"), attribute("name"))
        })
        .collect();
    let expected =
        ["winddown.check handler ok", "winddown.check stops ok", "winddown.check exit-status exit status 3"];
    assert_eq!(told, expected);
}

/// With a case of every kind.
fn junit_fits_the_schema_that_jenkins_reads() {
    let place = TempDir::new();
    let options = "--only refuse-new,backlog,in-flight,dependency-gone,stops --break false --report human --report junit=junit.xml";
    let ended = check_in(&place, options, &server("accepts")).expect_code(1);
    for (word, id) in [
        ("FAIL", "refuse-new"),
        ("warn", "backlog"),
        ("skip", "in-flight"),
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
    assert!(annotations[0].starts_with("::error title=winddown check%3A exit-status::"), "{annotations:?}");
    let text = std::fs::read_to_string(summary).expect("the summary");
    assert!(text.starts_with("before\n") && text.contains("| exit-status | fail |"), "{text}");
}

fn a_terminal_has_colours_and_a_line_for_each_run() {
    let place = TempDir::new();
    let words = ["check", "--only", "exit-status,sigint", "--ready", "tcp:{port}", "--port", "auto"];
    let words = words.map(str::to_owned).into_iter().chain(server("exits 3"));
    let front = ["env".to_owned(), "TERM=xterm".to_owned(), winddown_path().display().to_string()];
    let mut pty = Pty::program(front.into_iter().chain(words));
    pty.expect("FAIL 1 of 2 checks");
    let screen = pty.screen();
    assert!(screen.contains("[1/2] plain ") && screen.contains("[2/2] sigint "), "{screen}");
    assert!(screen.contains("\x1b[31mFAIL\x1b[0m"), "{screen}");
    assert_eq!(pty.wait().code(), Some(1));
    pty.tag().assert_nothing_left();
    // Elsewhere there is neither.
    let ended = check_in(&place, "--only exit-status", &server("exits 3")).expect_code(1);
    assert!(!ended.told().contains("[1/1]") && !ended.told().contains('\x1b'), "{}", ended.told());
}

fn what_a_server_prints_commands_no_terminal() {
    let place = TempDir::new();
    let script = r"printf '\033[31mred\033[0m\ttab\033]0;title\007\n'; exit 3";
    let ended = check_in(&place, "", &["sh", "-c", script].map(str::to_owned)).expect_code(1);
    assert!(ended.told().contains("| red    tab\n"), "{}", ended.told());
    let named = ["sh", "-c", "exit 3", "a\x1b[2Jb"].map(str::to_owned);
    let ended = check_in(&place, "", &named).expect_code(1);
    assert!(ended.out()[0].contains(r"a\u{1b}[2Jb") && !ended.told().contains('\x1b'), "{}", ended.told());
}

fn the_timeline_has_every_run() {
    let place = TempDir::new();
    let options = "--only stops,silent-conn,in-flight --slow /slow -t 2s --report timeline=t.html";
    let ended = check_in(&place, options, &server("graceful")).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
    let text = std::fs::read_to_string(place.file("t.html")).expect("the page");
    let dtd = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let page = roxmltree::Document::parse_with_options(&text, dtd).expect("well-formed");
    let of = |class: &str| page.descendants().filter(|node| node.attribute("class") == Some(class)).count();
    assert_eq!(
        page.descendants().filter(|node| node.has_tag_name("svg")).count(),
        4,
        "three and the overview"
    );
    assert!(of("probe") > 10, "{} probes", of("probe"));
    assert_eq!(of("connection"), 4, "three requests and a silent one");
    assert!(text.contains("silent connection") && text.contains("answered: 200"), "{text}");
}

fn runs_are_summed_up() {
    let place = TempDir::new();
    let ended = check_in(&place, "--only stops --runs 3", &server("good")).expect_code(0);
    let told = ended.told();
    assert!(told.contains("(3 runs, limit 10.00 s)"), "{told}");
    assert!(told.contains("no failure in 3 runs: up to 100 % may still fail"), "{told}");
    assert!(told.contains("recommended limit: -t "), "{told}");
}

fn the_first_failure_ends_the_runs() {
    let place = TempDir::new();
    let ended =
        check_in(&place, "--only term-restart,ready --until-fail --runs 5", &server("once")).expect_code(1);
    assert!(ended.told().contains("in 1 of 2 runs"), "{}", ended.told());
}

fn a_slower_stop_than_the_baseline_fails() {
    let place = TempDir::new();
    check_in(&place, "--only stops --save-baseline times.json", &server("good")).expect_code(0);
    let options = "--only stops,baseline --baseline times.json";
    expect(&check_in(&place, options, &server("slow 1.5")).expect_code(1), "FAIL", "baseline");
    check_in(&place, "--save-baseline times.json --only stops", &server("slow 0.6")).expect_code(0);
    expect(&check_in(&place, options, &server("good")).expect_code(0), "ok", "baseline");
}

fn a_report_that_cannot_be_written_is_told() {
    let place = TempDir::new();
    let refused = check_in(&place, "--report junit=nowhere/a.xml", &server("good")).expect_code(125);
    assert!(refused.err()[0].contains("its directory does not exist"), "{:?}", refused.err());
    let ended = check_in(&place, "--only stops --save-baseline nowhere/a", &server("good")).expect_code(125);
    assert!(ended.told().contains("cannot write: --save-baseline nowhere/a"), "{}", ended.told());
}
