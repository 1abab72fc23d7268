//! The command line of `winddown check`, its readiness, and its end.

use std::time::Duration;

use snapbox::{file, str};

use super::{check, expect, expect_verdicts, server};
use crate::support::builder::{Winddown, winddown_path};
use crate::support::lateness::expect_soon;
use crate::support::snapshot::{Transcript, expect_lines, expect_page};
use crate::support::{TempDir, eventually, trials};

trials![
    wrong_words_are_refused,
    useless_words_are_refused,
    needs("python3") => stdin_is_as_it_is_asked_for,
    needs("python3") => a_server_that_puts_itself_into_the_background_is_reported,
    the_checks_are_listed_and_explained,
    a_command_that_cannot_run_has_its_status,
    needs("python3") => every_readiness_holds,
    needs("python3") => commands_of_the_users_leave_nothing,
    needs("python3") => readiness_by_http_and_by_a_unix_socket,
    needs("python3", "root", "setpriv") => an_ordinary_user_has_every_check,
    the_environment_sets_nothing,
    the_server_has_default_signals,
    an_interrupt_ends_everything,
    an_interrupt_before_the_first_run_counts_too,
    killed_itself_it_leaves_nothing,
];

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn sleeper() -> Vec<String> {
    ["sh", "-c", "trap '' TERM INT; echo up; sleep 60 & wait; sleep 60"].map(str::to_owned).to_vec()
}

/// One error line each.
#[track_caller]
fn all_refused(command_lines: &[&[&str]]) -> Transcript {
    let mut transcript = Transcript::default();
    for words in command_lines {
        let words = [&["check"], *words].concat();
        let ended = Winddown::new().args(&words).run().expect_code(125);
        assert_eq!((ended.out().len(), ended.err().len()), (0, 1), "{}", ended.dump());
        transcript.add(["winddown"].iter().chain(&words), &ended);
    }
    transcript
}

fn wrong_words_are_refused() {
    let transcript = all_refused(&[
        &[],
        &["--only", "x", "true"],
        &["--ready", "x", "true"],
        &["-t", "infinity", "true"],
        &["--port", "0", "true"],
        &["--runs", "0", "true"],
        &["--baseline", "/nowhere", "true"],
        &["--allow", "x", "true"],
        &["--watch", "/nowhere", "true"],
        &["--expect-exit", "300", "true"],
        &["--nonsense", "true"],
        &["--stdin", "x", "true"],
        &["--report", "junit=nowhere/a.xml", "true"],
        &["--save-baseline", "nowhere/a", "true"],
        &["--name", "", "true"],
        &["--probe", "udp", "true"],
        &["--env", "A", "true"],
        &["--env", "WINDDOWN_TIME_LIMIT=1s", "true"],
        &["--cwd", "/nowhere", "true"],
    ]);
    transcript.expect(file!["snapshots/wrong_words.txt"]);
}

/// Words that would do nothing, or that contradict each other, are mistakes.
fn useless_words_are_refused() {
    let transcript = all_refused(&[
        &["--within", "20s", "true"],
        &["--warn", "stops", "--deny", "stops", "true"],
        &["--strict", "--deny", "stops", "true"],
        &["--warn", "sigint", "true"],
        &["--only", "in-flight", "true"],
        &["--only", "baseline", "true"],
        &["--only", "dependency-gone", "true"],
        &["--slow", "/slow", "true"],
        &["--profile", "standard", "--break", "true", "true"],
        &["--skip", "files", "--watch", "/tmp", "true"],
        &["--report", "json", "--report", "junit", "true"],
        &["--report", "json=-", "--report", "human", "true"],
        &["--report", "json=a", "--report", "junit=a", "true"],
        &["--report", "json=a", "--report", "junit=./a", "true"],
        &["--until-fail", "--runs", "1", "true"],
        &["--until-fail", "--only", "sigint", "true"],
        &["--log-format", "json", "true"],
        &["--probe", "tcp", "--url", "/", "true"],
        &["--probe", "none", "--only", "refuse-new", "true"],
        &["--port", "auto", "--env", "PORT=1", "true"],
    ]);
    transcript.expect(file!["snapshots/useless_words.txt"]);
    // Lines for GitHub may stand among lines for people.
    check("--only ready --report human --report github --ready log:up", &sh("echo up; sleep 60"))
        .expect_code(0);
}

fn stdin_is_as_it_is_asked_for() {
    let ended = check("--only ready", &server("ends-with-stdin")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL ready        the server exited with 0 before it was ready
      try: if it exits at the end of its stdin, as vite and esbuild do: --stdin open
FAIL 1 of 1 check
"#]],
    );
    check("--only ready,stops --stdin open", &server("ends-with-stdin")).expect_code(0);
    let is_so = |kind: &str, test: &str| {
        let options = format!("--only ready --ready log:^yes$ --ready-timeout 5s --stdin {kind}");
        check(&options, &sh(&format!("{test} && echo yes; exec sleep 60"))).expect_code(0);
    };
    is_so("tty", "test -t 0");
    is_so("closed", "test ! -e /proc/self/fd/0");
    is_so("open", "test -p /proc/self/fd/0");
    // The runs vary stdin, starting from the given one.
    let ended = check("--only ready,stdin --stdin open", &server("ends-with-stdin")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL stdin        with an empty stdin: the server exited with 0 before it was ready
      try: do not read stdin, or carry on when it ends
  ok  ready
FAIL 1 of 2 checks
"#]],
    );
}

