//! `winddown report --html`: the picture is where the record says, and nothing in a record is markup.

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;

use crate::report::{IGNORES, report, stopped};
use crate::support::builder::Winddown;
use crate::support::{TempDir, read_json, trials};

trials![
    the_picture_is_where_the_record_says,
    a_run_of_hours_does_not_press_the_stop_together,
    names_are_no_markup,
    the_page_stands_alone,
    forty_processes_have_forty_bars,
    a_storm_of_signals_stays_a_picture,
    several_runs_come_one_after_the_other,
    a_run_that_was_not_started_has_no_picture,
];

/// The page; a record's texts are in it, so it must be well-formed whatever they are.
#[track_caller]
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}\n{page}"))
}

fn page(files: &[&str]) -> String {
    let ended = report(&[&["--html", "-"], files].concat()).expect_code(0);
    String::from_utf8(ended.out_bytes()).expect("a page is text")
}

/// All elements of this name whose classes begin with these.
fn all<'a>(document: &'a Document<'_>, name: &str, class: &str) -> Vec<Node<'a, 'a>> {
    let has_class =
        |given: &str| given.strip_prefix(class).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let is_one = |node: &Node<'_, '_>| {
        node.tag_name().name() == name && node.attribute("class").is_some_and(has_class)
    };
    document.descendants().filter(is_one).collect()
}

/// An attribute as a number, of an element or of the first child that has it.
#[track_caller]
fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    let value = node.descendants().find_map(|node| node.attribute(name));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {node:?}"))
}

/// Where the mark of a moment is; there must be one within a hundredth of a millisecond.
#[track_caller]
fn mark(document: &Document<'_>, at_ms: f64) -> f64 {
    let marks = all(document, "g", "mark");
    let is_it = |mark: &&Node<'_, '_>| (number(mark, "data-at-ms") - at_ms).abs() < 0.01;
    let found = marks.iter().find(is_it).unwrap_or_else(|| panic!("no mark at {at_ms}: {marks:?}"));
    number(found, "x1")
}

/// A tenth of a pixel is what is written, and some such numbers are added up.
fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 0.4
}

fn ms(value: &Value) -> f64 {
    value.as_f64().expect("a time")
}

/// Of this process: where its bar begins and ends.
#[track_caller]
fn bar(document: &Document<'_>, pid: &Value) -> (f64, f64, String) {
    let bars = all(document, "g", "process");
    let pid = pid.to_string();
    let bar = bars.iter().find(|bar| bar.attribute("data-pid") == Some(&pid)).expect("its bar");
    let whole = bar.descendants().find(|node| node.tag_name().name() == "rect").expect("a bar");
    let text: Vec<&str> = bar.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    let from = number(&whole, "x");
    (from, from + number(&whole, "width"), text.concat())
}

