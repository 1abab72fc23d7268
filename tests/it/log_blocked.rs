//! Nothing that happens to stderr changes when winddown asks or kills, or how it exits.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use serde_json::Value;

use crate::support::builder::{Stream, Winddown};
use crate::support::{TempDir, eventually, processes, short_or_long, trials};
use crate::terminal::{expect_status, in_bash, winddown_of};

trials![
    a_full_pipe_is_not_waited_for,
    a_broken_pipe_is_no_signal_for_the_workload,
    a_closed_stderr_stays_closed,
    a_full_device_is_not_waited_for,
    a_full_socket_is_not_waited_for,
    a_closed_socket_is_no_signal_for_the_workload,
    needs("bash") => a_terminal_stopped_by_ctrl_s_is_not_waited_for,
    a_terminal_without_a_reader_is_not_waited_for,
    a_terminal_with_little_room_is_not_waited_for,
    the_last_line_comes_though_the_workload_has_filled_the_terminal,
    needs("root", "unshare") => a_full_disk_loses_only_lines,
    lost_lines_are_counted_and_reported_with_the_next,
    lost_lines_are_counted_in_json,
    the_workloads_stderr_keeps_its_mode,
];

/// Longer than any delay that is not a block; waiting for a line would block forever.
const SOON: Duration = Duration::from_secs(8);

/// A run that must be killed after 300 ms, with many lines to log.
#[track_caller]
fn expect_kill_in_time(what: &str, options: &[&str], stream: impl Fn() -> Stream) {
    for guard in [&[][..], &["--no-guard"]] {
        let run = Winddown::new()
            .args(["-v", "-t", "300ms"])
            .args(options)
            .args(guard)
            .workload("--ignore TERM --on PIPE,USR1 [ ] --spawn child w [ --ignore TERM --serve ] --print up --serve")
            .stderr(stream())
            .start();
        run.wait_out("up");
        for count in 1..=3 {
            run.signal(libc::SIGUSR1);
            run.wait_out_times("got 10 ", count);
        }
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait();
        assert_eq!(ended.code(), Some(137), "{what} {guard:?}: {}", ended.dump());
        assert!(ended.since(asked) >= Duration::from_millis(300), "{what} {guard:?}: too early");
        assert!(ended.since(asked) < SOON, "{what} {guard:?}: too late: {}", ended.dump());
        assert_eq!(ended.count_out("got 13"), 0, "{what} {guard:?}: {}", ended.dump());
        ended.expect_nothing_left();
    }
}

/// A full pipe, with its reader.
fn full_pipe() -> (File, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    fill(&writer);
    (OwnedFd::from(reader).into(), writer)
}

/// Writes until the descriptor takes nothing more; afterwards it is blocking again.
fn fill(descriptor: &OwnedFd) {
    fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    for size in [256, 1] {
        while nix::unistd::write(descriptor, &vec![b'x'; size]).is_ok() {}
    }
    fcntl(descriptor, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}

fn a_full_pipe_is_not_waited_for() {
    let (_reader, writer) = full_pipe();
    expect_kill_in_time("full pipe", &[], || Stream::Fd(writer.try_clone().unwrap()));
}

fn a_broken_pipe_is_no_signal_for_the_workload() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let writer = OwnedFd::from(writer);
    expect_kill_in_time("broken pipe", &[], || Stream::Fd(writer.try_clone().unwrap()));
}

/// winddown doesn't write to a file that is opened later and gets the number 2: here, the record.
fn a_closed_stderr_stays_closed() {
    let place = TempDir::new();
    let record = place.file("record");
    expect_kill_in_time("closed", &["--record", &record], || Stream::Closed);
    let text = fs::read_to_string(record).unwrap();
    serde_json::from_str::<Value>(&text).expect("one JSON object and no line of a log");
}

fn a_full_device_is_not_waited_for() {
    expect_kill_in_time("/dev/full", &[], || Stream::File("/dev/full".into()));
}

