//! Where a record goes: files, links, descriptors, FIFOs and devices. A record that can't be written never
//! changes the exit status.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::time::Duration;

use serde_json::Value;
use snapbox::str;

use crate::support::builder::{Stream, Winddown};
use crate::support::running::Ended;
use crate::support::snapshot::{expect_lines, expect_log};
use crate::support::{TempDir, read_json, trials};

trials![
    a_reader_sees_the_old_or_the_new_file,
    a_relative_name_is_of_the_directory_at_the_start,
    a_new_file_has_the_usual_mode,
    a_replaced_file_keeps_its_mode,
    needs("root") => a_replaced_file_keeps_its_owner,
    needs("root", "pid-namespace") => leftovers_of_a_kill_are_no_obstacle,
    a_descriptor_is_for_winddown_alone,
    a_pipe_and_a_socket_take_a_record,
    a_standard_stream_is_the_workloads_too,
    a_fifo_with_a_reader_gets_it_in_one_piece,
    trouble_with_the_record_changes_nothing,
    a_full_pipe_is_not_waited_for,
    needs("root", "unshare") => a_full_disk_keeps_the_old_record,
];

/// A run that exits with 7, with this place for its record.
#[track_caller]
fn run_with(place: &str) -> Ended {
    Winddown::new().args(["--record", place]).workload("--exit 7").run().expect_code(7)
}

#[track_caller]
fn parse(text: &str) -> Value {
    assert!(text.ends_with("}\n") && text.matches('\n').count() == 1, "one line: {text:?}");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn expect_silent(ended: &Ended) {
    assert!(ended.err().is_empty(), "{}", ended.dump());
}

fn a_reader_sees_the_old_or_the_new_file() {
    let place = TempDir::new();
    let file = place.file("run.json");
    Winddown::new().args(["--record", &file]).workload("--exit 5").run().expect_code(5);
    let mut reader = File::open(&file).unwrap();
    let old = fs::metadata(&file).unwrap().ino();
    for guard in [&[][..], &["--no-guard"]] {
        let run = Winddown::new().args(guard).args(["--record", &file]).workload("--exit 7");
        expect_silent(&run.run().expect_code(7));
        assert_eq!(parse(&fs::read_to_string(&file).unwrap())["exit_status"], 7);
    }
    assert_ne!(fs::metadata(&file).unwrap().ino(), old, "written in place");
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(parse(&text)["exit_status"], 5);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "a temporary file is left");
}

fn a_relative_name_is_of_the_directory_at_the_start() {
    let place = TempDir::new();
    fs::create_dir(place.file("sub")).unwrap();
    for name in ["run.json", "./sub/run.json", "sub/../other.json"] {
        let run = Winddown::new().directory(place.path()).args(["--record", name]);
        run.workload("--cd / --exit 7").run().expect_code(7);
        assert_eq!(read_json(place.path().join(name))["outcome"], "failed");
    }
}

fn a_new_file_has_the_usual_mode() {
    for (mask, mode) in [(0o022, 0o644), (0o077, 0o600)] {
        let place = TempDir::new();
        let file = place.file("run.json");
        let umask = move || {
            // SAFETY: changes only the process that becomes winddown.
            unsafe { libc::umask(mask) };
            Ok(())
        };
        Winddown::new()
            .before_exec(umask)
            .args(["--record", &file])
            .workload("--exit 7")
            .run()
            .expect_code(7);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, mode);
    }
}

fn a_replaced_file_keeps_its_mode() {
    for mode in [0o600, 0o640, 0o666, 0o6755] {
        let place = TempDir::new();
        let file = place.write("run.json", "");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        expect_silent(&run_with(&file));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, mode & 0o777, "no more rights than that");
        assert_eq!(read_json(&file)["exit_status"], 7);
    }
}

fn a_replaced_file_keeps_its_owner() {
    let place = TempDir::new();
    let file = place.write("run.json", "");
    std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
    expect_silent(&run_with(&file));
    let now = fs::metadata(&file).unwrap();
    assert_eq!((now.uid(), now.gid()), (1234, 4321));
    assert_eq!(read_json(&file)["exit_status"], 7);
}

/// As PID 1 winddown has the same pid in every run, so its temporary file has the same name.
fn leftovers_of_a_kill_are_no_obstacle() {
    let place = TempDir::new();
    let file = place.file("run.json");
    let left = place.write(".winddown.1.0.tmp", "half a rec");
    let ended = Winddown::new().pid_1().args(["--record", &file]).workload("--exit 7").run().expect_code(7);
    expect_silent(&ended);
    assert_eq!(read_json(&file)["exit_status"], 7);
    // Its origin is unknown, so it stays.
    assert_eq!(fs::read_to_string(&left).unwrap(), "half a rec");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

fn a_descriptor_is_for_winddown_alone() {
    for guard in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let file = place.write("run.json", "before\n");
        let fd = OwnedFd::from(fs::OpenOptions::new().append(true).open(&file).unwrap());
        let number = format!("fd:{}", fd.as_raw_fd());
        let run = Winddown::new().args(guard).inherits(fd).args(["--record", &number]);
        let ended = run.workload("--say fds --exit 7").run().expect_code(7);
        assert_eq!(ended.fact("fds"), "0,1,2");
        let text = fs::read_to_string(&file).unwrap();
        let record = text.strip_prefix("before\n").expect("what was there stays");
        assert_eq!(parse(record)["exit_status"], 7);
    }
}

