//! The live line of a stop that takes more than a second, at a terminal.

use std::time::{Duration, Instant};

use crate::support::screen::{Narrowed, Screen, replay};
use crate::support::{Pty, TempDir, eventually, processes, trials};
use crate::terminal::{expect_status, in_bash, winddown_of};

trials![
    needs("bash") => it_counts_down_and_leaves_nothing_behind,
    needs("bash") => it_promises_only_what_ctrl_c_would_do,
    needs("bash") => a_log_line_takes_its_place,
    needs("bash") => a_narrow_terminal_still_says_what_ctrl_c_does,
    needs("bash") => a_terminal_that_becomes_narrower_keeps_no_stale_copy,
    needs("bash") => without_a_limit_it_counts_up,
    needs("bash") => it_names_the_hook_that_runs,
    needs("bash", "python3", "root", "unshare") => it_counts_connections,
    needs("bash") => names_do_not_command_the_terminal,
    needs("bash") => only_a_stop_that_lasts_has_one,
    needs("bash") => only_a_log_for_people_on_a_terminal_has_one,
    needs("bash") => a_job_in_the_background_has_none,
    needs("bash") => a_program_that_reads_single_keys_has_none,
    needs("bash") => a_stopped_terminal_does_not_delay_sigkill,
];

/// As a terminal of 200 columns shows it.
const WIDTH: usize = 200;

/// A terminal that knows more than a dumb one. The line is too long to be typed again and again.
fn with_term(winddown: &str) -> String {
    format!("TERM=xterm {winddown}")
}

/// Every text of the live line, in order.
fn shown(pty: &Pty) -> Vec<String> {
    let text = pty.screen();
    let parts = text.split("\rstopping").skip(1);
    parts.filter_map(|part| part.split_once("\x1b[")).map(|(line, _)| format!("stopping{line}")).collect()
}

/// The seconds left, as shown.
#[track_caller]
fn seconds_left(line: &str) -> f64 {
    let left = line.strip_prefix("stopping: ").and_then(|rest| rest.split_once("s left"));
    left.and_then(|(left, _)| left.parse().ok()).unwrap_or_else(|| panic!("no time in {line:?}"))
}

/// Asks winddown, not its group.
#[track_caller]
fn term(pty: &Pty, main: i32) {
    pty.tag().signal(winddown_of(main), libc::SIGTERM);
}

/// Panics if any part of a live line is still on the screen.
#[track_caller]
fn assert_cleared(pty: &Pty) {
    let screen = replay(&pty.screen(), WIDTH);
    assert!(!screen.iter().any(|line| line.contains("stopping: ") && line.contains("s left")), "{screen:#?}");
    let found = screen.iter().filter(|line| line.contains("winddown: "));
    assert!(found.clone().count() >= 2, "{screen:#?}");
    assert!(found.clone().all(|line| line.starts_with("winddown: ") || line.starts_with('^')), "{screen:#?}");
}

fn it_counts_down_and_leaves_nothing_behind() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 3s $WL --ignore INT --say pid --print up --serve"));
        pty.expect("\r\nup");
        let main = pty.number("pid");
        let pressed = Instant::now();
        pty.keys("\x03");
        pty.expect("\rstopping: ");
        assert!(pressed.elapsed() >= Duration::from_secs(1), "too early:\n{}", pty.screen());
        pty.prompt();
        expect_status(pty, 137);
        let lines = shown(pty);
        // At 1, 1.5, 2 and 2.5 s; a busy machine may miss one.
        assert!((2..=4).contains(&lines.len()), "{lines:#?}");
        let left: Vec<f64> = lines.iter().map(|line| seconds_left(line)).collect();
        assert!(left[0] <= 2.0 && left.is_sorted_by(|a, b| a > b), "{left:?}");
        assert!(left.iter().all(|left| *left >= 0.1), "not shortly before SIGKILL: {left:?}");
        let waiting = format!("(pid {main}); Ctrl+C again kills now");
        assert!(lines.iter().all(|line| line.contains("; waiting for ") && line.ends_with(&waiting)));
        assert_cleared(pty);
    });
}

fn it_promises_only_what_ctrl_c_would_do() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 30s $WL --ignore INT,TERM --say pid --print up --serve"));
        pty.expect("\r\nup");
        term(pty, pty.number("pid"));
        pty.expect("\rstopping: ");
        pty.expect("\x1b[K");
        assert!(!shown(pty).iter().any(|line| line.contains("Ctrl+C")), "{:#?}", shown(pty));
        pty.keys("\x03");
        pty.expect("; Ctrl+C again kills now\x1b[K");
        pty.keys("\x03");
        pty.expect("killing at once");
        pty.prompt();
        assert_eq!(pty.count("--stop-on TERM"), 0, "it was not Ctrl+C that began the stop");
        assert_cleared(pty);
    });
}

