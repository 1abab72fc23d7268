//! Files that can't be executed, and scripts without a first line.

use crate::support::builder::{Stream, Winddown, guarded_or_not};
use crate::support::running::Ended;
use crate::support::{TempDir, read_json, trials};

trials![
    what_is_not_there_is_127,
    a_missing_interpreter_is_named,
    line_ends_of_windows_are_seen_in_the_interpreter,
    a_missing_loader_is_named,
    a_program_for_another_machine_is_no_script,
    what_was_meant_is_said,
    a_script_that_is_run_by_winddown_alone_is_refused,
    what_is_there_but_not_executable_is_126,
    the_search_in_path_is_that_of_the_shell,
    a_script_without_a_first_line_is_run_by_sh,
    a_first_line_is_obeyed,
    a_failed_start_is_a_json_line_too,
    a_failed_start_has_a_record,
    a_failed_start_without_stderr_has_its_status,
];

/// Asserts the exit status, silence on stdout, and one line that names the command and the cause.
#[track_caller]
fn not_run(ended: Ended, code: i32, command: &str, cause: &str) {
    let ended = ended.expect_code(code).expect_nothing_left();
    assert_eq!(ended.out_bytes(), b"", "{}", ended.dump());
    let lines = ended.err();
    assert_eq!(lines.len(), 1, "{}", ended.dump());
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
    // -q silences everything except errors.
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

fn line_ends_of_windows_are_seen_in_the_interpreter() {
    let place = TempDir::new();
    let script = place.executable("script", "#!/bin/sh\r\necho hello\r\n");
    guarded_or_not(|winddown| {
        let ended = winddown.command([&script]).run();
        not_run(
            ended,
            127,
            &script,
            "its interpreter '/bin/sh\\r' was not found; the file has Windows line endings",
        );
    });
    // An interpreter may itself be a script.
    let outer = place.executable("outer", format!("#! {script} -x\n"));
    not_run(
        Winddown::new().command([&outer]).run(),
        127,
        &outer,
        "its interpreter '/bin/sh\\r' was not found",
    );
}

/// The header of a program of this machine, with another loader and machine put in.
fn program(place: &TempDir, name: &str, loader: &str, machine: Option<u16>) -> String {
    let mut bytes = std::fs::read(crate::support::builder::workload_path()).expect("a program");
    let at = bytes.windows(4).position(|word| word == b"/lib").expect("its loader");
    let end = at + bytes[at..].iter().position(|byte| *byte == 0).expect("an end");
    assert!(loader.len() <= end - at);
    bytes[at..end].fill(0);
    bytes[at..at + loader.len()].copy_from_slice(loader.as_bytes());
    if let Some(machine) = machine {
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    }
    place.executable(name, bytes)
}

fn a_missing_loader_is_named() {
    let place = TempDir::new();
    let foreign = program(&place, "musl", "/lib/ld-none.so.1", None);
    guarded_or_not(|winddown| {
        let ended = winddown.command([&foreign]).run();
        not_run(
            ended,
            127,
            &foreign,
            "its loader '/lib/ld-none.so.1' was not found; it was built for another C",
        );
    });
}

/// bash says so too; other shells would run it as a script, line by line.
fn a_program_for_another_machine_is_no_script() {
    let place = TempDir::new();
    let sparc = program(&place, "sparc", "/lib/ld", Some(43));
    let (machine, name) = if cfg!(target_arch = "aarch64") { (62, "x86_64") } else { (183, "aarch64") };
    let other = program(&place, "other", "/lib/ld", Some(machine));
    let windows = place.executable("tool.exe", b"MZ\x90\0\x03\0\0\0");
    let garbage = place.executable("garbage", b"echo \0 hello\n");
    for (file, cause) in [
        (&sparc, "it was built for machine 43; this is Linux on"),
        (&other, &format!("it was built for {name}; this is Linux on {}", std::env::consts::ARCH)),
        (&windows, "it was built for Windows"),
        (&garbage, "neither a program for this machine nor a script"),
    ] {
        guarded_or_not(|winddown| not_run(winddown.command([file]).run(), 126, file, cause));
    }
    not_run(Winddown::new().command(["other"]).env("PATH", place.path()).run(), 126, "other", name);
    // A script that carries its data with it is still a script: only the first line counts.
    let archive = place.executable("archive", b"echo hello; exit 3\n\0\0\0");
    let ended = Winddown::new().command([&archive]).run().expect_code(3);
    assert_eq!(ended.out(), ["hello"]);
}

fn what_was_meant_is_said() {
    let place = TempDir::new();
    place.write("here.sh", "echo hello\n");
    place.executable("both", "");
    place.executable("of-a-directory", "#!/\n");
    place.executable("of-text", format!("#!{}\n", place.file("here.sh")));
    std::os::unix::fs::symlink("/no/such/target", place.file("dangling")).expect("a link");
    let dirs = TempDir::new();
    std::fs::create_dir(dirs.path().join("both")).expect("a directory");
    for (command, code, cause) in [
        ("sleep 1", 127, "no such command in PATH; it is one word with blanks: remove the quotes"),
        ("./no such", 127, "no such file; it is one word with blanks"),
        ("FOO=a b", 127, "to set a variable, put `env` before it"),
        ("_F1=", 127, "put `env` before it"),
        ("5s", 127, "no such command in PATH; to limit the run, as timeout does: --stop-after 5s"),
        ("here.sh", 127, "no such command in PATH; it is in this directory: ./here.sh"),
        ("", 127, "no such command in PATH; its name is empty: perhaps a variable is not set"),
        ("~/server", 127, "no such file; only a shell expands ~ and $: use sh -c '...'"),
        ("$SERVER", 127, "no such command in PATH; only a shell expands ~ and $"),
        ("cd", 127, "no such command in PATH; it is part of the shell: use sh -c '...'"),
        ("./dangling", 127, "no such file; it is a link to '/no/such/target', which does not exist"),
        ("./of-a-directory", 126, "its interpreter '/': it is a directory"),
        ("./of-text", 126, "here.sh': Permission denied; it is not executable: chmod +x"),
        ("/", 126, "it is a directory"),
        (".", 126, "it is a directory"),
        ("./here.sh", 126, "Permission denied; it is not executable: chmod +x"),
    ] {
        let run = Winddown::new().command([command]).more(["more"]).directory(place.path());
        not_run(run.run(), code, command, cause);
    }
    // A directory of that name in PATH is not a command.
    let path = format!("{}:{}", dirs.path().display(), place.path().display());
    Winddown::new().command(["both"]).env("PATH", &path).run().expect_code(0);
    not_run(
        Winddown::new().command(["both"]).env("PATH", dirs.path()).run(),
        126,
        "both",
        "it is a directory",
    );
    for (command, cause) in [("1F=x", "no such command in PATH"), ("a-b=c", "no such command in PATH")] {
        let ended = Winddown::new().command([command]).run();
        assert!(ended.err()[0].ends_with(cause), "{}", ended.dump());
    }
}

/// It would start winddown with itself as the command, which would do the same, forever.
fn a_script_that_is_run_by_winddown_alone_is_refused() {
    let place = TempDir::new();
    let winddown = crate::support::builder::winddown_path();
    let cause = "its first line is winddown without a command";
    for first in ["", " -v"] {
        let script = place.executable("script", format!("#!{}{first}\n", winddown.display()));
        not_run(Winddown::new().binary(&script).run(), 126, &script, cause);
    }
    // winddown as the command of winddown, and a script that names its interpreter.
    let path = winddown.to_str().expect("a path of plain text");
    Winddown::new().command([path, "sh", "-c", "exit 3"]).run().expect_code(3);
    let script = place.executable("shell", format!("#!/usr/bin/env -S {path} sh\nexit 4\n"));
    Winddown::new().binary(&script).run().expect_code(4);
}

fn what_is_there_but_not_executable_is_126() {
    let place = TempDir::new();
    let plain = place.write("plain", "echo hello\n");
    let under_a_file = format!("{plain}/x");
    let directory = place.path().to_str().expect("text").to_owned();
    let link = place.file("link");
    std::os::unix::fs::symlink(&link, &link).expect("a link to itself");
    let script = place.executable("script", format!("#!{plain}\n"));
    for (command, cause) in [
        (&plain, "Permission denied"),
        (&directory, "it is a directory"),
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
    // An empty entry is the directory in which winddown was started; without PATH there is a default.
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
        assert!(ended.err().is_empty(), "{}", ended.dump());
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

fn a_failed_start_is_a_json_line_too() {
    guarded_or_not(|winddown| {
        let ended = winddown.args(["--log-format", "json"]).command(["/no/such"]).run().expect_code(127);
        let lines = ended.err();
        assert_eq!(lines.len(), 1, "{}", ended.dump());
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
