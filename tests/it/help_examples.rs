//! Every example in the help of every command line, run by a shell as it stands.

use crate::support::builder::{Winddown, winddown_path};
use crate::support::{TempDir, eventually, needs, trials};

trials![
    needs("nginx", "python3") => examples_of_the_main_job_serve_and_stop,
    needs("python3") => examples_of_check_pass,
    examples_of_report_show_a_run,
    examples_of_token_end_with_the_stop,
];

/// A server on the port that follows `--port`, that is the last word, or that is free.
const SERVER: &str = "#!/usr/bin/env python3
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
port = int(sys.argv[-1]) if sys.argv[-1].isdigit() and sys.argv[-1] != '8080' else 0
server = http.server.HTTPServer(('127.0.0.1', port), http.server.SimpleHTTPRequestHandler)
print('up', flush=True)
server.serve_forever()
";

/// The commands below `Examples:`; nothing where this build lacks the subcommand.
fn examples(subcommand: &[&str]) -> Vec<String> {
    let ended = Winddown::new().args(subcommand).args(["--help"]).run();
    let lines = ended.out();
    let lines = lines.iter().skip_while(|line| *line != "Examples:").skip(1);
    let commands = lines.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  winddown "));
    let commands: Vec<String> =
        commands.map(|line| line.trim().split("  ").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(commands.is_empty(), ended.code() != Some(0), "{}", ended.dump());
    commands
}

/// winddown and a server where the examples expect them.
fn place() -> TempDir {
    let place = TempDir::new();
    place.install("winddown", winddown_path());
    place.executable("server", SERVER);
    place.executable("backup", "#!/bin/sh\necho up\nexec sleep 60\n");
    place
}

/// The shell runs it in the directory, and becomes it.
fn shell(place: &TempDir, example: &str) -> Winddown {
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").expect("a PATH"));
    Winddown::bare()
        .binary("/bin/sh")
        .args(["-c", &format!("exec {example}")])
        .env("PATH", path)
        .directory(place.path())
}

fn examples_of_the_main_job_serve_and_stop() {
    let place = place();
    let directory = place.path().display();
    let nginx = needs::program("nginx").expect("nginx");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {directory}/{kind};"))
        .concat();
    let http = format!("http {{ access_log off; {temporary} server {{ listen unix:{directory}/socket; }} }}");
    let configuration = place
        .write("nginx.conf", &format!("pid {directory}/pid; error_log stderr notice; events {{ }} {http}\n"));
    let real = nginx.display();
    place.executable("nginx", format!("#!/bin/sh\nexec {real} -e stderr -c {configuration} \"$@\"\n"));
    let examples = examples(&[]);
    assert_eq!(examples.len(), 3, "{examples:?}");
    for example in examples {
        let run = shell(&place, &example).start();
        if example.contains("nginx") {
            // With its workers: a master that had put itself into the background would be gone.
            run.wait_err("start worker process ");
        } else {
            run.wait_out("up");
        }
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_nothing_left();
        assert!(ended.dump().contains("winddown: stopped in "), "{example}: {}", ended.dump());
        // Not: what it left behind, when it put itself into the background.
        assert!(!ended.dump().contains("left behind"), "{example}: {}", ended.dump());
    }
}

fn examples_of_check_pass() {
    let place = place();
    for example in examples(&["check"]) {
        shell(&place, &example).run().expect_code(0).expect_nothing_left();
    }
}

fn examples_of_report_show_a_run() {
    let place = place();
    place.executable("server", "#!/bin/sh\necho up\n");
    for example in examples(&["report"]) {
        let ended = shell(&place, &example).run().expect_code(0);
        assert!(!ended.out().is_empty() || example.contains("--html"), "{example}");
    }
}

fn examples_of_token_end_with_the_stop() {
    let place = place();
    for example in examples(&["token"]) {
        // Each has a place of its own in this test; the file is the example's.
        let example = example.replace("/tmp/stop", &place.file("stop"));
        let run = shell(&place, &example).start();
        // Both processes of winddown, the shell, and what it runs.
        eventually("its token is looked at", || run.tag().living().len() >= 4);
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_nothing_left();
        assert!(ended.dump().contains("winddown: stopped in "), "{example}: {}", ended.dump());
    }
}