fn a_server_that_puts_itself_into_the_background_is_reported() {
    for options in ["--only ready", "--only stops --ready auto", "--only ready --ready file:never"] {
        let ended = check(options, &server("daemonizes"));
        assert_ne!(ended.status.code(), Some(0), "{}", ended.dump());
        assert!(
            ended.dump().contains("it put itself into the background: python3 (pid "),
            "{}",
            ended.dump()
        );
    }
}

fn the_checks_are_listed_and_explained() {
    for (words, snapshot) in [
        (["check", "--help"].as_slice(), file!["snapshots/help.txt"]),
        (&["check", "--list"], file!["snapshots/list.txt"]),
        (&["check", "--explain", "ports"], file!["snapshots/explain_ports.txt"]),
    ] {
        let ended = Winddown::new().args(words).run().expect_code(0);
        assert_eq!(ended.err().len(), 0, "{}", ended.dump());
        expect_page(&String::from_utf8_lossy(&ended.out_bytes()), snapshot);
    }
    // Ids that the page names can be explained, too.
    let about = Winddown::new().args(["check", "--explain", "W09"]).run().expect_code(0).out();
    assert!(about[0].starts_with("W09 draining"), "{about:?}");
}

fn a_command_that_cannot_run_has_its_status() {
    let ended = check("", &["/nowhere/server".to_owned()]).expect_code(127);
    expect_lines(&ended.err(), str!["winddown: cannot run '/nowhere/server': no such file"]);
    check("", &["/etc/passwd".to_owned()]).expect_code(126);
}

