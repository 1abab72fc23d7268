//! `MariaDB`: SIGTERM is a shutdown in good order, which rolls back uncommitted transactions.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use super::Place;
use crate::support::{needs, trials};

trials![needs("mariadbd", "mariadb") => term_keeps_what_was_committed];

const SMALL: [&str; 3] = ["--no-defaults", "--user=root", "--innodb-buffer-pool-size=8M"];

/// Runs statements, one per line, without a server.
fn bootstrap(data: &str, statements: &str) {
    let mut command = Command::new(needs::program("mariadbd").expect("mariadbd"));
    command.args(SMALL).args(["--bootstrap", "--datadir", data]).stdin(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("mariadbd");
    child.stdin.take().expect("a pipe").write_all(statements.as_bytes()).expect("mariadbd reads");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn term_keeps_what_was_committed() {
    let place = Place::new();
    let (data, socket) = (place.directory.file("data"), place.directory.file("socket"));
    std::fs::create_dir(&data).expect("a directory");
    bootstrap(&data, "create database d;\ncreate table d.t (n int);\ninsert into d.t values (1);\n");
    let run = place
        .winddown()
        .command([needs::program("mariadbd").expect("mariadbd")])
        .more(SMALL)
        .more(["--skip-grant-tables", "--skip-networking", "--datadir", &data, "--socket", &socket])
        .owns(&place.directory)
        .start();
    run.wait_err("ready for connections");
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--batch", "--skip-column-names", "--unbuffered", "--socket", &socket]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a client");
    let mut stdin = client.stdin.take().expect("a pipe");
    let mut stdout = BufReader::new(client.stdout.take().expect("a pipe"));
    stdin
        .write_all(b"begin; insert into d.t values (2); select n from d.t where n = 2;\n")
        .expect("it reads");
    let mut line = String::new();
    stdout.read_line(&mut line).expect("an answer");
    assert_eq!(line, "2\n");
    run.signal(libc::SIGTERM);
    run.wait_err("Normal shutdown");
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert!(ended.err().iter().any(|line| line.contains("Shutdown complete")), "{}", ended.dump());
    let _ = stdin.write_all(b"commit; select 'committed';\n");
    drop(stdin);
    line.clear();
    stdout.read_to_string(&mut line).expect("an end");
    client.wait().expect("an end");
    assert_eq!(line, "");
    let rows = place.directory.file("rows");
    bootstrap(&data, &format!("select n from d.t into outfile '{rows}';\n"));
    assert_eq!(std::fs::read_to_string(rows).expect("the rows"), "1\n");
    place.stopped(ended).expect_outcome("stopped").expect_asked(&["main TERM"]);
}
