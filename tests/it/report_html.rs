//! `winddown report --html`: marks are drawn where the record puts them, and nothing in a record becomes markup.

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;
use snapbox::str;

use crate::report::{IGNORES, report, stopped};
use crate::support::builder::Winddown;
use crate::support::snapshot::expect_exactly;
use crate::support::{TempDir, read_json, trials};

trials![
    the_picture_is_where_the_record_says,
    a_run_of_hours_does_not_press_the_stop_together,
    names_are_no_markup,
    the_page_stands_alone,
    forty_processes_have_forty_bars,
    a_storm_of_signals_stays_a_picture,
    several_runs_come_one_after_the_other,
    those_that_failed_come_first,
    a_process_whose_end_was_not_seen_ends_hatched,
    no_line_runs_through_a_text,
    it_is_readable_without_eyes_and_with_poor_ones,
    a_run_that_was_not_started_has_no_picture,
];

/// Parses the page. It contains the record's texts, and must be well-formed whatever they are.
#[track_caller]
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}\n{page}"))
}

fn page(files: &[&str]) -> String {
    let ended = report(&[&["--html", "-"], files].concat()).expect_code(0);
    String::from_utf8(ended.out_bytes()).expect("a page is text")
}

/// All elements with this name whose class attribute begins with this.
fn all<'a>(document: &'a Document<'_>, name: &str, class: &str) -> Vec<Node<'a, 'a>> {
    let has_class =
        |given: &str| given.strip_prefix(class).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let is_one = |node: &Node<'_, '_>| {
        node.tag_name().name() == name && node.attribute("class").is_some_and(has_class)
    };
    document.descendants().filter(is_one).collect()
}

/// An attribute as a number, from the element or the first descendant that has it.
#[track_caller]
fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    let value = node.descendants().find_map(|node| node.attribute(name));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {node:?}"))
}

/// The position of the mark for a moment; there must be one within a hundredth of a millisecond.
#[track_caller]
fn mark(document: &Document<'_>, at_ms: f64) -> f64 {
    let marks = all(document, "g", "mark");
    let is_it = |mark: &&Node<'_, '_>| (number(mark, "data-at-ms") - at_ms).abs() < 0.01;
    let found = marks.iter().find(is_it).unwrap_or_else(|| panic!("no mark at {at_ms}: {marks:?}"));
    number(found, "x1")
}

/// The page has tenths of a pixel, and the tests add some of them up.
fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 0.4
}

fn ms(value: &Value) -> f64 {
    value.as_f64().expect("a time")
}

/// Where the bar of this process begins and ends, and its text.
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
    // Each snapshot has its part of the bar, which begins at the snapshot.
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

