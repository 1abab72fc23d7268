//! Real containers: one image for a whole run of the tests, and containers that are removed with their test.
//!
//! The image is built from scratch: the winddown that containers use (static, slim) and the full one, the workload
//! program, a shell, and the libraries of the programs that are not static.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use super::builder::{Winddown, winddown_path, workload_path};
use super::processes::{self, TAG};
use super::running::Running;
use super::{TempDir, unique};

/// Marks images and containers of all tests; its value says which process made them.
const LABEL: &str = "winddown-test";

/// The path of winddown in the image.
pub(crate) const WINDDOWN: &str = "/winddown";
/// The path of the full winddown, the one that is tested outside of containers.
pub(crate) const WINDDOWN_TESTED: &str = "/winddown-tested";
/// The path of the workload program.
pub(crate) const WORKLOAD: &str = "/workload";

static IMAGE: OnceLock<Result<String, String>> = OnceLock::new();

/// The image, built on first use, with winddown as its entry point.
#[track_caller]
pub(crate) fn image() -> &'static str {
    let built = IMAGE.get_or_init(|| {
        sweep();
        build_image()
    });
    built.as_ref().unwrap_or_else(|error| panic!("no image to test with: {error}"))
}

/// Removes what the tests have made, after all of them.
pub(crate) fn clean_up() {
    if IMAGE.get().is_some() {
        remove(|owner| owner == own_mark());
    }
}

/// Removes what test processes left behind that were killed.
fn sweep() {
    remove(|owner| !is_running(owner));
}

/// An identity of this process that no other process ever has.
fn own_mark() -> String {
    mark_of(std::process::id().cast_signed()).expect("an own line in /proc")
}

fn mark_of(pid: i32) -> Option<String> {
    processes::info(pid).map(|info| format!("{pid}-{}", info.start))
}

fn is_running(mark: &str) -> bool {
    let pid = mark.split('-').next().and_then(|pid| pid.parse().ok());
    pid.and_then(mark_of).is_some_and(|now| now == mark)
}

fn remove(is_to_go: impl Fn(&str) -> bool) {
    let filter = format!("label={LABEL}");
    let owner = format!("{{{{.Label \"{LABEL}\"}}}}");
    let containers = ["ps", "--all", "--filter", &filter, "--format", &format!("{owner} {{{{.ID}}}}")];
    let images = ["images", "--filter", &filter, "--format", "{{.Tag}} {{.Repository}}:{{.Tag}}"];
    for (list, removal) in [(&containers[..], "rm"), (&images[..], "rmi")] {
        let Ok(found) = try_docker(list) else { continue };
        let marked = found.lines().filter_map(|line| line.split_once(' '));
        for (_, id) in marked.filter(|(owner, _)| is_to_go(owner.split('_').next().unwrap_or_default())) {
            let _ = try_docker([removal, "--force", id]);
        }
    }
}

/// Runs the client and returns what it printed.
#[track_caller]
pub(crate) fn docker(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    try_docker(words).unwrap_or_else(|error| panic!("docker: {error}"))
}

fn try_docker(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String, String> {
    // An engine that hangs must not hang the tests.
    text_of(Command::new("timeout").args(["120", "docker"]).args(words))
}

/// Both streams of a command that must succeed.
fn text_of(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = output.map_err(|error| format!("{command:?}: {error}"))?;
    let errors = String::from_utf8_lossy(&stderr);
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).into_owned() + &errors)
    } else {
        Err(format!("{command:?}: {status}: {errors}"))
    }
}

/// The static winddown: `WINDDOWN_STATIC`, or `WINDDOWN_BIN` if it is static, or a new build.
fn static_winddown() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("WINDDOWN_STATIC") {
        return Ok(path.into());
    }
    let given = std::env::var_os("WINDDOWN_BIN").map(PathBuf::from);
    if let Some(path) = given.filter(|path| libraries(path).is_empty()) {
        return Ok(path);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/build-static");
    let mut build = Command::new(script);
    let output = build.arg("--no-default-features").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{script}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().into())
}

/// The shared libraries of a program; none if it is static.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = text_of(Command::new("ldd").arg(program)).unwrap_or_default();
    let paths = listed.lines().filter_map(|line| {
        let line = line.split_once("=> ").map_or(line, |(_, path)| path);
        line.split_whitespace().next().filter(|path| path.starts_with('/'))
    });
    paths.map(PathBuf::from).collect()
}

fn build_image() -> Result<String, String> {
    let place = TempDir::new();
    let root = place.path().join("root");
    let programs = [
        (static_winddown()?, WINDDOWN),
        (winddown_path(), WINDDOWN_TESTED),
        (workload_path(), WORKLOAD),
        (PathBuf::from("/bin/sh"), "/bin/sh"),
    ];
    for (program, target) in &programs {
        copy(program, &root, Path::new(target))?;
        for library in libraries(program) {
            copy(&library, &root, &library)?;
        }
    }
    place.write("Dockerfile", "FROM scratch\nCOPY root /\nENTRYPOINT [\"/winddown\"]\n");
    build(place.path().as_os_str(), "")
}

