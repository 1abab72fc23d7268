//! The command line of `winddown check`, its readiness, and its end.

use super::{check, expect, server};
use crate::support::builder::{Winddown, winddown_path};
use crate::support::{TempDir, eventually, trials};

trials![
    wrong_words_are_refused,
    the_checks_are_listed_and_explained,
    a_command_that_cannot_run_has_its_status,
    needs("python3") => every_readiness_holds,
    needs("python3") => commands_of_the_users_leave_nothing,
    needs("python3") => readiness_by_http_and_by_a_unix_socket,
    needs("python3", "root", "setpriv") => an_ordinary_user_has_every_check,
    the_environment_sets_nothing,
    the_server_has_default_signals,
    an_interrupt_ends_everything,
    killed_itself_it_leaves_nothing,
];

fn sleeper() -> Vec<String> {
    ["sh", "-c", "trap '' TERM INT; echo up; sleep 60 & wait; sleep 60"].map(str::to_owned).to_vec()
}

fn wrong_words_are_refused() {
    let refused = [
        (vec!["check"], "no command given"),
        (vec!["check", "--only", "x", "true"], "'x' for '--only': there is no such check"),
        (vec!["check", "--ready", "x", "true"], "'x' for '--ready': use auto, notify"),
        (vec!["check", "-t", "infinity", "true"], "a test needs an end"),
        (vec!["check", "--port", "0", "true"], "use auto, or a number"),
        (vec!["check", "--runs", "0", "true"], "use a number from 1 on"),
        (vec!["check", "--baseline", "/nowhere", "true"], "make one with --save-baseline"),
        (vec!["check", "--allow", "x", "true"], "use port:9090"),
        (vec!["check", "--watch", "/nowhere", "true"], "there is no such directory"),
        (vec!["check", "--expect-exit", "300", "true"], "use exit statuses"),
        (vec!["check", "--nonsense", "true"], "there is no option '--nonsense'"),
    ];
    for (words, message) in refused {
        let ended = Winddown::new().args(&words).run().expect_code(125);
        let err = ended.err();
        assert!(err.len() == 1 && err[0].contains(message), "{words:?}: {err:?}");
    }
}

fn the_checks_are_listed_and_explained() {
    let list = Winddown::new().args(["check", "--list"]).run().expect_code(0).out();
    assert!(list.iter().any(|line| line.trim_start().starts_with("exit-status ")), "{list:?}");
    let about = Winddown::new().args(["check", "--explain", "ports"]).run().expect_code(0).out();
    assert!(about[0].starts_with("ports (quick): "), "{about:?}");
    // What a page names is explained, too.
    let about = Winddown::new().args(["check", "--explain", "W09"]).run().expect_code(0).out();
    assert!(about[0].starts_with("W09 draining"), "{about:?}");
}

fn a_command_that_cannot_run_has_its_status() {
    let ended = check("", &["/nowhere/server".to_owned()]).expect_code(127);
    assert!(ended.err()[0].contains("cannot run '/nowhere/server'"), "{:?}", ended.err());
    check("", &["/etc/passwd".to_owned()]).expect_code(126);
}

fn every_readiness_holds() {
    let place = TempDir::new();
    let file = place.write("there", "");
    let script = "python3 - <<'E'\nimport os,socket,signal\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n\
                  a=os.environ['NOTIFY_SOCKET']\ns.sendto(b'READY=1',('\\0'+a[1:]) if a[0]=='@' else a)\n\
                  signal.pause()\nE";
    let sends = ["sh", "-c", script].map(str::to_owned);
    let ended = check("--only ready --ready notify", &sends).expect_code(0);
    assert!(ended.told().contains("READY=1"), "{}", ended.told());
    let options = format!("--only ready --ready auto --ready file:{file} --ready cmd:true --ready log:^up$");
    let script = format!("echo up; exec {}", server("good").join(" "));
    let ended = check(&options, &["sh", "-c", &script].map(str::to_owned)).expect_code(0);
    assert!(ended.told().contains("listening on 127.0.0.1:"), "{}", ended.told());
    let ended = check("--only ready --ready tcp:127.0.0.1:1 --ready-timeout 500ms", &server("good"));
    let told = ended.expect_code(3).told();
    assert!(told.contains("listens on 127.0.0.1:") && told.contains("tcp:127.0.0.1:1"), "{told}");
}

/// What they start goes with them, also when they hang.
fn commands_of_the_users_leave_nothing() {
    let hangs = "sleep${IFS}60&sleep${IFS}60";
    let ready = format!("--only ready --ready cmd:{hangs} --ready-timeout 500ms");
    let ended = check(&ready, &server("good")).expect_code(3);
    assert!(ended.told().contains("missing: success of sleep"), "{}", ended.told());
    // A server that ends is not waited for, either.
    let ended =
        check(&format!("--only ready --ready cmd:{hangs}"), &["sh", "-c", "exit 3"].map(str::to_owned));
    assert!(ended.expect_code(1).told().contains("it exited with 3"));
    let drive = "--only under-load --drive setsid${IFS}sleep${IFS}60&sleep${IFS}1.5";
    expect(&check(drive, &server("good")).expect_code(0), "ok", "under-load");
    // Nor when check is killed.
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
    assert!(ended.told().contains("HTTP 200 at /health"), "{}", ended.told());
    let ended = check(&format!("{url}/broken --ready-timeout 500ms"), &server("good")).expect_code(3);
    assert!(ended.told().contains("missing: an answer at /broken (HTTP 500 at /broken)"), "{}", ended.told());
    let script = "import signal, socket, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n\
                  s = socket.socket(socket.AF_UNIX)\ntime.sleep(0.1)\ns.bind('socket')\ntime.sleep(0.1)\ns.listen()\n\
                  while True: s.accept()[0].close()";
    let unix = ["python3", "-c", script].map(str::to_owned);
    for ready in ["unix:socket", "auto"] {
        let ended =
            check(&format!("--only ready,refuse-new --ready {ready} --report json"), &unix).expect_code(0);
        assert!(ended.told().contains("socket"), "{}", ended.told());
        assert!(ended.told().contains(".|STOP|"), "probes go there, too: {}", ended.told());
    }
}

/// Namespaces of users are for everybody, where the machine allows them.
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
    let told = ended.told();
    assert!(told.contains("FAIL pid1") || told.contains("skip pid1"), "{told}");
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
        assert!(ended.since(asked).as_secs() < 5, "{}", ended.told());
    }
}

fn killed_itself_it_leaves_nothing() {
    let options = ["check", "-t", "1s", "--ready", "log:never"];
    let run = Winddown::new().args(options).command(sleeper()).start();
    eventually("the server is there", || run.tag().living().iter().any(|one| one.name == "sleep"));
    run.signal(libc::SIGKILL);
    let ended = run.wait().expect_signal(libc::SIGKILL);
    eventually("nothing is left", || ended.tag().living().is_empty());
}
