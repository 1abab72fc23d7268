//! The invariants of docs/architecture.md that can be read off the source.

use std::sync::LazyLock;

use source::{Place, Source, code_of};

#[path = "architecture/source.rs"]
mod source;

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(source::all);

/// Where the word stands, apart from the files and folders that it is for.
fn strays(word: &str, homes: &[&str]) -> Vec<Place> {
    let others = SOURCES.iter().filter(|source| !homes.iter().any(|home| source.is_in(home)));
    others.flat_map(|source| source.places(word)).collect()
}

/// The words are found in their home, and nowhere else.
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

/// Invariant 1: what decides is pure.
#[test]
fn the_lifecycle_knows_no_clock_process_file_or_runtime() {
    const IMPORTS: [&str; 8] = [
        "std::fmt",
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
                ["fmt", "str", "mem", "time::Duration"].iter().any(|pure| path.starts_with(pure))
            };
            assert!(paths.clone().all(is_pure), "{}: {line}", source.path);
            let mut numbers = line.split("libc::").skip(1);
            assert!(numbers.all(|number| number.starts_with("SIG")), "{}: {line}", source.path);
        }
    }
}

/// The judgement of a post-mortem takes looks and gives findings; it looks at nothing itself.
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

/// Invariant 1: time is passed in, so a test can pass any.
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
    assert_eq!(first, Some("let mask = inbox::block_all()"));
    assert_at_home(&["no_mangle"], &["src/main.rs"]);
}

/// Invariant 2: whoever took a signal elsewhere would lose it, or its sender.
#[test]
fn signals_are_consumed_in_one_file() {
    // A post-mortem names the call that a thread is in.
    assert_at_home(&["SYS_rt_sigtimedwait"], &["src/os/inbox.rs", "src/os/look/calls.rs"]);
    assert_at_home(&["sigaction", "SYS_rt_sigprocmask"], &["src/os/inbox.rs"]);
    assert_nowhere(&[
        "signalfd",
        "sigwait",
        "sigwaitinfo",
        "sigtimedwait",
        "pthread_sigmask",
        "libc::signal",
    ]);
}

/// Invariant 4: a second one would take what the first is waiting for, and free an id too early.
#[test]
fn children_are_waited_for_in_one_file() {
    assert_at_home(&["waitpid", "waitid", "libc::wait4"], &["src/os/reap.rs"]);
    // `check` has the main job as its child, and waits for it as for any other program.
    assert_at_home(&["process::Command", "process::{Command"], &["src/os/child.rs", "src/check/"]);
    assert_nowhere(&["wait_with_output", "try_wait", "tokio::process"]);
}

/// Invariants 4 and 7: the parent-death signal is per thread, and so is the one that may wait.
#[test]
fn the_main_job_has_one_thread() {
    assert_at_home(&["tokio", "spawn_blocking"], &["src/check/"]);
    assert_at_home(&["thread::Builder", "thread::scope"], &["src/os/beside.rs"]);
    assert_at_home(&["beside::beside"], &["src/check/"]);
    assert_nowhere(&["thread::spawn", "pthread_create"]);
}

/// Invariant 5: the ways to send a signal are few, each with its guard against stale ids and groups.
#[test]
fn signals_are_sent_in_few_files() {
    assert_at_home(&["libc::kill", "SYS_rt_sigqueueinfo"], &["src/os/signalling.rs", "src/os/inbox.rs"]);
    assert_at_home(&["libc::killpg"], &["src/os/tree/killing.rs"]);
    assert_at_home(
        &["SYS_pidfd_send_signal"],
        &["src/os/tree/killing.rs", "src/os/procfs.rs", "src/os/signalling.rs"],
    );
    assert_at_home(&["kill(-1"], &["src/os/signalling.rs"]);
    assert_nowhere(&["tgkill", "tkill", "signal::kill", "kill_process", "raise"]);
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

/// DESIGN 4.5: one file holds the table.
#[test]
fn exit_statuses_are_decided_in_one_file() {
    assert_at_home(&["124", "125", "126", "127", "137"], &["src/lifecycle/exit.rs"]);
}

/// It is the workload's descriptor too: what we set is set for both.
#[test]
fn standard_streams_are_never_made_non_blocking() {
    assert_at_home(&["F_SETFL"], &["src/os/link.rs"]);
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