fn a_full_socket_is_not_waited_for() {
    let (_reader, writer) = UnixStream::pair().unwrap();
    let writer = OwnedFd::from(writer);
    fill(&writer);
    expect_kill_in_time("full socket", &[], || Stream::Fd(writer.try_clone().unwrap()));
}

fn a_closed_socket_is_no_signal_for_the_workload() {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let writer = OwnedFd::from(writer);
    expect_kill_in_time("closed socket", &[], || Stream::Fd(writer.try_clone().unwrap()));
}

fn a_terminal_stopped_by_ctrl_s_is_not_waited_for() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -v -t 300ms $WL --ignore TERM --say pid --print up --serve"));
        pty.expect("up");
        let main = pty.number("pid");
        let winddown = winddown_of(main);
        pty.keys("\x13");
        let asked = Instant::now();
        pty.tag().signal(winddown, libc::SIGTERM);
        eventually("winddown ends though its terminal is stopped", || !processes::is_alive(winddown));
        assert!(asked.elapsed() >= Duration::from_millis(300) && asked.elapsed() < SOON);
        assert!(!processes::is_alive(main));
        pty.keys("\x11");
        pty.prompt();
        expect_status(pty, 137);
    });
}

/// The terminal's window hangs, or a connection is lost: its output is no longer read.
fn stuck_terminal() -> (OwnedFd, OwnedFd) {
    let pty = openpty(None, None).unwrap();
    fill(&pty.slave);
    (pty.master, pty.slave)
}

fn a_terminal_without_a_reader_is_not_waited_for() {
    let (_master, slave) = stuck_terminal();
    expect_kill_in_time("stuck terminal", &[], || Stream::Fd(slave.try_clone().unwrap()));
}

/// Such a terminal polls as writable when there is room for a part of a line.
fn a_terminal_with_little_room_is_not_waited_for() {
    let room = || {
        let (master, slave) = stuck_terminal();
        let mut reader = File::from(master);
        let is_ready = || {
            let mut one = [PollFd::new(slave.as_fd(), PollFlags::POLLOUT)];
            poll(&mut one, PollTimeout::ZERO) == Ok(1)
        };
        while !is_ready() {
            reader.read_exact(&mut [0; 64]).unwrap();
        }
        // Open for as long as the test lasts: a hung-up terminal would be another case.
        std::mem::forget(reader);
        Stream::Fd(slave)
    };
    expect_kill_in_time("terminal with little room", &["--log-format", "json"], room);
}

/// The reader does read; it is only behind.
fn the_last_line_comes_though_the_workload_has_filled_the_terminal() {
    for round in 0..short_or_long(10, 60) {
        let pty = openpty(None, None).unwrap();
        let mut reader = File::from(pty.master);
        let shown = std::thread::spawn(move || {
            let (mut end, mut part) = (Vec::new(), vec![0; 65536]);
            while let Ok(length @ 1..) = reader.read(&mut part) {
                end.extend_from_slice(&part[..length]);
                end.drain(..end.len().saturating_sub(1000));
            }
            String::from_utf8_lossy(&end).into_owned()
        });
        let run = Winddown::new()
            .args(["-t", "50ms", "--no-guard"])
            .workload("--ignore TERM --spawn child f [ --sleep 1 --flood 2 2000000000 ] --print up --serve")
            .stderr(Stream::Fd(pty.slave))
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(137).expect_nothing_left();
        let shown = shown.join().unwrap();
        assert!(shown.contains("killed in"), "round {round}: {shown}");
    }
}

