//! Shells, editors and other programs that use the whole terminal, and what winddown restores after them.

use std::fs;
use std::time::Duration;

use nix::sys::termios::Termios;

use crate::support::{Pty, TempDir, eventually, holds_within, processes, trials};
use crate::terminal::{VARIANTS, expect_status, in_bash, winddown_of};

trials![
    needs("bash") => a_shell_inside_is_fully_usable,
    needs("bash") => a_shell_inside_can_be_suspended,
    needs("vi", "bash") => vi_edits_a_file,
    needs("vi", "bash") => vi_is_suspended_and_continued_by_one_fg,
    needs("python3", "bash") => a_prompt_of_python_lives_on_after_ctrl_c,
    modes_are_put_back_after_a_kill,
    the_alternate_screen_is_left_after_a_kill,
    the_foreground_is_put_back_after_a_kill,
    needs("bash") => a_stopped_terminal_is_put_back_without_waiting,
    needs("bash") => a_killed_shell_leaves_the_terminal_usable,
    modes_are_put_back_after_a_crash,
    modes_stay_as_a_program_that_exits_leaves_them,
    needs("bash") => a_terminal_that_is_anothers_by_then_is_left_alone,
];

const INNER: &str = "bash --norc --noprofile -i";

/// Waits until a program that has shown something waits for the next key: many programs notice a
/// Ctrl+C in between late, or never.
#[track_caller]
fn wait_idle(pid: i32) {
    eventually("the program waits for a key", || processes::state(pid) == Some('S'));
}

/// The pid of the program with this name in the terminal.
#[track_caller]
fn pid_of(pty: &Pty, name: &str) -> i32 {
    let found = pty.tag().living().into_iter().find(|one| one.name.starts_with(name));
    found.unwrap_or_else(|| panic!("no {name} runs:\n{}", pty.screen())).pid
}

fn a_shell_inside_is_fully_usable() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} {INNER}"));
        pty.prompt();
        let inner = pty.command("echo $$").parse().unwrap();
        // Ctrl+C at its prompt, or for its job: the shell lives on.
        pty.keys("half");
        pty.expect("half");
        wait_idle(inner);
        pty.keys("\x03");
        pty.prompt();
        pty.line("$WL --print in --serve");
        pty.expect("\r\nin");
        pty.keys("\x03");
        pty.prompt();
        expect_status(pty, 130);
        // Its own jobs can be stopped and continued.
        pty.line("$WL --say pid --read-line --exit 5");
        let job = pty.number("pid");
        pty.keys("\x1a");
        pty.expect("Stopped");
        pty.prompt();
        pty.line("fg");
        pty.wait_foreground(job);
        wait_idle(job);
        pty.keys("text\r");
        pty.expect("line text");
        pty.prompt();
        expect_status(pty, 5);
        pty.command("exit 4");
        expect_status(pty, 4);
        assert_eq!(pty.count("winddown: "), 0, "{}", pty.screen());
    });
}

fn a_shell_inside_can_be_suspended() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} {INNER}"));
        pty.prompt();
        let inner = pty.command("echo $$");
        pty.line("suspend");
        pty.expect("Stopped");
        pty.prompt();
        assert_ne!(pty.command("echo $$"), inner, "the outer shell answers");
        let inner = inner.parse().unwrap();
        pty.line("fg");
        pty.wait_foreground(inner);
        wait_idle(inner);
        pty.keys("\r");
        pty.prompt();
        pty.command("exit 4");
        expect_status(pty, 4);
    });
}

/// vi with a file of its own, ready for keys.
fn start_vi(pty: &mut Pty, winddown: &str, file: &str) {
    pty.line(&format!("TERM=vt100 {winddown} vi -u NONE -N {file}"));
    pty.expect("[New");
}

fn vi_edits_a_file() {
    in_bash(|pty, winddown| {
        let place = TempDir::new();
        let file = place.file("text");
        start_vi(pty, winddown, &file);
        // Ctrl+C is an ordinary key in vi.
        pty.keys("ihello");
        pty.expect("hello");
        let vi = pid_of(pty, "vi");
        wait_idle(vi);
        pty.keys("\x03");
        // vi leaves insert mode, and drops what was typed ahead.
        pty.expect("\x1b[K");
        wait_idle(vi);
        pty.keys(":w\r");
        eventually("vi has written", || fs::read_to_string(&file).is_ok_and(|text| text == "hello\n"));
        pty.keys(":cq\r");
        pty.prompt();
        expect_status(pty, 1);
        assert_eq!(pty.count("winddown: "), 0, "{}", pty.screen());
    });
}

