//! A run in progress, and a run that has ended.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ExitStatus};
use std::time::{Duration, Instant};

use super::output::{Output, fact};
use super::pinned::Pinned;
use super::processes::{Tag, children, state};
use super::{PATIENCE, eventually, lateness};

/// Our ends of the streams that are pipes.
pub(super) struct Streams {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) out: Option<Output>,
    pub(super) err: Option<Output>,
}

/// A run in progress. Dropping it kills all its processes.
pub(crate) struct Running {
    child: Child,
    /// winddown, which is a child of `child` in a PID namespace of its own.
    process: Pinned,
    streams: Streams,
    started: Instant,
    tag: Tag,
}

/// A run that has ended. Dropping it kills the processes it left behind.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// From start to end.
    pub(crate) duration: Duration,
    streams: Streams,
    tag: Tag,
}

/// The lines of a stream so far; none if it is not a pipe.
fn lines(output: Option<&Output>) -> Vec<String> {
    output.map_or(Vec::new(), Output::lines)
}

/// All output, for the message of a failing test.
fn dump(streams: &Streams) -> String {
    let text = |output: &Option<Output>| output.as_ref().map_or(String::new(), Output::text);
    format!("--- stdout\n{}\n--- stderr\n{}\n---", text(&streams.out), text(&streams.err))
}

impl Running {
    pub(super) fn new(
        child: Child,
        tag: Tag,
        streams: Streams,
        started: Instant,
        in_namespace: bool,
    ) -> Self {
        let outer = child.id().cast_signed();
        let mut inner = None;
        if in_namespace {
            eventually("unshare has started its child", || {
                inner = children(outer).first().and_then(|inner| tag.find(inner.pid));
                // A short run may be over already.
                inner.is_some() || state(outer) == Some('Z')
            });
        }
        let process = inner.unwrap_or_else(|| Pinned::child(&child));
        Self { child, process, streams, started, tag }
    }

    /// winddown, for signals of any kind.
    pub(crate) fn process(&self) -> &Pinned {
        &self.process
    }

    /// winddown's pid in the PID namespace of the tests.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// When the run was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The marks of its processes.
    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Sends winddown a signal; returns the time before the call.
    #[track_caller]
    pub(crate) fn signal(&self, signal: i32) -> Instant {
        self.process.signal(signal)
    }

    /// Sends winddown a signal with a value.
    #[track_caller]
    pub(crate) fn queue(&self, signal: i32, value: usize) {
        self.process.queue(signal, std::process::id().cast_signed(), value);
    }

    /// Waits for the value of a fact on stdout, such as `pid` or `worker pid`.
    #[track_caller]
    pub(crate) fn fact(&self, name: &str) -> String {
        let output = self.streams.out.as_ref().expect("stdout is not a pipe");
        let found = output.wait(PATIENCE, |text| fact(text, name));
        found.unwrap_or_else(|| panic!("no fact {name}\n{}", dump(&self.streams)))
    }

