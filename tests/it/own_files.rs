//! No option destroys a file that is not winddown's own, whatever kind of file it is and whenever it appeared.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use snapbox::{file, str};

use crate::report::report;
use crate::support::builder::{Winddown, winddown_path};
use crate::support::running::Ended;
use crate::support::snapshot::{Transcript, expect_lines};
use crate::support::{TempDir, file_lines, read_json, trials};

trials![
    what_is_somebody_elses_is_refused,
    no_link_is_followed,
    needs("root") => no_device_is_removed_or_written_to,
    what_is_empty_or_of_its_kind_is_taken,
    one_refused_option_leaves_the_files_of_the_others,
    a_token_is_not_removed_before_the_start_is_tried,
    what_has_come_there_meanwhile_stays,
    needs("root", "setpriv") => of_a_shared_directory_only_what_is_ones_own_is_taken,
    other_names_of_a_file_keep_what_they_had,
    an_endless_file_is_refused_at_once,
    several_records_in_one_file_are_kept,
    a_directory_that_was_deleted_is_named,
];

/// The options that write files, by command.
const OF_RUNS: [&str; 2] = ["--token", "--record"];
const OF_CHECK: [&str; 6] = [
    "--save-baseline=",
    "--report=json=",
    "--report=junit=",
    "--report=human=",
    "--report=github=",
    "--report=timeline=",
];

/// Each option refuses this file in one line that names the option and the file, and nothing is run.
#[track_caller]
fn expect_refused(place: &TempDir, file: &str, why: &str, is_stream: bool) {
    let ran = place.file("ran");
    let expect = |ended: Ended, option: &str| {
        let err = ended.expect_code(125).err();
        assert_eq!(err.len(), 1, "{option}: {err:?}");
        assert!([option, file, why].iter().all(|part| err[0].contains(part)), "{option} {why}: {err:?}");
        assert!(!Path::new(&ran).exists(), "{option}");
    };
    for option in OF_RUNS.into_iter().filter(|option| !is_stream || *option == "--token") {
        expect(Winddown::new().args([option, file]).command(["touch", &ran]).run(), option);
    }
    for option in OF_CHECK.into_iter().filter(|option| !is_stream || option.contains("baseline")) {
        let (name, _) = option.split_once('=').expect("an option with a value");
        let words = ["check", "--only", "stops", &format!("{option}{file}")].map(str::to_owned);
        expect(Winddown::new().args(words).command(["touch", &ran]).run(), name);
    }
    if !is_stream {
        let record = place.write("a-record", RECORD);
        expect(report(&["--html", file, &record]), "--html");
    }
}

/// The fields by which a record is recognised.
const RECORD: &str =
    "{\"command\":[\"x\"],\"exit_status\":0,\"phases\":[{}],\"schema\":1,\"winddown\":\"0.1.0\"}\n";

fn what_is_somebody_elses_is_refused() {
    let place = TempDir::new();
    for (name, text) in [
        ("notes.txt", "dear diary\n"),
        ("line", "\n"),
        ("config.json", "{\"winddown\": {\"limit\": 5}}\n"),
        ("page.html", "<!DOCTYPE html>\n<html><body>winddown</body>\n</html>\n"),
        ("other.xml", "<?xml version=\"1.0\"?>\n<testsuites name=\"mine\"/>\n"),
    ] {
        let file = place.write(name, text);
        expect_refused(&place, &file, "it is neither empty nor", false);
        assert_eq!(fs::read_to_string(&file).expect("still there"), text);
    }
    let program = place.install("server", winddown_path());
    let before = fs::metadata(&program).expect("a program");
    expect_refused(&place, &program, "it is neither empty nor", false);
    let after = fs::metadata(&program).expect("still there");
    assert_eq!((before.ino(), before.len(), before.mode()), (after.ino(), after.len(), after.mode()));
    let socket = place.file("socket");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    expect_refused(&place, &socket, "that is a socket", false);
    assert!(fs::metadata(&socket).expect("still there").file_type().is_socket());
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::from_bits_truncate(0o600)).expect("a FIFO");
    expect_refused(&place, &fifo, "that is a FIFO", true);
    assert!(fs::metadata(&fifo).expect("still there").file_type().is_fifo());
    let directory = place.file("directory");
    fs::create_dir(&directory).expect("a directory");
    expect_refused(&place, &directory, "name a file in it", false);
    assert!(Path::new(&directory).is_dir());
}

fn no_link_is_followed() {
    let place = TempDir::new();
    let empty = place.write("empty", "");
    symlink(&empty, place.file("link")).expect("a link");
    symlink("nothing", place.file("dangling")).expect("a link");
    symlink("circle", place.file("circle")).expect("a link");
    for name in ["link", "dangling", "circle"] {
        let link = place.file(name);
        expect_refused(&place, &link, "that is a link", false);
        assert!(fs::symlink_metadata(&link).expect("still there").is_symlink());
    }
    assert_eq!(fs::metadata(&empty).expect("still there").len(), 0);
    assert!(!Path::new(&place.file("nothing")).exists());
}