fn every_readiness_holds() {
    let place = TempDir::new();
    let file = place.file("there");
    let script = "python3 - <<'E'\nimport os,socket,signal\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n\
                  a=os.environ['NOTIFY_SOCKET']\ns.sendto(b'READY=1',('\\0'+a[1:]) if a[0]=='@' else a)\n\
                  signal.pause()\nE";
    let sends = ["sh", "-c", script].map(str::to_owned);
    let ended = check("--only ready --ready notify", &sends).expect_code(0);
    assert!(ended.dump().contains("READY=1"), "{}", ended.dump());
    let options = format!("--only ready --ready auto --ready file:{file} --ready cmd:true --ready log:^up$");
    let script = format!("echo up; touch {file}; exec {}", server("good").join(" "));
    let ended = check(&options, &["sh", "-c", &script].map(str::to_owned)).expect_code(0);
    assert!(ended.dump().contains("listening on 127.0.0.1:"), "{}", ended.dump());
    let ended = check("--only ready --ready tcp:127.0.0.1:1 --ready-timeout 3s", &server("good"));
    expect_verdicts(
        &ended.expect_code(3),
        str![[r#"
  ???  ready        not ready after [TIME]: the server is alive and listens on 127.0.0.1:[PORT]; missing: tcp:127.0.0.1:1 (Connection refused)
      try: say what makes it ready (--ready), or give it more time (--ready-timeout)
INCONCLUSIVE 1 of 1 check
"#]],
    );
}

/// Processes that they start end with them, even when they hang.
fn commands_of_the_users_leave_nothing() {
    let hangs = "sleep${IFS}60&sleep${IFS}60";
    let ready = format!("--only ready --ready cmd:{hangs} --ready-timeout 500ms");
    let ended = check(&ready, &server("good")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  ready        not ready after [TIME]: the server is alive and listens on 127.0.0.1:[PORT]; missing: success of sleep${IFS}60&sleep${IFS}60
      try: say what makes it ready (--ready), or give it more time (--ready-timeout)
INCONCLUSIVE 1 of 1 check
"#]],
    );
    // Nor does check wait for a command when the server ends.
    let ended =
        check(&format!("--only ready --ready cmd:{hangs}"), &["sh", "-c", "exit 3"].map(str::to_owned));
    expect_verdicts(
        &ended.expect_code(1),
        str![[r#"
  FAIL ready        the server exited with 3 before it was ready
      try: run the command by hand to see why it ends: it must stay in the foreground until it is asked to stop
FAIL 1 of 1 check
"#]],
    );
    let drive = "--only under-load --drive setsid${IFS}sleep${IFS}60&sleep${IFS}1.5";
    expect(&check(drive, &server("good")).expect_code(0), "ok", "under-load");
    // Nor do they leave anything when check is killed.
    let words = ["check", "--only", "under-load", "--drive", "touch up; setsid sleep 60 & sleep 60"];
    let place = TempDir::new();
    let run = Winddown::new().args(words).command(server("good")).directory(place.path()).start();
    eventually("the load is there", || std::path::Path::new(&place.file("up")).exists());
    run.signal(libc::SIGKILL);
    let ended = run.wait().expect_signal(libc::SIGKILL);
    eventually("nothing is left", || ended.tag().living().is_empty());
}

fn readiness_by_http_and_by_a_unix_socket() {
    let url = "--only ready --port auto --ready http://127.0.0.1:{port}";
    let ended = check(&format!("{url}/health --report json"), &server("good")).expect_code(0);
    assert!(ended.dump().contains("HTTP 200 at /health"), "{}", ended.dump());
    let ended = check(&format!("{url}/broken --ready-timeout 3s"), &server("good")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  ready        not ready after [TIME]: the server is alive and listens on 127.0.0.1:[PORT]; missing: an answer at /broken (HTTP 500 at /broken)
      try: say what makes it ready (--ready), or give it more time (--ready-timeout)
INCONCLUSIVE 1 of 1 check
"#]],
    );
    let script = "import signal, socket, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n\
                  s = socket.socket(socket.AF_UNIX)\ntime.sleep(0.1)\ns.bind('socket')\ntime.sleep(0.1)\ns.listen()\n\
                  while True: s.accept()[0].close()";
    let unix = ["python3", "-c", script].map(str::to_owned);
    for ready in ["unix:socket", "auto"] {
        let ended =
            check(&format!("--only ready,refuse-new --ready {ready} --report json"), &unix).expect_code(0);
        assert!(ended.dump().contains("socket"), "{}", ended.dump());
        assert!(ended.dump().contains(".|TERM|"), "probes go there, too: {}", ended.dump());
    }
}

/// Any user may have a user namespace, where the machine allows it.
fn an_ordinary_user_has_every_check() {
    let place = TempDir::new();
    let nobody = 65534;
    std::os::unix::fs::chown(place.path(), Some(nobody), Some(nobody)).expect("chown");
    let program = place.install("winddown", winddown_path());
    place.install("server.py", &server("good")[1]);
    let run = |mode: &str| {
        let user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", &program];
        let options = ["check", "--only", "handler,stops,survivors,files,pid1", "-t", "2s"];
        let server = ["--", "/usr/bin/python3", "server.py", mode];
        let words = user.into_iter().chain(options).chain(server);
        Winddown::bare().command(words).directory(place.path()).run().expect_nothing_left()
    };
    run("good").expect_code(0);
    let ended = run("no-handler");
    let found = ended.dump();
    assert!(found.contains("FAIL pid1") || found.contains("skip pid1"), "{found}");
}

fn the_environment_sets_nothing() {
    let place = TempDir::new();
    let words = ["sh", "-c", "env > env; trap 'exit 0' TERM; while :; do sleep 0.02; done"];
    let run = Winddown::new().args(["check", "--ready", "file:env"]).command(words);
    let run = run
        .env("WINDDOWN_RUN_LIMIT", "nonsense")
        .env("WINDDOWN_X", "1")
        .env("OTHER", "1")
        .directory(place.path());
    run.run().expect_code(0);
    let seen = std::fs::read_to_string(place.file("env")).expect("the environment");
    assert!(seen.contains("OTHER=1") && !seen.contains("WINDDOWN_"), "{seen}");
}

fn the_server_has_default_signals() {
    let place = TempDir::new();
    let words =
        ["sh", "-c", "grep -E '^Sig(Ign|Blk)' /proc/self/status > signals; while :; do sleep 0.02; done"];
    let run = Winddown::new().args(["check", "--ready", "file:signals"]).command(words);
    let run = run.ignored([libc::SIGTERM, libc::SIGHUP]).blocked([libc::SIGUSR1]).directory(place.path());
    run.run();
    let seen = std::fs::read_to_string(place.file("signals")).expect("the masks");
    assert_eq!(seen, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

fn an_interrupt_ends_everything() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let run =
            Winddown::new().args(["check", "-t", "60s", "--ready", "log:never"]).command(sleeper()).start();
        eventually("the server is there", || run.tag().living().iter().any(|one| one.name == "sleep"));
        let asked = run.signal(signal);
        let ended = run.wait().expect_code(128 + signal).expect_nothing_left();
        assert!(ended.since(asked).as_secs() < 5, "{}", ended.dump());
    }
}

/// Even where the caller left it blocked or ignored.
fn an_interrupt_before_the_first_run_counts_too() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        let run = Winddown::new().args(["check", "-t", "60s", "--ready", "log:never"]).command(sleeper());
        let run = run.blocked([signal]).ignored([signal]).start();
        run.signal(signal);
        run.wait().expect_code(128 + signal).expect_nothing_left();
    }
}

fn killed_itself_it_leaves_nothing() {
    let stubborn = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 60; done"];
    // Before the server is asked, and while it ignores that.
    for (ready, moment) in [("log:never", " started pid="), ("log:up", " signal sent ")] {
        let options = ["check", "-v", "-t", "60s", "--ready", ready];
        let run = Winddown::new().args(options).command(stubborn).start();
        run.wait_err(moment);
        run.signal(libc::SIGKILL);
        let ended = run.wait().expect_signal(libc::SIGKILL);
        let second = Duration::from_secs(1);
        expect_soon("nothing is left", ended.end, second, || ended.tag().living().is_empty());
    }
}