fn the_picture_is_where_the_record_says() {
    let place = TempDir::new();
    let file = stopped(&place, "kill.json", &["-t", "1s"], IGNORES);
    let page = page(&[&file]);
    let (document, record) = (parsed(&page), read_json(&file));
    let stop_ms = ms(&record["stop"]["at_ms"]);
    let deadline_ms = ms(&record["stop"]["deadline_ms"]);
    let (zero, limit) = (mark(&document, stop_ms), mark(&document, deadline_ms));
    assert!(is_near(mark(&document, f64::midpoint(stop_ms, deadline_ms)), f64::midpoint(zero, limit)));
    let px_per_ms = (limit - zero) / (deadline_ms - stop_ms);
    let x = |at_ms: f64| (at_ms - stop_ms).mul_add(px_per_ms, zero);
    let kill = record["signals"].as_array().unwrap().iter().find(|sent| sent["purpose"] == "kill").unwrap();
    assert!(is_near(mark(&document, ms(&kill["at_ms"])), x(ms(&kill["at_ms"]))));
    for killed in record["killed"].as_array().unwrap() {
        let (from, to, text) = bar(&document, &killed["pid"]);
        assert!(text.contains("✕ killed"), "{text} {record}");
        let end = record["ends"].as_array().unwrap().iter().find(|end| end["pid"] == killed["pid"]);
        let end_ms = end.map_or(ms(&record["phases"].as_array().unwrap().last().unwrap()["at_ms"]), |end| {
            ms(&end["at_ms"])
        });
        assert!(is_near(to, x(end_ms)) || to - from <= 1.6, "{text}: {to} is not {}", x(end_ms));
    }
    let main = &record["main"]["pid"];
    assert!(bar(&document, main).0 < zero, "the main process was there before the stop: {record}");
    // Each look at it has its part of the bar, from the look on.
    let looks = record["looks"].as_array().unwrap();
    let main_bar = all(&document, "g", "process").into_iter().next().expect("a bar");
    let parts: Vec<f64> = main_bar
        .descendants()
        .filter(|node| ["s", "r", "d"].map(Some).contains(&node.attribute("class")))
        .map(|node| number(&node, "x"))
        .collect();
    assert_eq!(parts.len(), looks.len());
    assert!(parts.iter().zip(looks).all(|(part, look)| is_near(*part, x(ms(&look["at_ms"])))), "{parts:?}");
}

/// A record with these times, and what it has beside them.
fn made(place: &TempDir, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut record = serde_json::json!({
        "schema": 1, "command": ["server"], "outcome": "stopped", "main": { "pid": 7, "name": "server" },
        "phases": [{ "phase": "running", "at_ms": 1.0 }, { "phase": "stopped", "at_ms": 7_201_000.0 }],
        "stop": { "at_ms": 7_200_000.0, "cause": "run-limit", "deadline_ms": 7_201_200.0 },
        "ends": [{ "at_ms": 7_201_000.0, "pid": 7, "name": "server", "exit": { "code": 0 } }],
    });
    change(&mut record);
    place.write(name, &record.to_string())
}

fn a_run_of_hours_does_not_press_the_stop_together() {
    let place = TempDir::new();
    let page = page(&[&made(&place, "long.json", |_| ())]);
    let document = parsed(&page);
    let (from, to, text) = bar(&document, &7.into());
    let (half, limit) = (mark(&document, 7_200_600.0), mark(&document, 7_201_200.0));
    let zero = 2.0f64.mul_add(half, -limit);
    assert!(zero - from < 150.0 && limit - zero > 600.0, "{from} {zero} {limit}");
    assert!(is_near(to, (limit - zero).mul_add(1000.0 / 1200.0, zero)), "{to}");
    assert!(text.contains("● exited with 0"), "{text}");
}

fn names_are_no_markup() {
    const NAME: &str = "<script>\"'&<b>";
    let place = TempDir::new();
    let program = place.executable(NAME, "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.05; done\n");
    let record = place.file("odd.json");
    let run = Winddown::new()
        .args(["-t", "300ms", "--record", &record])
        .command([program.as_str(), "]]>", "<!--", "\u{1}\u{fffe}&#0;"])
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    drop(run.wait().expect_code(137));
    let page = page(&[&record, &record]);
    let document = parsed(&page);
    let named = |node: &Node<'_, '_>| node.is_element() && ["script", "b"].contains(&node.tag_name().name());
    let odd: Vec<Node<'_, '_>> = document.descendants().filter(named).collect();
    assert!(odd.iter().all(|node| node.tag_name().name() == "b"), "{odd:?}");
    assert!(!page.to_lowercase().contains("<script"), "{page}");
    let (_, _, text) = bar(&document, &read_json(&record)["main"]["pid"]);
    assert!(text.contains(&NAME[..14]), "{text}");
}