    /// The same, for a number.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> i32 {
        let value = self.fact(name);
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    }

    /// Waits for the first line on stdout that contains this text.
    #[track_caller]
    pub(crate) fn wait_out(&self, part: &str) -> String {
        self.wait_lines(self.streams.out.as_ref(), part, 1).remove(0)
    }

    /// Waits until this many lines on stdout contain this text.
    #[track_caller]
    pub(crate) fn wait_out_times(&self, part: &str, count: usize) -> Vec<String> {
        self.wait_lines(self.streams.out.as_ref(), part, count)
    }

    /// Waits for the first line on stderr that contains this text.
    #[track_caller]
    pub(crate) fn wait_err(&self, part: &str) -> String {
        self.wait_lines(self.streams.err.as_ref(), part, 1).remove(0)
    }

    #[track_caller]
    fn wait_lines(&self, output: Option<&Output>, part: &str, count: usize) -> Vec<String> {
        let output = output.expect("the stream is not a pipe");
        let found = output.wait(PATIENCE, |text| {
            let mut lines = super::output::complete_lines(text);
            lines.retain(|line| line.contains(part));
            (lines.len() >= count).then_some(lines)
        });
        found.unwrap_or_else(|| panic!("not {count} times {part:?}\n{}", dump(&self.streams)))
    }

    /// The lines on stdout so far.
    pub(crate) fn out(&self) -> Vec<String> {
        lines(self.streams.out.as_ref())
    }

    /// The lines on stderr so far.
    pub(crate) fn err(&self) -> Vec<String> {
        lines(self.streams.err.as_ref())
    }

    /// Writes to stdin, which must be a pipe.
    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.streams.stdin.as_mut().expect("stdin is not a pipe");
        stdin.write_all(text.as_bytes()).expect("a reader of stdin");
    }

    pub(crate) fn close_stdin(&mut self) {
        self.streams.stdin = None;
    }

    /// Stops reading stderr and closes it: the writer gets a broken pipe.
    pub(crate) fn close_stderr(&mut self) -> String {
        self.streams.err.take().map_or(String::new(), Output::close)
    }

    /// Whether winddown has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for winddown's end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let ended = Pinned::child(&self.child).ends();
        assert!(ended, "no end within {PATIENCE:?}\n{}", dump(&self.streams));
        let end = Instant::now();
        self.tag.forget_session();
        let status = self.child.wait().expect("a child's status");
        for output in [&self.streams.out, &self.streams.err].into_iter().flatten() {
            output.catch_up();
        }
        Ended {
            status,
            start: self.started,
            end,
            duration: end - self.started,
            streams: std::mem::replace(&mut self.streams, Streams { stdin: None, out: None, err: None }),
            tag: std::mem::replace(&mut self.tag, Tag::new()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A storm can't be caught, but it ends when its pipes are closed.
        self.streams = Streams { stdin: None, out: None, err: None };
        let _ = self.child.kill();
        self.tag.forget_session();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The exit status, if winddown exited.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that killed winddown, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The time from this moment to the end.
    pub(crate) fn since(&self, moment: Instant) -> Duration {
        self.end.saturating_duration_since(moment)
    }

    /// Panics unless the run ended at most this long after that moment, as [`lateness`] judges it.
    #[track_caller]
    pub(crate) fn expect_within(&self, moment: Instant, promised: Duration) {
        self.expect_time_within(self.since(moment), promised);
    }

    /// The same, and not earlier.
    #[track_caller]
    pub(crate) fn expect_at(&self, moment: Instant, promised: Duration) {
        self.expect_time(self.since(moment), promised);
    }

    /// Panics unless a time that was measured in this run, say in its record, is as promised: not
    /// shorter, and not longer than [`lateness`] allows.
    #[track_caller]
    pub(crate) fn expect_time(&self, time: Duration, promised: Duration) {
        assert!(time >= promised, "{time:?} is before {promised:?}\n{}", self.dump());
        self.expect_time_within(time, promised);
    }

    #[track_caller]
    fn expect_time_within(&self, time: Duration, promised: Duration) {
        lateness::expect_within(time, promised, (self.start, self.end), || self.dump());
    }

    /// The lines on stdout.
    pub(crate) fn out(&self) -> Vec<String> {
        lines(self.streams.out.as_ref())
    }

    /// The lines on stderr.
    pub(crate) fn err(&self) -> Vec<String> {
        lines(self.streams.err.as_ref())
    }

    /// All bytes on stdout.
    pub(crate) fn out_bytes(&self) -> Vec<u8> {
        self.streams.out.as_ref().map_or(Vec::new(), Output::bytes)
    }

    /// How many lines on stdout contain this text.
    pub(crate) fn count_out(&self, part: &str) -> usize {
        self.out().iter().filter(|line| line.contains(part)).count()
    }

    /// The value of a fact that was printed.
    #[track_caller]
    pub(crate) fn fact(&self, name: &str) -> String {
        let text = self.streams.out.as_ref().map_or(String::new(), Output::text);
        fact(&text, name).unwrap_or_else(|| panic!("no fact {name}\n{}", self.dump()))
    }

    /// All output, for the messages of failing tests.
    pub(crate) fn dump(&self) -> String {
        format!("{:?} after {:?}\n{}", self.status, self.duration, dump(&self.streams))
    }

    /// Panics, with all output, unless winddown exited with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}", self.dump());
        self
    }

    /// Panics, with all output, unless this signal killed winddown.
    #[track_caller]
    pub(crate) fn expect_signal(self, signal: i32) -> Self {
        assert_eq!(self.signal(), Some(signal), "{}", self.dump());
        self
    }

    /// Panics if a process of the run is still alive.
    #[track_caller]
    pub(crate) fn expect_nothing_left(self) -> Self {
        self.tag.assert_nothing_left();
        self
    }

    /// The marks of its processes.
    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }
}