fn a_pipe_and_a_socket_take_a_record() {
    let (pipe_reader, pipe) = std::io::pipe().unwrap();
    let (socket_reader, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    for (reader, fd) in
        [(OwnedFd::from(pipe_reader), OwnedFd::from(pipe)), (socket_reader.into(), socket.into())]
    {
        let number = format!("fd:{}", fd.as_raw_fd());
        let run = Winddown::new().inherits(fd).args(["--record", &number]).workload("--exit 7");
        expect_silent(&run.run().expect_code(7));
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        assert_eq!(parse(&text)["exit_status"], 7);
    }
}

/// The workload writes to it as usual, and the record is the last line; even where the stream is a file,
/// which must not be replaced while the workload writes to it.
fn a_standard_stream_is_the_workloads_too() {
    for (place, is_out) in
        [("/dev/stdout", true), ("-", true), ("fd:1", true), ("/dev/stderr", false), ("fd:2", false)]
    {
        let run = Winddown::new().args(["--record", place]).workload("--flood 1 64 --flood 2 64 --exit 7");
        let ended = run.run().expect_code(7);
        let (with, without) = if is_out { (ended.out(), ended.err()) } else { (ended.err(), ended.out()) };
        assert_eq!((with.len(), without.len()), (2, 1), "{place}: {}", ended.dump());
        assert_eq!(parse(&format!("{}\n", with[1]))["exit_status"], 7);
        let directory = TempDir::new();
        let file = directory.write("out", "before\n");
        let run = Winddown::new().args(["--record", place]).workload("--flood 1 64 --flood 2 64 --exit 7");
        let stream = Stream::File((&file).into());
        let run = if is_out { run.stdout(stream) } else { run.stderr(stream) };
        run.run().expect_code(7);
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "before"), "{place}: {text}");
        assert_eq!(parse(&format!("{}\n", lines[2]))["exit_status"], 7);
    }
}

fn mkfifo(place: &TempDir) -> String {
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    fifo
}

fn a_fifo_with_a_reader_gets_it_in_one_piece() {
    let place = TempDir::new();
    let fifo = mkfifo(&place);
    let open = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo);
    let mut reader = open.unwrap();
    expect_silent(&run_with(&fifo));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(parse(&text)["exit_status"], 7);
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
}

/// One line says what is wrong; the status and the duration of the run don't change.
fn trouble_with_the_record_changes_nothing() {
    let place = TempDir::new();
    let fifo = mkfifo(&place);
    for (file, reason) in [
        ("/dev/full", "No space left on device"),
        ("/proc/run.json", "No such file or directory"),
        (fifo.as_str(), "no process reads from it"),
    ] {
        let ended = run_with(file);
        let expected = format!("winddown: --record {file}: {reason}; the run is not recorded");
        assert_eq!(ended.err(), [expected]);
        assert!(ended.duration < Duration::from_secs(10), "{}", ended.dump());
    }
    expect_silent(&run_with("/dev/null"));
    // The directory is removed during the run.
    let gone = TempDir::new();
    let directory = gone.file("sub");
    fs::create_dir(&directory).unwrap();
    let run = Winddown::new().args(["--record", &format!("{directory}/run.json")]);
    let run = run.workload("--on TERM [ --exit 7 ] --print up --serve").start();
    run.wait_out("up");
    fs::remove_dir(&directory).unwrap();
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(7);
    expect_log(
        &ended.err(),
        str![[r#"
winddown: SIGTERM from [TEST]: stopping workload (pid [PID]), SIGKILL in 10s (default)
winddown: stopped in [TIME] of 10s: workload (pid [PID]) exited with 7
winddown: --record [DIR]/sub/run.json: its directory was deleted; the run is not recorded
"#]],
    );
}

fn a_full_pipe_is_not_waited_for() {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let flags = |flags| nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    flags(nix::fcntl::OFlag::O_NONBLOCK);
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    flags(nix::fcntl::OFlag::empty());
    let number = format!("fd:{}", writer.as_raw_fd());
    let run = Winddown::new().inherits(writer).args(["--record", &number]).workload("--exit 7");
    let ended = run.run().expect_code(7);
    assert!(ended.duration < Duration::from_secs(10), "{}", ended.dump());
    // The number is that of a free descriptor.
    let log: Vec<String> = ended.err().iter().map(|line| line.replace(&number, "[NUMBER]")).collect();
    expect_log(
        &log,
        str![
            "winddown: --record [NUMBER]: there is no room: its reader does not keep up; the run is not recorded"
        ],
    );
    drop(reader);
}

/// The fields by which a record is recognised.
const OLD: &str = r#"{"command":["x"],"exit_status":0,"phases":[{}],"winddown":"0.1.0"}"#;

fn a_full_disk_keeps_the_old_record() {
    let place = TempDir::new();
    let directory = place.path().to_str().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=8k none {directory} && echo '{OLD}' > {directory}/run.json && \
         head -c 4096 /dev/zero > {directory}/full && \"$@\"; status=$?; cat {directory}/run.json; ls -A {directory}; \
         exit $status"
    );
    let run = Winddown::new().prefix(["unshare", "--mount", "sh", "-c", &script, "sh"]);
    let ended =
        run.args(["--record", &format!("{directory}/run.json")]).workload("--exit 7").run().expect_code(7);
    assert_eq!(ended.out(), [OLD, "full", "run.json"], "{}", ended.dump());
    expect_lines(
        &ended.err(),
        str!["winddown: --record [DIR]/run.json: No space left on device; the run is not recorded"],
    );
}
