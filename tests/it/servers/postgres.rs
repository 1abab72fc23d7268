//! `PostgreSQL`: only its master must be asked, and committed data survives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{Place, Stopped};
use crate::support::running::Running;
use crate::support::{TempDir, eventually, needs, trials};

trials![
    needs("postgres", "initdb", "psql", "setpriv") => term_lets_a_transaction_commit,
    needs("postgres", "initdb", "psql", "setpriv") => int_keeps_what_was_committed,
    needs("postgres", "initdb", "psql", "setpriv") => an_administrator_hurries_the_database,
    needs("postgres", "initdb", "psql", "setpriv") => a_killed_database_keeps_what_was_committed,
];

/// The user `nobody`, who runs the server when root runs the tests: it refuses root.
const NOBODY: u32 = 65534;

/// A database with one table and one committed row.
struct Database {
    place: Place,
    data: String,
}

/// A command of the `PostgreSQL` installation, run as a user that it accepts.
pub(crate) fn words(program: &str) -> Vec<String> {
    let initdb = needs::program("initdb").expect("initdb").canonicalize();
    // Debian's psql is a script that looks for Debian's own clusters.
    let path: PathBuf = initdb.expect("a file").with_file_name(program);
    let path = path.to_str().expect("a path of plain text").to_owned();
    if !nix::unistd::geteuid().is_root() {
        return vec![path];
    }
    let id = NOBODY.to_string();
    ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", &path].map(Into::into).into()
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let words = words(program);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(arguments).current_dir("/").stdin(Stdio::null());
    command
}

fn output(mut command: Command) -> String {
    let output = command.output().expect("a command that runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// An empty database in this directory.
pub(crate) fn data_directory(directory: &TempDir) -> String {
    let data = directory.file("data");
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("chown");
    }
    let how = ["-D", &data, "-U", "postgres", "-A", "trust", "--locale=C", "--no-sync"];
    output(command("initdb", &how));
    data
}

impl Database {
    fn new() -> Self {
        let place = Place::new();
        let data = data_directory(&place.directory);
        Self { place, data }
    }

    /// Starts the server under winddown with these arguments.
    fn start(&self, arguments: &[&str]) -> Running {
        let port = self.place.port.text();
        let run = self
            .place
            .winddown()
            .args(arguments)
            .command(words("postgres"))
            .more(["-D", &self.data, "-c", "listen_addresses=127.0.0.1", "-p", &port])
            .more(["-c", "unix_socket_directories=", "-c", "shared_buffers=8MB"])
            .owns(&self.place.directory)
            .start();
        run.wait_err("ready to accept connections");
        output(self.psql(&["-c", "create table t (n int)", "-c", "insert into t values (1)"]));
        run
    }

    fn psql(&self, arguments: &[&str]) -> Command {
        let port = self.place.port.text();
        let mut all = vec!["-X", "-A", "-t", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        all.extend(arguments);
        command("psql", &all)
    }

    /// Whether the server accepts a client.
    fn is_served(&self) -> bool {
        let quiet = self.psql(&["-c", "select 1"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    }

    /// The state that the database recorded at its last stop. Call this after the end.
    fn state(&self) -> String {
        let found = output(command("pg_controldata", &[&self.data]));
        let line = found.lines().find_map(|line| line.strip_prefix("Database cluster state:"));
        line.expect("a state").trim().to_owned()
    }

    /// The rows of the table; recovers the database first if needed. Call this after the end.
    fn rows(&self) -> Vec<i32> {
        let mut single = command("postgres", &["--single", "-D", &self.data, "postgres"]);
        let child = single.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().expect("postgres in single-user mode");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(b"select n from t order by n\n").expect("postgres reads");
        drop(stdin);
        let found = child.wait_with_output().expect("an end").stdout;
        let found = String::from_utf8_lossy(&found).into_owned();
        let values = found.lines().filter_map(|line| line.split_once("n = \"")?.1.split('"').next());
        values.map(|value| value.parse().expect("a number")).collect()
    }

    /// Waits for the end of the server and collects the results.
    fn stop(self, run: Running) -> (Stopped, String, Vec<i32>) {
        let ended = run.wait().expect_nothing_left();
        let (state, rows) = (self.state(), self.rows());
        (self.place.stopped(ended), state, rows)
    }
}

/// A client with a transaction that is not committed yet.
struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn insert(database: &Database, row: i32) -> Self {
        let mut command = database.psql(&["-q"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("psql");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut client = Self { child, stdin, stdout };
        assert_eq!(
            client.say(&format!("begin; insert into t values ({row}) returning n;\n")),
            format!("{row}\n")
        );
        client
    }

    /// Sends a line and returns the next line of the answer, empty if there is none.
    fn say(&mut self, text: &str) -> String {
        let mut line = String::new();
        if self.stdin.write_all(text.as_bytes()).is_ok() {
            self.stdout.read_line(&mut line).expect("an answer");
        }
        line
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// If the client's own server process were asked, it would end the transaction at once.
fn term_lets_a_transaction_commit() {
    let database = Database::new();
    let run = database.start(&[]);
    let mut client = Client::insert(&database, 2);
    run.signal(libc::SIGTERM);
    run.wait_err("received smart shutdown request");
    eventually("the database accepts no client", || !database.is_served());
    assert_eq!(client.say("commit; select 'committed';\n"), "committed\n");
    drop(client);
    let (stopped, state, rows) = database.stop(run);
    stopped.expect_code(0).expect_outcome("stopped").expect_asked(&["main TERM"]);
    assert_eq!((state.as_str(), rows), ("shut down", vec![1, 2]));
}

fn int_keeps_what_was_committed() {
    let database = Database::new();
    let run = database.start(&["-s", "INT"]);
    let mut client = Client::insert(&database, 2);
    run.signal(libc::SIGTERM);
    run.wait_err("received fast shutdown request");
    let (stopped, state, rows) = database.stop(run);
    assert_eq!(client.say("commit; select 'committed';\n"), "");
    stopped.expect_code(0).expect_outcome("stopped").expect_asked(&["main INT"]);
    assert_eq!((state.as_str(), rows), ("shut down", vec![1]));
}

fn an_administrator_hurries_the_database() {
    let database = Database::new();
    let mut run = database.start(&[]);
    let client = Client::insert(&database, 2);
    run.signal(libc::SIGTERM);
    run.wait_err("received smart shutdown request");
    assert!(run.is_running());
    run.signal(libc::SIGINT);
    run.wait_err("received fast shutdown request");
    let (stopped, state, rows) = database.stop(run);
    stopped.expect_code(0).expect_outcome("stopped").expect_asked(&["main TERM", "main INT"]);
    assert_eq!((state.as_str(), rows), ("shut down", vec![1]));
    drop(client);
}

// A client that stays connected keeps a smart shutdown from ending, so the limit is needed here.
fn a_killed_database_keeps_what_was_committed() {
    let database = Database::new();
    let run = database.start(&["-t", "700ms"]);
    let client = Client::insert(&database, 2);
    run.signal(libc::SIGTERM);
    run.wait_err("received smart shutdown request");
    let (stopped, state, rows) = database.stop(run);
    let stopped = stopped.expect_code(137).expect_outcome("killed");
    let main = &stopped.record["main"]["pid"];
    let killed = stopped.record["killed"].as_array().expect("a list");
    assert!(killed.iter().any(|one| one["pid"] == *main), "{:#}", stopped.record);
    assert_eq!((state.as_str(), rows), ("in production", vec![1]));
    drop(client);
}