/// A record with fixed times, changed by the test.
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
    expect_exactly(
        &text,
        str![[r#"

server (pid 7): -1h 59m 59s to +1s, exited with 0
server 7


● exited with 0

"#]],
    );
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
    assert_eq!((ended.out().len(), ended.err().len()), (0, 0), "{}", ended.dump());
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
    // Whatever else was received, the stop has its labels.
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
    let sections = document.descendants().filter(|node| node.has_tag_name("section"));
    let sections: Vec<_> = sections.filter_map(|node| node.attribute("id").map(str::to_owned)).collect();
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

/// One that ends well, one that fails, and one that is killed.
fn of_all_kinds(place: &TempDir) -> [String; 3] {
    ["stopped", "failed", "killed"]
        .map(|outcome| made(place, &format!("{outcome}.json"), |record| record["outcome"] = outcome.into()))
}

fn those_that_failed_come_first() {
    let place = TempDir::new();
    let files = of_all_kinds(&place);
    let page = page(&files.each_ref().map(String::as_str));
    let document = parsed(&page);
    let names: Vec<String> = document
        .descendants()
        .filter(|node| {
            node.has_tag_name("h2") && node.attribute("id").is_some_and(|id| id.starts_with("run-"))
        })
        .filter_map(|node| node.text().and_then(|name| name.rsplit('/').next()).map(str::to_owned))
        .collect();
    assert_eq!(names, ["killed.json", "failed.json", "stopped.json"]);
    assert_eq!(page.matches("How to read the pictures").count(), 1, "one legend a page");
}

fn a_process_whose_end_was_not_seen_ends_hatched() {
    let place = TempDir::new();
    let file = made(&place, "child.json", |record| {
        record["signals"] = serde_json::json!([
            { "at_ms": 7_200_100.0, "signal": "TERM", "target": { "pid": 8, "name": "child" }, "purpose": "ask", "result": "ok" }
        ]);
    });
    let page = page(&[&file]);
    let document = parsed(&page);
    let (_, to, text) = bar(&document, &8.into());
    expect_exactly(
        &text,
        str![[r#"

child (pid 8): +100ms to +100ms, end not seen
child 8




end not seen

"#]],
    );
    let hatched = all(&document, "rect", "hatched");
    assert_eq!(hatched.len(), 1, "only that of the child");
    assert!(is_near(number(&hatched[0], "x"), to.min(number(&hatched[0], "x"))));
    // It was gone when everything had ended.
    let end = bar(&document, &7.into()).1;
    assert!(is_near(number(&hatched[0], "x") + number(&hatched[0], "width"), end));
}

/// Where an element is, as left, top, right, bottom.
fn place_of(node: &Node<'_, '_>) -> [f64; 4] {
    let at = |name| node.attribute(name).and_then(|value| value.parse::<f64>().ok()).unwrap_or_default();
    [at("x"), at("y"), at("x") + at("width"), at("y") + at("height")]
}

/// What is drawn later hides a line: a plate below each text that is not in a bar, or beside the lines.
fn no_line_runs_through_a_text() {
    let place = TempDir::new();
    let file = stopped(&place, "kill.json", &["-t", "1s"], IGNORES);
    let page = page(&[&file]);
    let document = parsed(&page);
    let svg = document.descendants().find(|node| node.has_tag_name("svg")).expect("a picture");
    let elements: Vec<Node<'_, '_>> = svg.descendants().filter(Node::is_element).collect();
    let lines = elements.iter().enumerate().filter(|(_, node)| node.has_tag_name("line"));
    let lines: Vec<(usize, f64, [f64; 2])> = lines
        .filter(|(_, node)| node.attribute("x1") == node.attribute("x2"))
        .map(|(index, node)| (index, number(node, "x1"), ["y1", "y2"].map(|name| number(node, name))))
        .collect();
    assert!(lines.len() > 5, "{lines:?}");
    for (index, text) in elements.iter().enumerate().filter(|(_, node)| node.has_tag_name("text")) {
        let Some(words) = text.text() else { continue };
        let (x, y) = (number(text, "x"), number(text, "y"));
        #[expect(clippy::cast_precision_loss, reason = "texts are short")]
        let length = words.chars().count() as f64 * 6.0;
        let left = match text.attribute("text-anchor") {
            Some("middle") => x - length / 2.0,
            Some("end") => x - length,
            _ => x,
        };
        for (drawn, line, [top, bottom]) in &lines {
            if !(left..left + length).contains(line) || !(*top..*bottom).contains(&(y - 4.0)) {
                continue;
            }
            let hides = |node: &Node<'_, '_>| {
                let [from, above, to, below] = place_of(node);
                node.has_tag_name("rect")
                    && from <= *line
                    && to >= *line
                    && above <= y - 4.0
                    && below >= y - 4.0
            };
            assert!(elements[*drawn..index].iter().any(hides), "a line at {line} runs through {words:?}");
        }
    }
}

/// The colours of a scheme, by name.
fn colours(style: &str) -> std::collections::BTreeMap<&str, &str> {
    let pairs = style.split(['{', ';', '}']).filter_map(|part| part.trim().split_once(':'));
    pairs.filter(|(name, _)| name.starts_with("--")).map(|(name, value)| (name, value.trim())).collect()
}

/// As the guidelines for accessibility of the web compute it.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour")) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.0722f64.mul_add(part(5), 0.2126f64.mul_add(part(1), 0.7152 * part(3)))
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn it_is_readable_without_eyes_and_with_poor_ones() {
    let place = TempDir::new();
    let files = of_all_kinds(&place);
    let pages = [page(&[&files[0]]), page(&files.each_ref().map(String::as_str))];
    for page in &pages {
        let document = parsed(page);
        let with_id = |id: &str| document.descendants().find(|node| node.attribute("id") == Some(id));
        let says = |id: &str| with_id(id).and_then(|node| node.text()).is_some_and(|text| !text.is_empty());
        // Pictures have a role and two texts; what is scrolled can be reached by keys, and has a name.
        for svg in document.descendants().filter(|node| node.has_tag_name("svg")) {
            assert_eq!(svg.attribute("role"), Some("img"));
            let texts: Vec<&str> = svg.attribute("aria-labelledby").expect("a name").split(' ').collect();
            assert!(texts.len() == 2 && texts.iter().all(|id| says(id)), "{texts:?}");
            let around = svg.parent_element().expect("what is around it");
            assert_eq!((around.attribute("role"), around.attribute("tabindex")), (Some("region"), Some("0")));
            assert!(around.attribute("aria-label").is_some());
        }
        let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
        let unique: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        for section in document.descendants().filter(|node| node.has_tag_name("section")) {
            assert!(section.attribute("aria-labelledby").is_some_and(says), "{section:?}");
        }
        // One heading of the first level, and none is skipped.
        let levels = document.descendants().filter_map(|node| node.tag_name().name().strip_prefix('h'));
        let levels: Vec<u8> = levels.filter_map(|level| level.parse().ok()).collect();
        assert!(levels[0] == 1 && levels[1..].iter().all(|level| *level > 1), "{levels:?}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        for table in document.descendants().filter(|node| node.has_tag_name("table")) {
            let heads: Vec<_> = table.descendants().filter(|node| node.has_tag_name("th")).collect();
            assert!(!heads.is_empty() && heads.iter().all(|head| head.attribute("scope").is_some()));
        }
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("main")).count(), 1);
        // Outcomes differ in more than their colour.
        let verdicts = all(&document, "p", "verdict");
        assert!(
            verdicts.iter().all(|node| node.text().is_some_and(|text| text.starts_with(['✓', '◆', '✕'])))
        );
    }
    let style =
        pages[0].split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("a style").0;
    let (light, dark) = style.split_once("prefers-color-scheme: dark").expect("both schemes");
    for scheme in [colours(light), colours(dark.split_once("\nbody").expect("the rest").0)] {
        assert!(scheme.len() >= 18, "{scheme:?}");
        for ink in ["--ink", "--faint", "--good", "--fair", "--bad", "--in", "--out"] {
            let found = contrast(scheme[ink], scheme["--page"]);
            assert!(found >= 4.5, "{ink}: {found} {scheme:?}");
        }
        for bar in ["--r", "--s", "--d", "--t", "--z", "--unseen"] {
            let found = contrast(scheme["--on"], scheme[bar]);
            assert!(found >= 4.5, "{bar}: {found} {scheme:?}");
        }
        assert!(contrast(scheme["--edge"], scheme["--page"]) >= 3.0, "{scheme:?}");
    }
    assert!(style.contains("@media print") && style.contains("@media (max-width:"));
}