/// vi stops its whole group itself: the signal comes from the main process.
fn vi_is_suspended_and_continued_by_one_fg() {
    in_bash(|pty, winddown| {
        let place = TempDir::new();
        let file = place.file("text");
        let modes = pty.modes();
        start_vi(pty, winddown, &file);
        for word in ["one", "two", "three"] {
            pty.keys("\x1a");
            pty.expect("Stopped");
            pty.prompt();
            assert_eq!(pty.modes(), modes);
            pty.line("fg");
            pty.keys(&format!("o{word}\x1b:w\r"));
            eventually("vi has written", || fs::read_to_string(&file).is_ok_and(|text| text.contains(word)));
        }
        pty.keys(":q\r");
        pty.prompt();
        expect_status(pty, 0);
        assert_eq!(fs::read_to_string(&file).unwrap(), "\none\ntwo\nthree\n");
    });
}

/// A program that lives on after Ctrl+C wants `--stop-on TERM`.
fn a_prompt_of_python_lives_on_after_ctrl_c() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} --stop-on TERM python3 -q -i"));
        pty.expect(">>> ");
        let python = pid_of(pty, "python");
        wait_idle(python);
        pty.keys("\x03");
        pty.expect("KeyboardInterrupt");
        pty.expect(">>> ");
        pty.line("import time; print('go'); time.sleep(50)");
        pty.expect("\r\ngo");
        wait_idle(python);
        pty.keys("\x03");
        pty.expect("KeyboardInterrupt");
        pty.expect(">>> ");
        pty.line("print(6*7)");
        pty.expect("42");
        pty.line("exit(3)");
        pty.prompt();
        expect_status(pty, 3);
        assert_eq!(pty.count("KeyboardInterrupt"), 2, "{}", pty.screen());
        assert_eq!(pty.count("winddown: "), 0, "{}", pty.screen());
    });
}

/// Runs a test under a plain shell, which does not restore the terminal itself. Its script runs
/// winddown, prints that it has, and reads a line. The test gets the modes from before.
fn in_sh(options_and_flags: &str, test: impl Fn(&mut Pty, &Termios)) {
    for winddown in VARIANTS {
        let script =
            format!("echo go; read x; {winddown} {options_and_flags}; echo status=$?; read x; echo got=$x");
        let mut pty = Pty::program(["sh", "-c", &script]);
        pty.expect("go");
        let before = pty.modes();
        pty.keys("\r");
        test(&mut pty, &before);
    }
}

/// Expects the shell to print and read as usual, since its terminal is as before.
#[track_caller]
fn expect_usable(pty: &mut Pty, status: i32, before: &Termios) {
    pty.expect(&format!("status={status}"));
    assert_eq!(&pty.modes(), before);
    assert_eq!(pty.foreground(), pty.pid());
    pty.keys("word\r");
    pty.expect("got=word");
    assert_eq!(pty.wait().code(), Some(0));
    pty.tag().assert_nothing_left();
}

fn modes_are_put_back_after_a_kill() {
    in_sh("-t 300ms -- $WL --ignore INT,TERM --say pid --raw --serve", |pty, before| {
        let winddown = winddown_of(pty.number("pid"));
        pty.expect("raw");
        assert_ne!(&pty.modes(), before, "the program has made it raw");
        pty.tag().signal(winddown, libc::SIGTERM);
        expect_usable(pty, 137, before);
    });
}

fn the_foreground_is_put_back_after_a_kill() {
    in_sh("-t 300ms -- $WL --ignore INT,TERM --foreground --say pid --raw --serve", |pty, before| {
        let main = pty.number("pid");
        pty.expect("raw");
        assert_eq!(pty.foreground(), main);
        pty.tag().signal(winddown_of(main), libc::SIGTERM);
        expect_usable(pty, 137, before);
    });
}