fn the_page_stands_alone() {
    let place = TempDir::new();
    let record = stopped(&place, "kill.json", &["-t", "300ms"], IGNORES);
    let out = place.file("out.html");
    let ended = report(&["--html", &out, &record]).expect_code(0);
    assert_eq!((ended.out().len(), ended.err().len()), (0, 0), "{}", ended.told());
    let written = std::fs::read_to_string(&out).expect("the page");
    assert_eq!(written, page(&[&record]));
    for word in ["<script", "<link", "<img", "src=", "@import", "url(", "javascript:", " on"] {
        let is_there = parsed(&written)
            .descendants()
            .any(|node| node.attributes().any(|attribute| format!(" {}=", attribute.name()).contains(word)));
        assert!(!is_there && (word == " on" || !written.contains(word)), "{word}");
    }
    let document = parsed(&written);
    let svg = document.descendants().find(|node| node.tag_name().name() == "svg").expect("a picture");
    let parts: Vec<&str> =
        svg.children().map(|node| node.tag_name().name()).filter(|name| !name.is_empty()).collect();
    assert_eq!(parts[..2], ["title", "desc"]);
    assert!(written.contains("prefers-color-scheme: dark"));
}

fn forty_processes_have_forty_bars() {
    let place = TempDir::new();
    let script =
        "trap '' TERM; i=0; while [ $i -lt 39 ]; do sleep 60 & i=$((i+1)); done; echo up; wait; sleep 60";
    let page = page(&[&stopped(&place, "forty.json", &["-t", "500ms"], script)]);
    let document = parsed(&page);
    assert_eq!(all(&document, "g", "process").len(), 40);
    assert!(page.len() < 100_000, "{} bytes", page.len());
}

fn a_storm_of_signals_stays_a_picture() {
    let place = TempDir::new();
    let file = made(&place, "storm.json", |record| {
        let signal = |number: u32| {
            let at_ms = f64::from(number).mul_add(0.9, 7_200_000.5);
            serde_json::json!({ "at_ms": at_ms, "signal": "USR1", "sender": { "kind": "process", "pid": 9, "name": "x" } })
        };
        record["received"] = (0..1000).map(signal).collect();
        let line =
            |number: u32| serde_json::json!({ "at_ms": number, "level": "info", "message": "m".repeat(300) });
        record["log"] = (0..1000).map(line).collect();
    });
    let one = page(&[&file]);
    let document = parsed(&one);
    assert!(all(&document, "g", "mark").len() <= 43);
    // Whatever else came in, the stop has its labels.
    for class in ["label limit", "label half"] {
        assert_eq!(all(&document, "text", class).len(), 1, "{class}");
    }
    assert!(one.contains("(and 960 more signals)"));
    assert!(one.len() < 200_000, "{} bytes", one.len());
    let many = page(&[file.as_str(); 9]);
    assert!(parsed(&many).root().is_root() && many.contains("No room for "));
    assert!(many.len() < 200_000, "{} bytes", many.len());
}

fn several_runs_come_one_after_the_other() {
    let place = TempDir::new();
    let script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done";
    let files = ["1.json", "2.json"].map(|name| stopped(&place, name, &["-t", "20s"], script));
    let page = page(&[&files[0], &files[1]]);
    let document = parsed(&page);
    let sections: Vec<_> =
        document.descendants().filter_map(|node| node.attribute("id").map(str::to_owned)).collect();
    assert_eq!(sections, ["run-1", "run-2"]);
    let links: Vec<_> = document.descendants().filter_map(|node| node.attribute("href")).collect();
    assert_eq!(links, ["#run-1", "#run-2"]);
    let counts = all(&document, "g", "bar").iter().map(|bar| number(bar, "data-count")).sum::<f64>();
    assert!(is_near(counts, 2.0));
}

fn a_run_that_was_not_started_has_no_picture() {
    let place = TempDir::new();
    let record = place.file("none.json");
    let run = Winddown::new().args(["--record", &record]).command(["/no/such/command"]).run();
    drop(run.expect_code(127));
    let page = page(&[&record]);
    assert!(!page.contains("<svg") && page.contains("not started: cannot run"), "{page}");
    assert!(parsed(&page).root().is_root());
}
