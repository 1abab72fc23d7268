//! The configuration file: options, and several servers by name.

use snapbox::file;

use super::server;
use crate::support::builder::Winddown;
use crate::support::json_schema::{expect_fits, read_schema};
use crate::support::running::Ended;
use crate::support::snapshot::Transcript;
use crate::support::{TempDir, read_json, trials};

trials![
    needs("python3") => each_server_has_its_page,
    needs("python3") => servers_share_reports,
    the_nearest_source_counts,
    a_command_after_dashes_is_no_name,
    errors_name_file_line_and_key,
    a_server_that_cannot_be_run_is_named,
    the_documented_file_is_read,
];

/// Checks with these options in a directory with this file.
fn check(place: &TempDir, text: &str, words: &[&str]) -> Ended {
    place.write("winddown-check.toml", text);
    run(place, words)
}

fn run(place: &TempDir, words: &[&str]) -> Ended {
    Winddown::new().args([&["check"], words].concat()).directory(place.path()).run().expect_nothing_left()
}

/// A good server, and one that ends with 3.
fn two(top: &str) -> String {
    let [good, bad] = ["good", "exits 3"].map(|mode| serde_json::to_string(&server(mode)).expect("words"));
    format!(
        "only = [\"ready\", \"exit-status\"]\nport = \"auto\"\n{top}\n\
         [server.worker]\ncommand = {bad}\n\n[server.api]\ncommand = {good}\n"
    )
}

fn heads(ended: &Ended) -> Vec<String> {
    let lines = ended.out();
    let heads = lines.iter().filter_map(|line| line.strip_prefix("winddown check  "));
    heads.filter_map(|line| Some(line.split_once("  (")?.0.to_owned())).collect()
}

fn each_server_has_its_page() {
    let place = TempDir::new();
    let ended = check(&place, &two(""), &[]).expect_code(1);
    assert_eq!(heads(&ended), ["worker", "api"], "{}", ended.dump());
    assert!(ended.dump().contains("FAIL 1 of 2 checks") && ended.dump().contains("PASS 2 checks"));
    let ended = run(&place, &["api"]).expect_code(0);
    assert_eq!(heads(&ended), ["api"], "{}", ended.dump());
    let ended = run(&place, &["-v", "api", "worker"]).expect_code(1);
    assert_eq!(heads(&ended), ["api", "worker"], "{}", ended.dump());
    assert!(ended.err().iter().any(|line| line.contains("scenario{id=plain run=1 server=\"api\"}: ready")));
    let ended = run(&place, &["--name", "other", "worker"]).expect_code(1);
    assert_eq!(heads(&ended), ["other"], "{}", ended.dump());
}

fn servers_share_reports() {
    let place = TempDir::new();
    let top = "report = [\"human\", \"junit=junit.xml\", \"json=check.json\", \"timeline=t.html\"]\n\
               log = \"log\"\nrecord = \"records\"";
    check(&place, &two(top), &[]).expect_code(1);
    let text = |name: &str| std::fs::read_to_string(place.file(name)).expect("the file");
    let junit = text("junit.xml");
    let junit = roxmltree::Document::parse(&junit).expect("well-formed");
    let suites = junit.descendants().filter(|node| node.has_tag_name("testsuite"));
    let suites: Vec<_> = suites.map(|suite| (suite.attribute("name"), suite.attribute("skipped"))).collect();
    assert_eq!(suites, [(Some("worker"), Some("0")), (Some("api"), Some("0"))]);
    // One object a line, each as for one server.
    let schema = read_schema("check.schema.json");
    let reports = text("check.json");
    let reports: Vec<serde_json::Value> =
        reports.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    for report in &reports {
        expect_fits(&schema, report);
    }
    let found: Vec<_> = reports.iter().map(|report| (&report["name"], &report["exit_status"])).collect();
    assert_eq!(found, [(&"worker".into(), &1.into()), (&"api".into(), &0.into())]);
    let page = text("t.html");
    assert!(page.contains("<title>winddown: worker, api</title>"), "{page}");
    assert!(page.contains(">api: plain<") && page.contains("worker: exit-status"), "{page}");
    let log = text("log");
    assert!(
        log.contains("==> worker, run 1, plain <==") && log.contains("==> api, run 1, plain <=="),
        "{log}"
    );
    for name in ["worker", "api"] {
        assert_eq!(read_json(place.file(&format!("records/{name}-001-plain.json")))["outcome"], "stopped");
    }
    // All of them are replaced.
    check(&place, &two(top), &[]).expect_code(1);
}