/// A killed program could not leave it itself. After a program that reads no keys winddown writes nothing.
fn the_alternate_screen_is_left_after_a_kill() {
    for (mode, leaves) in [("--raw", true), ("--print plain", false)] {
        in_bash(|pty, winddown| {
            pty.command("export TERM=xterm");
            pty.line(&format!("{winddown} -t 300ms $WL --ignore TERM --say pid {mode} --serve"));
            let winddown = winddown_of(pty.number("pid"));
            pty.expect(mode.trim_start_matches("--print").trim_start_matches("--").trim());
            pty.tag().signal(winddown, libc::SIGTERM);
            pty.prompt();
            let screen = pty.screen();
            assert_eq!(screen.contains("\x1b7\x1b[?1049l\x1b[?25h"), leaves, "{mode}: {screen:?}");
            // Lines before that are gone with the screen.
            let first = |part| screen.find(part).unwrap_or_default();
            assert!(!leaves || first("\x1b[?1049l") < first("SIGKILL after"), "{mode}: {screen:?}");
            pty.command("export TERM=dumb");
        });
    }
}

/// Ctrl+S, and another job that is blocked in the middle of its output: to restore the modes after all output
/// would mean to wait for it.
fn a_stopped_terminal_is_put_back_without_waiting() {
    in_bash(|pty, winddown| {
        let place = TempDir::new();
        let go = place.file("go");
        pty.command(&format!("G={go}"));
        let job = pty.command("$WL --until $G --flood 1 100000000 &");
        let writer: i32 = job.trim_start_matches("[1] ").parse().unwrap();
        pty.line(&format!("{winddown} -t 300ms $WL --ignore TERM --say pid --serve; echo code=$?"));
        let winddown = winddown_of(pty.number("pid"));
        pty.keys("\x13");
        fs::write(&go, "").unwrap();
        let shown = || pty.screen().len();
        eventually("the terminal stands still", || {
            let before = shown();
            !holds_within(Duration::from_millis(200), || shown() != before)
        });
        assert!(processes::is_alive(writer), "it has more to write");
        pty.tag().signal(winddown, libc::SIGTERM);
        eventually("winddown ends", || !processes::is_alive(winddown));
        pty.tag().signal(writer, libc::SIGKILL);
        pty.keys("\x11");
        pty.expect("code=137");
        pty.prompt();
        pty.command("wait");
    });
}

fn a_killed_shell_leaves_the_terminal_usable() {
    in_sh(&format!("-t 300ms {INNER}"), |pty, before| {
        pty.prompt();
        let inner = pty.command("trap '' HUP TERM; echo pid=$$");
        let inner: i32 = inner.trim_start_matches("pid=").parse().unwrap();
        assert_eq!(pty.foreground(), inner);
        pty.tag().signal(winddown_of(inner), libc::SIGTERM);
        expect_usable(pty, 137, before);
    });
}

fn modes_are_put_back_after_a_crash() {
    in_sh("$WL --raw --die SEGV", |pty, before| {
        pty.expect("raw");
        expect_usable(pty, 139, before);
    });
}

/// `stty raw` is such a program.
fn modes_stay_as_a_program_that_exits_leaves_them() {
    in_sh("$WL --raw --exit 3", |pty, before| {
        pty.expect("status=3");
        assert_ne!(&pty.modes(), before);
    });
}

/// The job was in the foreground when it began, and is killed in the background: by then the
/// terminal belongs to the next program.
fn a_terminal_that_is_anothers_by_then_is_left_alone() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 300ms $WL --ignore TERM,INT --say pid --serve"));
        let winddown = winddown_of(pty.number("pid"));
        pty.keys("\x1a");
        pty.expect("Stopped");
        pty.prompt();
        pty.command("bg");
        pty.line("$WL --raw --print full --serve");
        pty.expect("full");
        let (modes, foreground) = (pty.modes(), pty.foreground());
        pty.tag().signal(winddown, libc::SIGTERM);
        eventually("winddown has ended", || !processes::is_alive(winddown));
        assert_eq!(pty.modes(), modes);
        assert_eq!(pty.foreground(), foreground);
        pty.tag().signal(foreground, libc::SIGINT);
        pty.prompt();
    });
}