fn no_device_is_removed_or_written_to() {
    let place = TempDir::new();
    let device = |name: &str, kind, major, minor| {
        let path = place.file(name);
        mknod(path.as_str(), kind, Mode::from_bits_truncate(0o600), makedev(major, minor)).expect("a device");
        path
    };
    let null = device("null", SFlag::S_IFCHR, 1, 3);
    expect_refused(&place, &null, "that is a device", true);
    // Writing to it is harmless.
    assert!(
        Winddown::new().args(["--record", &null]).command(["true"]).run().expect_code(0).err().is_empty()
    );
    // There is no such driver: an attempt to open the device would show in the message.
    let others = [device("block", SFlag::S_IFBLK, 259, 1_000_000), device("char", SFlag::S_IFCHR, 200, 200)];
    for other in &others {
        expect_refused(&place, other, "that is a device", false);
    }
    for path in others.iter().chain([&null]) {
        let kind = fs::metadata(path).expect("still there").file_type();
        assert!(kind.is_block_device() || kind.is_char_device());
    }
}

fn what_is_empty_or_of_its_kind_is_taken() {
    let place = TempDir::new();
    let record = place.write("record", "");
    for status in [3, 4] {
        Winddown::new()
            .args(["--record", &record])
            .workload(&format!("--exit {status}"))
            .run()
            .expect_code(status);
        assert_eq!(read_json(&record)["exit_status"], status);
        let html = place.file("page.html");
        report(&["--html", &html, &record]).expect_code(0);
        let token = place.file("token");
        let run = Winddown::new().args(["--token", &token]);
        let run = run.workload(&format!("--on TERM [ --until {token} --exit 3 ] --print up --serve")).start();
        run.wait_out("up");
        assert!(!Path::new(&token).exists(), "that of the last run is still there");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3);
        assert!(file_lines(&token)[0].starts_with("reason=SIGTERM"));
        let options = OF_CHECK
            .iter()
            .enumerate()
            .map(|(number, option)| format!("{option}{}", place.file(&number.to_string())));
        let words = ["check", "--only=stops,exit-status", "--ready=log:up"]
            .map(str::to_owned)
            .into_iter()
            .chain(options);
        let run = Winddown::new().args(words).workload("--on TERM [ --exit 9 ] --print up --serve");
        let ended = run.run().expect_code(1);
        assert!(!ended.dump().contains("cannot write"), "{}", ended.dump());
        let number = |number: usize| fs::metadata(place.file(&number.to_string())).expect("a report");
        assert!((0..OF_CHECK.len()).all(|index| number(index).len() > 0));
    }
    // No kind of file is taken for another.
    let other = report(&["--html", &record, &record]).expect_code(125);
    expect_lines(
        &other.err(),
        str![
            "winddown: report: invalid value '[DIR]/record' for '--html <OUT.html>': it is neither empty nor a page of winddown; name another file (see --help)"
        ],
    );
    assert_eq!(read_json(&record)["exit_status"], 4);
    // No temporary file is left.
    let names = fs::read_dir(place.path()).expect("a directory").flatten().map(|one| one.file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}

fn one_refused_option_leaves_the_files_of_the_others() {
    let place = TempDir::new();
    let token = place.write("token", TOKEN);
    let notes = place.write("notes", "dear diary\n");
    let ended = Winddown::new().args(["--token", &token, "--record", &notes]).command(["true"]).run();
    expect_lines(
        &ended.expect_code(125).err(),
        str![
            "winddown: invalid value '[DIR]/notes' for '--record <FILE>': it is neither empty nor a record; name another file (see --help)"
        ],
    );
    let ended = Winddown::new().args(["--token", &token, "--nonsense"]).command(["true"]).run();
    ended.expect_code(125);
    Winddown::new().args(["--token", &token, "--explain-plan"]).run().expect_code(0);
    assert_eq!(fs::read_to_string(&token).expect("still there"), TOKEN);
}

const TOKEN: &str = "reason=SIGTERM\ndeadline_ms=5\ndeadline_monotonic_ms=infinity\n";

/// Without a free descriptor for the workload, the start fails.
fn a_token_is_not_removed_before_the_start_is_tried() {
    let place = TempDir::new();
    let token = place.write("token", TOKEN);
    let run = Winddown::new().args(["--no-guard", "--token", &token]).command(["true"]);
    let ended = run.limit(libc::RLIMIT_NOFILE, 4).run().expect_code(125);
    expect_lines(
        &ended.err(),
        str!["winddown: cannot open a descriptor for the workload: Too many open files"],
    );
    assert_eq!(fs::read_to_string(&token).expect("still there"), TOKEN);
}

