//! What can't be executed, and scripts without a first line.

use crate::support::builder::{Stream, Winddown, guarded_or_not};
use crate::support::running::Ended;
use crate::support::{TempDir, read_json, trials};

trials![
    what_is_not_there_is_127,
    a_missing_interpreter_is_named,
    what_is_there_but_not_executable_is_126,
    the_search_in_path_is_that_of_the_shell,
    a_script_without_a_first_line_is_run_by_sh,
    a_first_line_is_obeyed,
    a_failed_start_is_told_to_machines_too,
    a_failed_start_has_a_record,
    a_failed_start_without_stderr_has_its_status,
];

/// Asserts the exit status, silence on stdout, and one line that names the command and the cause.
#[track_caller]
fn not_run(ended: Ended, code: i32, command: &str, cause: &str) {
    let ended = ended.expect_code(code).expect_nothing_left();
    assert_eq!(ended.out_bytes(), b"", "{}", ended.told());
    let lines = ended.err();
    assert_eq!(lines.len(), 1, "{}", ended.told());
    let start = format!("winddown: cannot run '{command}': ");
    assert!(lines[0].starts_with(&start), "{}", lines[0]);
    assert!(lines[0].contains(cause), "{cause} is not in {}", lines[0]);
}

fn what_is_not_there_is_127() {
    let place = TempDir::new();
    let dangling = place.file("dangling");
    std::os::unix::fs::symlink("/no/such/target", &dangling).expect("a link");
    for (command, cause) in [
        ("no-such-command", "no such command in PATH"),
        ("", "no such command in PATH"),
        ("/no/such/file", "no such file"),
        ("./no-such-file", "no such file"),
        (&dangling, "no such file"),
    ] {
        guarded_or_not(|winddown| not_run(winddown.command([command]).run(), 127, command, cause));
    }
    // A name can't break the line.
    let ended = Winddown::new().command(["no\nsuch\x1b[2J"]).run();
    not_run(ended, 127, "no\\nsuch\\u{1b}[2J", "no such command in PATH");
    // -q is for everything but errors.
    not_run(Winddown::new().args(["-q"]).command(["/no/such"]).run(), 127, "/no/such", "no such file");
}

fn a_missing_interpreter_is_named() {
    // Trap 16: a missing interpreter is ENOENT too, though the file is there.
    let place = TempDir::new();
    let script = place.executable("script", "#!/no/such/interpreter -x\n");
    guarded_or_not(|winddown| not_run(winddown.command([&script]).run(), 127, &script, "interpreter"));
    let run = Winddown::new().command(["script"]).env("PATH", place.path());
    not_run(run.run(), 127, "script", "interpreter");
    let run = Winddown::new().command(["./script"]).directory(place.path());
    not_run(run.run(), 127, "./script", "interpreter");
}

fn what_is_there_but_not_executable_is_126() {
    let place = TempDir::new();
    let plain = place.write("plain", "echo hello\n");
    let under_a_file = format!("{plain}/x");
    let directory = place.path().to_str().expect("text").to_owned();
    let link = place.file("link");
    std::os::unix::fs::symlink(&link, &link).expect("a link to itself");
    let script = place.executable("script", &format!("#!{plain}\n"));
    for (command, cause) in [
        (&plain, "Permission denied"),
        (&directory, "Permission denied"),
        (&under_a_file, "Not a directory"),
        (&link, "symbolic link"),
        (&script, "Permission denied"),
    ] {
        guarded_or_not(|winddown| not_run(winddown.command([command]).run(), 126, command, cause));
    }
    let run = Winddown::new().command(["plain"]).env("PATH", place.path());
    not_run(run.run(), 126, "plain", "Permission denied");
}

fn the_search_in_path_is_that_of_the_shell() {
    let (first, second) = (TempDir::new(), TempDir::new());
    first.write("tool", "echo not executable\n");
    first.executable("both", "#!/bin/sh\necho first\n");
    second.executable("tool", "#!/bin/sh\necho second\n");
    second.executable("both", "#!/bin/sh\necho second\n");
    let path = format!("/no/such/place:{}:{}", first.path().display(), second.path().display());
    for (command, output) in [("tool", "second"), ("both", "first")] {
        let ended = Winddown::new().command([command]).env("PATH", &path).run().expect_code(0);
        assert_eq!(ended.out(), [output], "{command}");
    }
    // An empty entry is the directory winddown was started in; without PATH there is a default one.
    let run = Winddown::new().command(["both"]).env("PATH", ":/bin").directory(second.path());
    assert_eq!(run.run().expect_code(0).out(), ["second"]);
    Winddown::new().command(["true"]).env_remove("PATH").run().expect_code(0);
}

fn a_script_without_a_first_line_is_run_by_sh() {
    // Trap 16: Rust's Command fails with "Exec format error" here.
    let place = TempDir::new();
    let script = place.executable("script", "echo \"$0\" \"$#\" \"$2\"\nexit 3\n");
    guarded_or_not(|winddown| {
        let ended = winddown.command([&script]).more(["a", "b c", ""]).run().expect_code(3);
        assert_eq!(ended.out(), [format!("{script} 3 b c")]);
        assert!(ended.err().is_empty(), "{}", ended.told());
    });
    let path = format!("{}:/bin", place.path().display());
    let ended = Winddown::new().command(["script"]).env("PATH", path).run().expect_code(3);
    assert_eq!(ended.out(), [format!("{script} 0 ")]);
    // Many arguments: the list is copied for sh.
    let ended = Winddown::new().command([&script]).more(vec!["x"; 20_000]).run().expect_code(3);
    assert_eq!(ended.out(), [format!("{script} 20000 x")]);
    place.executable("empty", "");
    Winddown::new().command([place.file("empty")]).run().expect_code(0);
}

fn a_first_line_is_obeyed() {
    let place = TempDir::new();
    let script = place.executable("script", "#!/bin/sh -e\nfalse\nexit 3\n");
    guarded_or_not(|winddown| {
        winddown.command([&script]).run().expect_code(1);
    });
}

fn a_failed_start_is_told_to_machines_too() {
    guarded_or_not(|winddown| {
        let ended = winddown.args(["--log-format", "json"]).command(["/no/such"]).run().expect_code(127);
        let lines = ended.err();
        assert_eq!(lines.len(), 1, "{}", ended.told());
        let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(line["event"], "not-started");
        assert_eq!(line["level"], "error");
        assert!(line["message"].as_str().expect("text").contains("/no/such"));
    });
}

fn a_failed_start_has_a_record() {
    let place = TempDir::new();
    let plain = place.write("plain", "");
    let record = place.file("run.json");
    for (command, code) in [("/no/such", 127), (plain.as_str(), 126)] {
        guarded_or_not(|winddown| {
            let _ = std::fs::remove_file(&record);
            // No status of the main process: nothing to rewrite.
            let run = winddown.args(["--record", &record, "--remap-exit", "127=0,126=0"]);
            run.command([command]).run().expect_code(code);
            let record = read_json(&record);
            assert_eq!(record["outcome"], "not-started");
            assert_eq!(record["exit_status"], code);
            assert_eq!(record["main"], serde_json::Value::Null);
            assert_eq!(record["exit"], serde_json::Value::Null);
        });
    }
}

fn a_failed_start_without_stderr_has_its_status() {
    guarded_or_not(|winddown| {
        let run = winddown.command(["/no/such"]);
        run.stdin(Stream::Closed).stdout(Stream::Closed).stderr(Stream::Closed).run().expect_code(127);
    });
    Winddown::new().args(["--frob"]).stderr(Stream::Closed).run().expect_code(125);
}