fn a_log_line_takes_its_place() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 3200ms $WL --ignore TERM --say pid --print up --serve"));
        pty.expect("\r\nup");
        term(pty, pty.number("pid"));
        pty.expect("\rstopping: ");
        pty.expect("\r\x1b[K\x1b[1mwinddown:\x1b[0m ");
        assert_eq!(pty.expect("s left; still there: ").len(), "1.6".len(), "{}", pty.screen());
        pty.expect("\rstopping: ");
        pty.prompt();
        assert_cleared(pty);
    });
}

fn a_narrow_terminal_still_says_what_ctrl_c_does() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 30s $WL --ignore INT --print up --serve"));
        pty.expect("\r\nup");
        pty.resize(24, 50);
        pty.keys("\x03");
        // "stopping: 28.9s left; Ctrl+C again kills now" has 44 columns.
        pty.expect("\rstopping: ");
        pty.expect("s left; Ctrl+C again kills now\x1b[");
        pty.resize(24, 30);
        pty.expect("\rCtrl+C again kills now\x1b[");
        pty.keys("\x03");
        pty.prompt();
        pty.resize(24, 200);
    });
}

fn a_terminal_that_becomes_narrower_keeps_no_stale_copy() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 30s $WL --ignore INT,TERM --say pid --print up --serve"));
        pty.expect("\r\nup");
        let main = pty.number("pid");
        term(pty, main);
        pty.expect("\rstopping: ");
        pty.expect(&format!("waiting for {}", "workload"));
        pty.expect("\x1b[K\r");
        // The live line has 50 columns and more.
        pty.resize(24, 30);
        let wide = pty.screen();
        pty.expect("\rstopping: ");
        pty.expect("\r");
        // Also directly from a long line to a line of the log.
        pty.resize(24, 200);
        let narrow = pty.screen();
        pty.expect("\rstopping: ");
        pty.expect("waiting for ");
        pty.expect("\x1b[K\r");
        pty.resize(24, 40);
        let wide_again = pty.screen();
        pty.keys("\x03");
        pty.expect("Ctrl+C again kills now");
        pty.keys("\x03");
        pty.prompt();
        pty.resize(24, 200);
        let end = pty.screen();
        for narrowed in [Narrowed::Breaks, Narrowed::Cuts] {
            let mut screen = Screen::new(WIDTH, narrowed);
            screen.print(&wide);
            screen.resize(30);
            screen.print(&narrow[wide.len()..]);
            let lines = screen.lines();
            let copies = lines.iter().filter(|line| line.contains("stopping: ")).count();
            let is_last = lines.last().is_some_and(|line| line.starts_with("stopping: "));
            assert!(copies == 1 && is_last, "{narrowed:?} {lines:#?}");
            screen.resize(WIDTH);
            screen.print(&wide_again[narrow.len()..]);
            screen.resize(40);
            screen.print(&end[wide_again.len()..]);
            screen.resize(WIDTH);
            let lines = screen.lines();
            let is_stale = |line: &String| line.contains("s left") || line.contains("waiting for");
            assert!(!lines.iter().any(is_stale), "{narrowed:?} {lines:#?}");
        }
    });
}

fn without_a_limit_it_counts_up() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!(
            "{winddown} -t infinity $WL --on TERM [ --sleep 1900 --exit 0 ] --say pid --print up --serve"
        ));
        pty.expect("\r\nup");
        let main = pty.number("pid");
        term(pty, main);
        for _ in 0..2 {
            pty.expect("\rstopping for 1s; waiting for ");
            pty.expect(&format!("(pid {main})\x1b[K"));
        }
        pty.prompt();
        expect_status(pty, 0);
    });
}

fn it_names_the_hook_that_runs() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!(
            "{winddown} -t 30s --pre-stop 'sleep 1.4' $WL --on TERM [ --sleep 700 --exit 0 ] --say pid --print up --serve"
        ));
        pty.expect("\r\nup");
        term(pty, pty.number("pid"));
        pty.expect("s left; running 'sleep 1.4'\x1b[K");
        pty.expect("s left; waiting for ");
        pty.prompt();
        expect_status(pty, 0);
    });
}