/// The workload puts something there while it runs.
fn what_has_come_there_meanwhile_stays() {
    for (script, is_kept) in [
        ("echo mine > $0", "[ \"$(cat $0)\" = mine ]"),
        ("echo mine > $0.other; ln -s $0.other $0", "[ -L $0 ] && [ \"$(cat $0.other)\" = mine ]"),
        ("ln -s $0.other $0", "[ -L $0 ] && [ ! -e $0.other ]"),
        ("mkdir $0", "[ -d $0 ]"),
    ] {
        let place = TempDir::new();
        let file = place.file("file");
        let script =
            format!("{script}; trap 'sleep 0.3; exit 3' TERM; echo up; while :; do sleep 0.02; done");
        for option in OF_RUNS {
            let _ = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
            let run = Winddown::new().args([option, &file]).command(["sh", "-c", &script, &file]).start();
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(3).expect_nothing_left();
            let expected = format!("{option} {file}: ");
            assert!(ended.err().iter().any(|line| line.contains(&expected)), "{script}: {}", ended.dump());
            Winddown::bare().command(["sh", "-c", is_kept, &file]).run().expect_code(0);
            let names = fs::read_dir(place.path()).expect("a directory").flatten().map(|one| one.file_name());
            assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')), "{script}");
        }
    }
    // A FIFO that has become a file is not overwritten.
    let place = TempDir::new();
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::from_bits_truncate(0o600)).expect("a FIFO");
    let script = "rm $0 && echo mine > $0";
    let ended = Winddown::new().args(["--record", &fifo]).command(["sh", "-c", script, &fifo]).run();
    expect_lines(
        &ended.expect_code(0).err(),
        str![
            "winddown: --record [DIR]/fifo: it is neither empty nor a record; name another file; the run is not recorded"
        ],
    );
    assert_eq!(fs::read_to_string(&fifo).expect("still there"), "mine\n");
}

fn of_a_shared_directory_only_what_is_ones_own_is_taken() {
    let place = TempDir::new();
    place.install("winddown", winddown_path());
    fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).expect("our directory");
    let mut transcript = Transcript::default();
    for option in OF_RUNS {
        let file = place.write("file", "");
        let by = |user: &str| {
            let words = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"];
            Winddown::new().prefix(words).binary(place.file("winddown"))
        };
        for (owner, user) in [(65_534, "0"), (0, "65534"), (1234, "65534")] {
            std::os::unix::fs::chown(&file, Some(owner), None).expect("our file");
            fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("our file");
            let ended = by(user).args([option, &file]).command(["true"]).run().expect_code(125);
            transcript.add(["winddown", option, &file, "true"], &ended);
            assert_eq!(fs::metadata(&file).expect("still there").uid(), owner);
        }
        std::os::unix::fs::chown(&file, Some(65_534), None).expect("our file");
        by("65534").args([option, &file]).command(["true"]).run().expect_code(0);
        let _ = fs::remove_file(&file);
    }
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::from_bits_truncate(0o600)).expect("a FIFO");
    std::os::unix::fs::chown(&fifo, Some(65_534), None).expect("our FIFO");
    let ended = Winddown::new().args(["--record", &fifo]).command(["true"]).run().expect_code(125);
    transcript.add(["winddown", "--record", &fifo, "true"], &ended);
    transcript.expect(file!["snapshots/own_files/another_users.txt"]);
}

fn other_names_of_a_file_keep_what_they_had() {
    let place = TempDir::new();
    let (one, other) = (place.write("one", RECORD), place.file("other"));
    fs::hard_link(&one, &other).expect("another name");
    Winddown::new().args(["--record", &one]).workload("--exit 3").run().expect_code(3);
    assert_eq!(read_json(&one)["exit_status"], 3);
    assert_eq!(fs::read_to_string(&other).expect("still there"), RECORD);
}

fn an_endless_file_is_refused_at_once() {
    let place = TempDir::new();
    let file = place.write("file", "{\"command\":[");
    fs::OpenOptions::new().write(true).open(&file).and_then(|file| file.set_len(1 << 40)).expect("a hole");
    for option in OF_RUNS {
        let ended = Winddown::new().args([option, &file]).command(["true"]).run().expect_code(125);
        assert!(ended.duration < Duration::from_secs(5), "{}", ended.dump());
    }
}

fn several_records_in_one_file_are_kept() {
    let place = TempDir::new();
    let file = place.write("all", &RECORD.repeat(2));
    Winddown::new().args(["--record", &file]).command(["true"]).run().expect_code(125);
    assert_eq!(file_lines(&file).len(), 2);
}

fn a_directory_that_was_deleted_is_named() {
    let place = TempDir::new();
    let gone = place.file("gone");
    fs::create_dir(&gone).expect("a directory");
    let mut transcript = Transcript::default();
    for option in OF_RUNS {
        let script = format!("cd {gone} && rmdir {gone} && exec \"$@\"");
        let run = Winddown::new().prefix(["sh", "-c", &script, "sh"]).args([option, "r.json"]);
        transcript.add(["winddown", option, "r.json", "true"], &run.command(["true"]).run().expect_code(125));
        fs::create_dir(&gone).expect("a directory");
    }
    transcript.expect(file!["snapshots/own_files/deleted_directory.txt"]);
}