fn a_full_disk_loses_only_lines() {
    let place = TempDir::new();
    let directory = place.path().to_str().unwrap();
    // The script opens the log on the full disk, prints it afterwards, and passes the status on.
    let script = format!(
        "mount -t tmpfs -o size=4k none {directory} && exec 2>{directory}/log && \
         head -c 4000 /dev/zero | tr '\\0' x >&2; \"$@\"; status=$?; cat {directory}/log; exit $status"
    );
    let run = Winddown::new()
        .prefix(["unshare", "--mount", "sh", "-c", &script, "sh"])
        .args(["-v", "-t", "300ms"])
        .workload("--ignore TERM --on USR1 [ ] --say ppid --print up --serve")
        .start();
    run.wait_out("up");
    let winddown = winddown_of(processes::children(run.number("ppid"))[0].pid);
    let asked = Instant::now();
    run.tag().signal(winddown, libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(asked.elapsed() >= Duration::from_millis(300) && asked.elapsed() < SOON, "{}", ended.dump());
    assert!(ended.out_bytes().len() > 4000, "{}", ended.dump());
}

/// Starts a run whose lines can't be written, sends it signals that are logged, and makes room. Returns
/// the lines from then on. Each signal is one line.
fn lines_after_loss(format: &str) -> Vec<String> {
    let (mut reader, writer) = full_pipe();
    let run = Winddown::new()
        .args(["-v", "--log-format", format])
        .workload("--on USR1 [ ] --on USR2 [ --exit 0 ] --print up --serve")
        .stderr(Stream::Fd(writer))
        .start();
    run.wait_out("up");
    for count in 1..=4 {
        run.signal(libc::SIGUSR1);
        run.wait_out_times("got 10 ", count);
    }
    // The line of the fourth may still be on its way; winddown has given up those before it.
    let mut filled = vec![0; 65536];
    reader.read_exact(&mut filled).unwrap();
    run.signal(libc::SIGUSR1);
    run.wait_out_times("got 10 ", 5);
    run.signal(libc::SIGUSR2);
    run.wait().expect_code(0);
    let mut found = String::new();
    reader.read_to_string(&mut found).unwrap();
    found
        .lines()
        .map(|line| line.trim_start_matches('x').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// `started`, five times USR1, USR2, `reaped` and `ended`: logged, or counted as lost.
const LINES: usize = 9;

fn lost_lines_are_counted_and_reported_with_the_next() {
    let found = lines_after_loss("text");
    let count = |line: &String| {
        let (before, _) =
            line.split_once(if line.contains("1 line before") { " line before" } else { " lines before" })?;
        before.rsplit_once('(')?.1.parse::<usize>().ok()
    };
    let lost: Vec<usize> = found.iter().filter_map(count).collect();
    assert_eq!(lost.len(), 1, "logged once: {found:#?}");
    assert!(lost[0] >= 4, "{found:#?}");
    assert!(count(&found[0]).is_some(), "with the next line: {found:#?}");
    assert_eq!(lost[0] + found.len(), LINES, "{found:#?}");
    assert!(found[0].ends_with(&format!(" ({} lines before this one were lost)", lost[0])), "{found:#?}");
}

fn lost_lines_are_counted_in_json() {
    let found: Vec<Value> =
        lines_after_loss("json").iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let lost: Vec<u64> = found.iter().filter_map(|line| line["lost_lines"].as_u64()).collect();
    assert_eq!(lost.len(), 1, "logged once: {found:#?}");
    assert_eq!(usize::try_from(lost[0]).unwrap() + found.len(), LINES, "{found:#?}");
    assert!(found[0]["lost_lines"].is_u64());
}

/// The workload shares the descriptor: winddown must not make it non-blocking.
fn the_workloads_stderr_keeps_its_mode() {
    let (_reader, writer) = full_pipe();
    let pty = openpty(None, None).unwrap();
    for stream in [writer, pty.slave] {
        let run = Winddown::new()
            .args(["-v"])
            .workload("--on USR1 [ ] --say pid --print up --serve")
            .stderr(Stream::Fd(stream))
            .start();
        run.wait_out("up");
        for count in 1..=2 {
            run.signal(libc::SIGUSR1);
            run.wait_out_times("got 10 ", count);
        }
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/2", run.number("pid"))).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0, "{info}");
    }
}