fn copy(file: &Path, root: &Path, target: &Path) -> Result<(), String> {
    let target = root.join(target.strip_prefix("/").unwrap_or(target));
    let made = std::fs::create_dir_all(target.parent().unwrap_or(root));
    let copied = made.and_then(|()| std::fs::copy(file, &target));
    copied.map(|_| ()).map_err(|error| format!("{} to {}: {error}", file.display(), target.display()))
}

/// Builds an image that is removed when the tests end.
fn build(context: &OsStr, variant: &str) -> Result<String, String> {
    let name = format!("{LABEL}:{}{variant}", own_mark());
    let label = format!("{LABEL}={}", own_mark());
    let words = ["build", "--quiet", "--network", "none", "--label", &label, "--tag", &name];
    try_docker(words.iter().map(OsStr::new).chain([context]))?;
    Ok(name)
}

/// An image made from the usual one by these lines.
#[track_caller]
pub(crate) fn image_with(variant: &str, lines: &str) -> String {
    let place = TempDir::new();
    place.write("Dockerfile", &format!("FROM {}\n{lines}\n", image()));
    let built = build(place.path().as_os_str(), &format!("_{variant}"));
    built.unwrap_or_else(|error| panic!("no image {variant}: {error}"))
}

/// The label for a container that is made in another way.
pub(crate) fn label() -> (&'static str, String) {
    (LABEL, own_mark())
}

/// A container's name. The container that has it is removed with the test.
pub(crate) struct Container {
    name: String,
}

impl Container {
    pub(crate) fn new() -> Self {
        image();
        Self { name: format!("{LABEL}-{}", unique()) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `docker run` with these options, in the foreground as a person runs it, of winddown with its
    /// arguments and the workload program with its flags, all split at blanks.
    #[track_caller]
    pub(crate) fn run(&self, options: &str, args: &str, flags: &str) -> Running {
        self.run_words(options, &words(args, flags))
    }

    /// The same, with any words after the image's entry point.
    #[track_caller]
    pub(crate) fn run_words(&self, options: &str, words: &[&str]) -> Running {
        Winddown::bare().command(self.words(image(), options, words)).start()
    }

    /// The command line of a `docker run`.
    pub(crate) fn words(&self, image: &str, options: &str, words: &[&str]) -> Vec<String> {
        let label = format!("{LABEL}={}", own_mark());
        // A network takes time to set up. The client carries the tag's value.
        let fixed = ["docker", "run", "--network", "none", "--env", TAG, "--label", &label];
        let mut all = fixed.to_vec();
        all.extend(["--name", &self.name]);
        all.extend(options.split_whitespace());
        all.push(image);
        all.extend(words);
        all.into_iter().map(Into::into).collect()
    }

    /// Runs `docker VERB WORDS... NAME`; returns the time before the call, and what it printed.
    #[track_caller]
    pub(crate) fn docker(&self, words: &str) -> (Instant, String) {
        let before = Instant::now();
        let printed = docker(words.split_whitespace().chain([self.name()]));
        (before, printed)
    }

    /// The same, without waiting for the command to end.
    #[track_caller]
    pub(crate) fn docker_beside(&self, words: &str) -> Running {
        let words = ["docker"].into_iter().chain(words.split_whitespace());
        Winddown::bare().command(words).more([self.name()]).start()
    }

    /// Runs the workload program with these flags by `docker exec`.
    #[track_caller]
    pub(crate) fn exec(&self, options: &str, flags: &str) -> Running {
        let words = ["docker", "exec", "--env", TAG].into_iter().chain(options.split_whitespace());
        let inner = [self.name(), WORKLOAD].into_iter().chain(flags.split_whitespace());
        Winddown::bare().command(words.chain(inner)).start()
    }

    /// All output of the container so far.
    #[track_caller]
    pub(crate) fn logs(&self) -> String {
        self.docker("logs").1
    }

    /// What the engine knows about the container, by a Go template.
    #[track_caller]
    pub(crate) fn inspect(&self, template: &str) -> String {
        docker(["inspect", "--format", template, self.name()]).trim_end().to_owned()
    }

    /// The exit status that the engine reports.
    #[track_caller]
    pub(crate) fn exit_status(&self) -> i32 {
        self.inspect("{{.State.ExitCode}}").parse().expect("a number")
    }

    /// The pid of the container's PID 1 on the machine.
    #[track_caller]
    pub(crate) fn pid_1(&self) -> i32 {
        self.inspect("{{.State.Pid}}").parse().expect("a number")
    }

    /// The pid on the machine of a process in the container.
    #[track_caller]
    pub(crate) fn pid_outside(&self, inside: i32) -> i32 {
        let space = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = space(self.pid_1()).expect("a container that runs");
        let is_it = |pid: i32| processes::inner_pid(pid) == Some(inside) && space(pid).as_ref() == Some(&own);
        let found = processes::all().into_iter().find(|process| is_it(process.pid));
        found.unwrap_or_else(|| panic!("no process {inside} in the container")).pid
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = try_docker(["rm", "--force", "--volumes", &self.name]);
    }
}

/// winddown's arguments and the workload program with its flags, split at blanks.
pub(crate) fn words<'a>(args: &'a str, flags: &'a str) -> Vec<&'a str> {
    args.split_whitespace().chain(["--", WORKLOAD]).chain(flags.split_whitespace()).collect()
}