/// In a network namespace of its own: among thousands of other connections, winddown can't count in time.
fn it_counts_connections() {
    const CLIENT: &str = "\
import fcntl, os, socket, struct, sys, time\n\
fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH', b'lo', 1))\n\
if os.fork():\n    \
    os.execv(sys.argv[1], sys.argv[1:])\n\
def connect():\n    \
    while True:\n        \
        try: return socket.create_connection(('127.0.0.1', 4711))\n        \
        except ConnectionRefusedError: time.sleep(0.01)\n\
for end in [connect(), connect()]: end.recv(1)\n";
    const SERVER: &str = "\
import os, signal, socket\n\
print('pid', os.getpid(), flush=True)\n\
signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
server = socket.create_server(('127.0.0.1', 4711))\n\
connections = [server.accept(), server.accept()]\n\
print('accepted', flush=True)\n\
signal.pause()\n";
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown).replace("$WD", "unshare --net python3 $CLIENT $WD");
        let place = TempDir::new();
        pty.command(&format!("export CLIENT={}", place.write("client.py", CLIENT)));
        pty.line(&format!("{winddown} -t 30s python3 {}", place.write("server.py", SERVER)));
        pty.expect("accepted\r\n");
        let server = pty.number("pid");
        term(pty, server);
        pty.expect(&format!("; waiting for python3 (pid {server}), 2 connections\x1b[K"));
        pty.tag().signal(server, libc::SIGKILL);
        pty.prompt();
        assert_cleared(pty);
    });
}

fn names_do_not_command_the_terminal() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        let place = TempDir::new();
        let script = place.write("hook", "sleep 1.4 # \x1b[2J");
        pty.command(&format!("HOOK=\"sh -c '$(cat {script})'\""));
        pty.line(&format!(
            "{winddown} -t 30s --pre-stop \"$HOOK\" $WL --on TERM [ --exit 0 ] --say pid --print up --serve"
        ));
        pty.expect("\r\nup");
        term(pty, pty.number("pid"));
        pty.expect("running 'sh -c 'sleep 1.4 # \\u{1b}[2J''\x1b[K");
        pty.prompt();
    });
}

/// None within the first second, and none shortly before SIGKILL.
fn only_a_stop_that_lasts_has_one() {
    for (limit, on_term, status) in [("30s", "--sleep 700 --exit 3", 3), ("1080ms", "", 137), ("0", "", 137)]
    {
        in_bash(|pty, winddown| {
            let winddown = with_term(winddown);
            pty.line(&format!(
                "{winddown} -t {limit} $WL --on TERM [ {on_term} ] --say pid --print up --serve"
            ));
            pty.expect("\r\nup");
            term(pty, pty.number("pid"));
            pty.prompt();
            expect_status(pty, status);
            assert_eq!(shown(pty), Vec::<String>::new());
        });
    }
}

fn only_a_log_for_people_on_a_terminal_has_one() {
    in_bash(|pty, winddown| {
        let place = TempDir::new();
        let file = place.file("log");
        for variant in [
            format!("TERM=xterm {winddown} -q"),
            format!("TERM=xterm {winddown} --log-format json"),
            format!("TERM=dumb {winddown}"),
            format!("TERM= {winddown}"),
            format!("TERM=xterm {winddown} 2>{file}"),
        ] {
            pty.line(&format!("{variant} -t 1300ms $WL --on INT [ ] --print up --serve"));
            pty.expect("\r\nup");
            pty.keys("\x03");
            pty.prompt();
            expect_status(pty, 137);
            assert!(!pty.screen().contains("\rstopping"), "{variant}:\n{}", pty.screen());
        }
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains("winddown: ") && !text.contains('\r') && !text.contains('\x1b'), "{text}");
    });
}

/// The user types in the terminal's last line.
fn a_job_in_the_background_has_none() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 1300ms $WL --on TERM [ ] --print up --serve &"));
        // The prompt and this come in any order.
        eventually("it is up", || pty.count("up") == 2);
        pty.keys("\r");
        pty.command("kill %1; wait %1");
        assert_eq!(shown(pty), Vec::<String>::new());
    });
}

/// Such a program draws the screen itself.
fn a_program_that_reads_single_keys_has_none() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 1300ms $WL --on TERM [ ] --say pid --raw --print up --serve"));
        pty.expect("up");
        term(pty, pty.number("pid"));
        pty.prompt();
        pty.command("stty sane");
        assert_eq!(shown(pty), Vec::<String>::new());
    });
}

fn a_stopped_terminal_does_not_delay_sigkill() {
    in_bash(|pty, winddown| {
        let winddown = with_term(winddown);
        pty.line(&format!("{winddown} -t 3400ms $WL --ignore TERM --say pid --print up --serve"));
        pty.expect("\r\nup");
        let main = pty.number("pid");
        // winddown tries once more before it loses the first line of the log, which comes at half the limit.
        let asked = Instant::now();
        term(pty, main);
        pty.expect("\rstopping: ");
        pty.keys("\x13");
        eventually("the workload is killed though its terminal is stopped", || !processes::is_alive(main));
        let took = asked.elapsed();
        assert!(took >= Duration::from_millis(3400) && took < Duration::from_secs(5), "{took:?}");
        pty.keys("\x11");
        pty.prompt();
        expect_status(pty, 137);
        // The last line may have replaced the one before it, which came too late.
        let screen = replay(&pty.screen(), WIDTH);
        assert!(screen.iter().any(|line| line.starts_with("winddown: ")), "{screen:#?}");
    });
}
