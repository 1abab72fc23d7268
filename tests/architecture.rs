//! The invariants of docs/architecture.md that the source itself shows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use source::{Place, Source, code_of};

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/source.rs"]
mod source;

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| source::all("src"));

/// Where the word stands outside the files and folders that may use it.
fn strays(word: &str, homes: &[&str]) -> Vec<Place> {
    let others = SOURCES.iter().filter(|source| !homes.iter().any(|home| source.is_in(home)));
    others.flat_map(|source| source.places(word)).collect()
}

/// Panics unless the words are found in their home, and nowhere else.
fn assert_at_home(words: &[&str], homes: &[&str]) {
    for word in words {
        let strays = strays(word, homes);
        assert!(strays.is_empty(), "`{word}` belongs to {homes:?} only: {strays:#?}");
    }
    for home in homes {
        let is_home = |source: &&Source| source.is_in(home);
        let is_used = |source: &Source| words.iter().any(|word| !source.places(word).is_empty());
        assert!(SOURCES.iter().filter(is_home).any(is_used), "{home} has none of {words:?} any more");
    }
}

fn assert_nowhere(words: &[&str]) {
    for word in words {
        let strays = strays(word, &[]);
        assert!(strays.is_empty(), "`{word}` has no place in winddown: {strays:#?}");
    }
}

/// Invariant 1: the code that decides is pure.
#[test]
fn the_lifecycle_knows_no_clock_process_file_or_runtime() {
    const IMPORTS: [&str; 9] = [
        "std::fmt",
        "std::ops::Deref",
        "std::str",
        "std::time::Duration",
        "super::",
        "self::",
        "crate::lifecycle::",
        "serde::",
        "thiserror::",
    ];
    for source in SOURCES.iter().filter(|source| source.is_in("src/lifecycle/")) {
        for word in ["tokio", "nix", "tracing", "unsafe", "Instant", "SystemTime"] {
            let places = source.places(word);
            assert!(places.is_empty(), "`{word}` has no place in the lifecycle: {places:#?}");
        }
        for line in source.code.lines() {
            let import = line.trim().strip_prefix("use ");
            let is_allowed = |import: &str| IMPORTS.iter().any(|allowed| import.starts_with(allowed));
            assert!(import.is_none_or(is_allowed), "{}: {line}", source.path);
            let paths = line.split("std::").skip(1);
            let is_pure = |path: &str| {
                ["fmt", "ops::Deref", "str", "mem", "time::Duration"]
                    .iter()
                    .any(|pure| path.starts_with(pure))
            };
            assert!(paths.clone().all(is_pure), "{}: {line}", source.path);
            let mut numbers = line.split("libc::").skip(1);
            assert!(numbers.all(|number| number.starts_with("SIG")), "{}: {line}", source.path);
        }
    }
}

/// A file can be read alone, with the files it is built on.
#[test]
fn no_modules_import_each_other_in_a_circle() {
    let imports = imports::imports(&SOURCES);
    let circles = imports::circles(&imports);
    assert!(circles.is_empty(), "each of these leads to the others: {circles:#?}");
}