fn the_nearest_source_counts() {
    let place = TempDir::new();
    let script = "echo $A $B $C > env; echo up; trap 'exit 0' TERM; while :; do sleep 0.02; done";
    let text = format!(
        "only = [\"ready\"]\nready = \"log:up\"\nstrict = true\ntime-limit = \"3s\"\nenv = {{ A = 1, B = 1, C = 1 }}\n\
         [server.one]\ncommand = [\"sh\", \"-c\", \"{script}\"]\ntime-limit = 4\nstrict = false\n\
         env = {{ B = 2, C = \"2\" }}\nreport = [\"human\", \"json=json\"]\n"
    );
    let limit = |words: &[&str]| {
        check(&place, &text, words).expect_code(0);
        read_json(place.file("json"))["limit_ms"].clone()
    };
    assert_eq!(limit(&["--env", "C=3"]), 4000);
    assert_eq!(std::fs::read_to_string(place.file("env")).expect("the variables"), "1 2 3\n");
    assert_eq!(limit(&["-t", "5s"]), 5000);
    // For one of them the file says no more than the top.
    let ended = check(&place, &text.replace("time-limit = 4\n", ""), &["one"]).expect_code(0);
    assert!(ended.out()[0].ends_with("limit 3s)"), "{}", ended.dump());
}

fn a_command_after_dashes_is_no_name() {
    let place = TempDir::new();
    let sleeper = ["sh", "-c", "echo up; exec sleep 60"];
    let text = "only = [\"ready\"]\nready = \"log:up\"\ntime-limit = \"3s\"\n";
    let servers = "[server.sh]\ncommand = [\"false\"]\n";
    let ended = check(&place, &format!("{text}{servers}"), &[&["--"], &sleeper[..]].concat()).expect_code(0);
    assert!(ended.out()[0].contains("sh -c ") && ended.out()[0].ends_with("limit 3s)"), "{}", ended.dump());
    // Without servers in the file, a command needs no dashes; it can be in the file, too.
    check(&place, text, &sleeper).expect_code(0);
    let command = format!("{text}command = [\"sh\", \"-c\", \"{}\"]\n", sleeper[2]);
    check(&place, &command, &[]).expect_code(0);
    // Another file, and none.
    let other = place.write("other.toml", &command.replace("3s", "4s"));
    let ended = run(&place, &["--config", &other]).expect_code(0);
    assert!(ended.out()[0].ends_with("limit 4s)"), "{}", ended.dump());
    run(&place, &["--config", "/dev/null"]).expect_code(125);
}

fn errors_name_file_line_and_key() {
    let server = "[server.api]\ncommand = [\"true\"]\n";
    let mut transcript = Transcript::default();
    let mut refused = |text: &str, words: &[&str]| {
        let place = TempDir::new();
        let ended = check(&place, text, words).expect_code(125);
        assert_eq!((ended.out().len(), ended.err().len()), (0, 1), "{}", ended.dump());
        transcript.add(std::iter::once(text).chain(words.iter().copied()), &ended);
    };
    for text in [
        "time-limit = 5s\n",
        "# A comment.\n\ntime-limt = \"5s\"\n",
        "ready = [\"auto\", \"nonsense\"]\n",
        "[server.api]\ncommand = \"./api --port 1\"\n",
        "[server.api]\nready = \"auto\"\n",
        "[servers.api]\ncommand = [\"true\"]\n",
        "strict = \"yes\"\n",
        "url = [\"/a\", \"/b\"]\n",
        "list = true\n",
        "ready = 1979-05-27\n",
        "server = 1\n",
        "strict = true\ndeny = \"files\"\n",
    ] {
        refused(text, &[]);
    }
    let with = |top: &str, more: &str| format!("{top}{server}{more}");
    refused(&with("name = \"x\"\n", ""), &[]);
    refused(&with("", "verbose = true\n"), &[]);
    refused(&with("", "within = \"20s\"\n"), &[]);
    refused(&with("", "[server.b]\ncommand = [\"true\"]\nname = \"api\"\n"), &[]);
    refused(&with("report = \"json\"\n", "[server.b]\ncommand = [\"true\"]\nreport = \"human\"\n"), &[]);
    refused(&with("log = \"a\"\n", "[server.b]\ncommand = [\"true\"]\nreport = \"human=a\"\n"), &[]);
    refused(&with("save-baseline = \"a\"\n", "[server.b]\ncommand = [\"true\"]\n"), &[]);
    refused(&with("", "[server.b]\ncommand = [\"true\"]\n"), &["--name", "x"]);
    refused(server, &["web"]);
    refused(server, &["api", "api"]);
    refused(server, &["--config", "/nowhere.toml"]);
    transcript.expect(file!["snapshots/config_errors.txt"]);
}

fn a_server_that_cannot_be_run_is_named() {
    let place = TempDir::new();
    let text = "[server.one]\ncommand = [\"./none\"]\n[server.two]\ncommand = [\"true\"]\n";
    let ended = check(&place, text, &[]).expect_code(127);
    assert!(ended.err()[0].starts_with("winddown: check: one: "), "{}", ended.dump());
}

/// All of its values: check gets as far as the commands, which are not there.
fn the_documented_file_is_read() {
    let place = TempDir::new();
    let page = include_str!("../../../docs/check.md");
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    let (text, _) = rest.split_once("```").expect("its end");
    for (name, command) in [("api", "'./api'"), ("worker", "'./worker'")] {
        let ended = check(&place, text, &[name]).expect_code(127);
        assert!(ended.err()[0].contains(command), "{}", ended.dump());
    }
}