/// The order of docs/architecture.md.
#[test]
fn no_layer_imports_one_above_it() {
    let page = include_str!("../docs/architecture.md");
    let (_, page) = page.split_once("\n## Layers\n").expect("the layers");
    let drawn = page.lines().skip_while(|line| !line.starts_with("    "));
    let layers: Vec<Vec<&str>> = drawn
        .take_while(|line| line.starts_with("    "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let height = |module: &str| {
        let top = module.split("::").next().unwrap_or_default();
        layers.iter().rev().position(|layer| layer.contains(&top))
    };
    for (module, taken) in imports::imports(&SOURCES).iter().filter(|(module, _)| !module.is_empty()) {
        let own = height(module).unwrap_or_else(|| panic!("{module} is in no layer"));
        let top = |module: &str| module.split("::").next().map(str::to_owned);
        for other in taken.iter().filter(|other| top(other) != top(module)) {
            assert!(height(other).is_some_and(|below| below < own), "{module} takes something from {other}");
        }
    }
}

/// So that a reader finds each file, or its folder.
#[test]
fn every_file_is_on_the_map() {
    // Unit tests.
    const EXEMPT: [&str; 3] = ["src/lib.rs", "src/cli/tests/", "src/check/checks/made_up.rs"];
    let page = include_str!("../docs/architecture.md");
    let is_named = |path: &str| page.contains(&format!("`{path}`"));
    let missing = SOURCES.iter().filter(|source| {
        let (folder, name) = source.path.rsplit_once('/').expect("a file of src");
        // A module that only lists others stands for its folder.
        let is_list = name == "mod.rs" && source.places("fn").is_empty();
        let is_exempt = is_list || EXEMPT.iter().any(|place| source.is_in(place));
        !is_exempt && !is_named(&source.path) && !is_named(&format!("{folder}/"))
    });
    let missing: Vec<&str> = missing.map(|source| source.path.as_str()).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not have {missing:?}");
}

/// So a name is unambiguous in any file.
#[test]
fn no_two_public_types_have_the_same_name() {
    let mut homes = BTreeMap::<&str, Vec<&str>>::new();
    for source in SOURCES.iter() {
        let public = source.code.lines().filter(|line| line.starts_with("pub"));
        let words = |line: &'static str| line.split(['<', '(', ' ', ';', ':']).collect::<Vec<_>>();
        for words in public.map(words) {
            let kinds = ["struct", "enum", "trait", "type"];
            let at = words.iter().position(|word| kinds.contains(word));
            if let Some(name) = at.and_then(|at| words.get(at + 1)) {
                homes.entry(name).or_default().push(&source.path);
            }
        }
    }
    assert!(homes.len() > 50, "the types were not found");
    homes.retain(|_, files| files.len() > 1);
    assert!(homes.is_empty(), "{homes:#?}");
}

/// The judgement of a post-mortem turns snapshots into findings; it inspects nothing itself.
#[test]
fn the_judgement_knows_no_system() {
    for source in SOURCES.iter().filter(|source| source.is_in("src/postmortem/")) {
        for word in
            ["crate::os", "nix", "libc", "unsafe", "Instant", "SystemTime", "std::fs", "std::env", "File::"]
        {
            let places = source.places(word);
            assert!(places.is_empty(), "`{word}` has no place in the judgement: {places:#?}");
        }
    }
}

/// Invariant 1: time is passed in, so a test can pass any time.
#[test]
fn the_clock_is_read_in_one_file() {
    assert_at_home(&["Instant", "elapsed", "SystemTime::now", "clock_gettime"], &["src/os/clock.rs"]);
    assert_nowhere(&["gettimeofday", "UNIX_EPOCH.elapsed"]);
}

/// Invariant 2: signals are blocked before anything else happens.
#[test]
fn signals_are_blocked_first_thing() {
    let main = SOURCES.iter().find(|source| source.path == "src/main.rs").expect("src/main.rs");
    let (_, body) = main.code.split_once("fn main(").expect("the C main");
    let (_, body) = body.split_once('{').expect("its body");
    let first = body.split(';').next().map(str::trim);
    assert_eq!(first, Some("let mask = receive::block_all()"));
    assert_at_home(&["no_mangle"], &["src/main.rs"]);
}

/// Invariant 2: taking a signal elsewhere would lose it, or its sender.
#[test]
fn signals_are_consumed_in_one_file() {
    // A post-mortem names the system call that a thread is in.
    assert_at_home(&["SYS_rt_sigtimedwait"], &["src/os/signal/receive.rs", "src/os/snapshot/calls.rs"]);
    assert_at_home(&["sigaction", "SYS_rt_sigprocmask"], &["src/os/signal/receive.rs"]);
    // Handlers are for `check`, which waits for sockets and pipes as well.
    assert_at_home(&["signal_hook", "receive::unblock"], &["src/check/interrupts.rs"]);
    assert_nowhere(&[
        "signalfd",
        "sigwait",
        "sigwaitinfo",
        "sigtimedwait",
        "pthread_sigmask",
        "libc::signal",
    ]);
}

/// Invariant 4: a second place that reaps would take what the first one waits for, and free an id too early.
#[test]
fn children_are_waited_for_in_one_file() {
    assert_at_home(&["waitpid", "waitid", "libc::wait4"], &["src/os/process/reap.rs"]);
    // The main job is a child of `check`, which waits for it as for any other program.
    assert_at_home(
        &["process::Command", "process::{Command"],
        &["src/os/process/subprocess.rs", "src/check/"],
    );
    assert_nowhere(&["wait_with_output", "try_wait", "tokio::process"]);
}

/// Invariants 4 and 7: the parent-death signal belongs to a thread, and so does the right to wait.
#[test]
fn the_main_job_has_one_thread() {
    assert_at_home(&["tokio", "spawn_blocking"], &["src/check/", "src/ready/http.rs", "src/ready/duplex.rs"]);
    // A network namespace belongs to a thread, and so does a lane of check.
    assert_at_home(&["thread::Builder"], &["src/check/runs/lanes.rs", "src/os/network.rs"]);
    assert_nowhere(&["thread::spawn", "thread::scope", "pthread_create"]);
    // Code that forks, or closes unknown descriptors, gets it from `main`.
    assert_at_home(&["OneThread::at_start"], &["src/main.rs"]);
    assert_at_home(&["libc::fork"], &["src/os/process/fork.rs", "src/os/guard/channel.rs"]);
}

/// A line of the main job's log is one attempt to write, and never waits; a trace may wait.
#[test]
fn tracing_is_for_check() {
    assert_at_home(&["tracing"], &["src/check/"]);
    assert_at_home(&["tracing_subscriber"], &["src/check/trace.rs"]);
}

/// Invariant 5: there are few ways to send a signal, each protected against stale ids and groups.
#[test]
fn signals_are_sent_in_few_files() {
    assert_at_home(
        &["libc::kill", "SYS_rt_sigqueueinfo"],
        &["src/os/signal/send.rs", "src/os/signal/receive.rs"],
    );
    assert_at_home(&["killpg"], &["src/os/process/tree/killing.rs", "src/os/io/terminal.rs"]);
    assert_at_home(
        &["SYS_pidfd_send_signal"],
        &["src/os/process/tree/killing.rs", "src/os/process/procfs.rs", "src/os/signal/send.rs"],
    );
    assert_at_home(&["kill(-1"], &["src/os/signal/send.rs"]);
    assert_nowhere(&["tgkill", "tkill", "signal::kill", "kill_process", "raise"]);
}

/// Storms use up all ids within seconds: a test that signals a plain id may hit a process of another test.
#[test]
fn tests_signal_a_process_by_its_descriptor() {
    for source in source::all("tests/it") {
        for word in ["libc::kill", "kill(Pid", "killpg", "signal::kill", "sigqueue", "SYS_rt_sigqueueinfo"] {
            let places = source.places(word);
            let is_home = source.path == "tests/it/support/pinned.rs";
            assert!(places.is_empty() || is_home, "`Tag::signal` instead of `{word}`: {places:#?}");
        }
    }
}

#[test]
fn unsafe_code_lives_with_the_operating_system() {
    assert_at_home(&["unsafe {", "unsafe extern", "unsafe fn", "unsafe impl"], &["src/os/"]);
    let attributes = strays("unsafe", &["src/os/"]);
    assert!(
        attributes.iter().all(|place| format!("{place:?}").ends_with("#[unsafe(no_mangle)]")),
        "{attributes:#?}"
    );
}

/// A single file holds the table of docs/exit-status.md.
#[test]
fn exit_statuses_are_decided_in_one_file() {
    assert_at_home(&["124", "125", "126", "127", "137"], &["src/lifecycle/exit.rs"]);
}

/// Invariant 10: a single file decides whether a path may be taken.
#[test]
fn files_are_created_and_removed_in_one_place() {
    assert_at_home(&["create_new", "fs::remove_file", "fs::rename", "renameat2"], &["src/os/io/own_file.rs"]);
    // A job summary is appended to.
    assert_at_home(&["create(true)"], &["src/check/reports/github.rs"]);
    assert_nowhere(&[
        "fs::write",
        "File::create",
        "fs::copy",
        "truncate(true)",
        "set_len",
        "unlink",
        "unlinkat",
    ]);
}

/// The workload shares the descriptor: a flag that we set holds for both.
#[test]
fn standard_streams_are_never_made_non_blocking() {
    assert_at_home(&["F_SETFL"], &["src/os/signal/wake.rs"]);
}

#[test]
fn comments_texts_and_unit_tests_are_no_code() {
    let text = "a // waitpid\n/* waitpid\n */ b \"waitpid \\\" waitpid\" c 'w' '\\'' d<'waitpid>\n\
                r#\"waitpid\"# b\"waitpid\" e\n#[cfg(test)]\nwaitpid";
    let code = code_of(text);
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "c", "d<'waitpid>", "b", "e"]);
    assert_eq!(code.lines().count(), 4);
    let source =
        Source { path: "src/x.rs".to_owned(), code: "let waitpids = 1;\nlibc::waitpid(-1);".to_owned() };
    assert_eq!(format!("{:?}", source.places("waitpid")), "[src/x.rs:2: libc::waitpid(-1);]");
}

/// The recipes of CONTRIBUTING.md count on it: a new entry touches no index.
#[test]
fn checks_and_rules_are_listed_in_their_own_files() {
    for (index, list) in
        [("src/check/checks/catalogue.rs", "CHECKS"), ("src/postmortem/rules/mod.rs", "RULES")]
    {
        let index = SOURCES.iter().find(|source| source.is_in(index)).expect("the index");
        let (_, rest) = index.code.split_once(" LISTS: ").expect("it has the lists");
        let (_, rest) = rest.split_once(" =").expect("they begin");
        let (lists, _) = rest.split_once("];").expect("they end");
        let entries: Vec<&str> =
            lists.split(['[', ',']).map(str::trim).filter(|entry| !entry.is_empty()).collect();
        let is_list = |entry: &&str| entry.split_once("::").is_some_and(|(_, name)| name == list);
        assert!(entries.len() > 3 && entries.iter().all(is_list), "{entries:#?}");
    }
}
