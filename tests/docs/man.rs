//! The manual page: the options come from the definition of the command line, the rest is written here.

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use winddown::cli;
use winddown::lifecycle::exit::{KILLED, NOT_EXECUTABLE, NOT_FOUND, RUN_LIMIT, WINDDOWN_FAILED};

use crate::definition::meaning_and_default;

const DESCRIPTION: [&str; 5] = [
    "*winddown* starts COMMAND and passes signals on to it. When it is asked to stop (SIGTERM, Ctrl+C), it \
     gives COMMAND a time limit to finish its work; then it kills whatever is left of the workload: COMMAND \
     and every process that it has started, wherever they are. It logs each step of a stop, and is silent \
     otherwise.",
    "It can stand in front of any program: terminal, streams, environment, arguments, signal mask and \
     exit status are those that COMMAND would have without it. As the first process of a container \
     (PID 1) it reaps orphans too.",
    "Options end at the first word that is not an option, or at *--*: all further words belong to COMMAND.",
    "*winddown token*, run by COMMAND under *--token*, prints how long is left until SIGKILL; its exit status is 0 \
     while running and 1 when a stop has been requested. With *--wait* it waits for the stop and exits with 0; with \
     *--extend DURATION* it asks for this much time from now, and exits with 0 if that is granted and 1 if it is \
     refused. Elsewhere it exits with 125.",
    "*winddown report FILE...* presents records (*--record*): one as a story, several as a table with their stop \
     times. With *--html OUT.html* it draws the timeline for a browser, with *--format json* it prints one object \
     for programs; *--explain CODE* explains a cause. A FILE of *-* is stdin. It exits with 125 if a record can't be read.",
];

/// What `winddown check` does.
#[cfg(feature = "check")]
const CHECK: &str = "*winddown check* starts a server under *winddown*, waits until it is ready, stops it, and judges how \
     it stopped: whether it ended in time, what it left behind, and what clients got. Without more options that is one \
     stop (*--profile quick*); *standard* and *full* play further scenarios, each in a run of its own. A check that \
     could not observe its subject is inconclusive, never passed. It takes no options from the environment.";

const DURATIONS: &str = "A DURATION is *250ms*, *30s*, *1m30s*, a plain number of seconds, *0* or *infinity*. A \
     SIGNAL is a name (*TERM*, *SIGTERM*), a number (*15*), or *RTMIN+3*.";

const STOP: [(&str, &str); 6] = [
    (
        "Start of a stop",
        "A signal of *--stop-on* (TERM and INT by default), the end of the controlling terminal, the run \
         limit, or COMMAND's end while other processes are left. It starts the clock, once: the time limit \
         covers all that follows.",
    ),
    (
        "Order",
        "COMMAND first, alone. Another process is asked once its parent has gone, so a server's workers \
         are left to the server, and a server behind a shell is asked when the shell has died. *--to all* asks \
         every process at one moment. No process gets the stop signal twice.",
    ),
    (
        "Again",
        "The same stop signal again is logged, and not passed on; another one is passed on to COMMAND once. \
         Ctrl+C again, at least 200 ms after the first, kills at once.",
    ),
    (
        "The kill",
        "At the time limit SIGKILL goes to the whole workload, again and again until nothing is left. \
         *winddown* names processes that outlive even that for *--kill-wait*, and exits with 125.",
    ),
    (
        "Other signals",
        "go to COMMAND as they come, with their value. SIGHUP is one of them while the terminal is there. \
         SIGCHLD, SIGTTIN and SIGTTOU are about *winddown* itself.",
    ),
    (
        "Ctrl+Z",
        "When COMMAND is stopped from the terminal, *winddown* stops too, and the shell's *fg* continues both.",
    ),
];

const EXAMPLES: [(&str, &str); 5] = [
    ("Give a server 30 seconds to finish its requests:", "winddown -t 30s -- ./server --port 8080"),
    (
        "In a Dockerfile; the engine's own limit (docker stop -t) has to be longer:",
        "ENTRYPOINT [\"winddown\", \"-t\", \"25s\", \"--\"]",
    ),
    ("Stop nginx with the signal it takes as a graceful stop:", "winddown -s QUIT nginx -g 'daemon off;'"),
    (
        "A JVM ends with 143 after SIGTERM; that counts as success:",
        "winddown --remap-exit 143=0 java -jar app.jar",
    ),
    ("A program that lives on after Ctrl+C:", "winddown --stop-on TERM python3"),
];

/// An argument that is present and empty.
const NO_DATE: &str = "\"\"";

/// The whole page.
pub(crate) fn page() -> String {
    let man = Man::new(cli::definition());
    let mut page = Roff::new();
    page.control("TH", ["WINDDOWN", "1", NO_DATE, source().as_str(), "User Commands"]);
    page.control("SH", ["NAME"]);
    page.text([roman("winddown - run a command and enforce a time limit on its shutdown")]);
    let mut page = page.render();
    page += &part(|out| man.render_synopsis_section(out));
    page += &description();
    page += &options();
    page += &stops();
    page += &exit_status();
    page += &environment();
    page += &examples();
    page
}

/// The page of `winddown check`.
#[cfg(feature = "check")]
pub(crate) fn check() -> String {
    use winddown::check::{checks::catalogue, options};
    let man = Man::new(options::definition::definition());
    let mut page = Roff::new();
    page.control("TH", ["WINDDOWN-CHECK", "1", NO_DATE, source().as_str(), "User Commands"]);
    page.control("SH", ["NAME"]);
    page.text([roman("winddown-check - test how a server shuts down")]);
    let mut page = page.render();
    page += &part(|out| man.render_synopsis_section(out));
    page += &section("DESCRIPTION", |roff| {
        roff.text(words(CHECK));
    });
    page += &sub_sections(&part(|out| man.render_options_section(out)));
    page += &section("READINESS AND EXIT STATUS", |roff| {
        let help =
            options::definition::definition().get_after_help().map(ToString::to_string).unwrap_or_default();
        roff.control("EX", []);
        for line in help.lines() {
            roff.text([roman(line)]);
        }
        roff.control("EE", []);
    });
    page += &section("CHECKS", |roff| {
        for check in catalogue::checks() {
            let profile = check.profile.name();
            entry(roff, &format!("{} ({profile})", check.id), "");
            // Not through `words`: an asterisk is literal here.
            roff.text([roman(format!("{}. {}", check.about, check.more))]);
        }
    });
    page + &see_also(&[("winddown", "1")])
}

/// Groups of options are sections for clap; here they are parts of one section.
fn sub_sections(text: &str) -> String {
    text.replace(".SH ", ".SS ").replacen(".SS OPTIONS", ".SH OPTIONS", 1)
}

fn source() -> String {
    format!("winddown {}", env!("CARGO_PKG_VERSION"))
}

fn part(render: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    render(&mut out).expect("memory can be written");
    // The page has the preamble once, at its top.
    let text = String::from_utf8(out).expect("a page is text");
    let start = text.find(".SH").expect("a section");
    text[start..].to_owned()
}

/// Words between asterisks are bold.
fn words(text: &str) -> Vec<Inline> {
    let pieces = text.split('*').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 0 { roman(piece) } else { bold(piece) }).collect()
}

fn section(title: &str, fill: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    fill(&mut roff);
    roff.to_roff()
}

fn entry(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text(words(text));
}

fn description() -> String {
    section("DESCRIPTION", |roff| {
        for (index, paragraph) in DESCRIPTION.iter().enumerate() {
            if index > 0 {
                roff.control("PP", []);
            }
            roff.text(words(paragraph));
        }
    })
}

fn options() -> String {
    let definition = cli::definition().mut_args(|option| {
        let Some(variable) = cli::variable_of(&option) else { return option };
        let (meaning, default) = meaning_and_default(&option);
        option.help(format!("{meaning}. Default: {default}. Variable: {variable}."))
    });
    let text = part(|out| Man::new(definition).render_options_section(out));
    let text = sub_sections(&text);
    let mut roff = Roff::new();
    roff.control("SS", ["VALUES"]);
    roff.text(words(DURATIONS));
    text + &roff.to_roff()
}

fn stops() -> String {
    section("SIGNALS AND STOPS", |roff| {
        for (term, text) in STOP {
            entry(roff, term, text);
        }
    })
}

fn exit_status() -> String {
    let table = [
        (
            WINDDOWN_FAILED,
            "*winddown* itself failed before the start, bad usage included; or processes outlived SIGKILL.",
        ),
        (NOT_EXECUTABLE, "COMMAND could not be executed."),
        (NOT_FOUND, "COMMAND was not found."),
        (KILLED, "COMMAND was killed by *winddown*."),
        (RUN_LIMIT, "The run limit started the stop, and COMMAND ended in time."),
    ];
    section("EXIT STATUS", |roff| {
        roff.text([roman("The first that applies:")]);
        for (status, text) in table {
            entry(roff, &status.to_string(), text);
        }
        entry(
            roff,
            "COMMAND's own",
            "in all other cases, after *--remap-exit*; also when only other processes had to be killed. If COMMAND died of a \
             signal by itself, *winddown* dies of the same one; as PID 1, or remapped, it exits with 128 plus \
             the signal's number.",
        );
    })
}

fn environment() -> String {
    section("ENVIRONMENT", |roff| {
        entry(
            roff,
            "WINDDOWN_*",
            "Each option can be given as the variable named with it; options without a value take *1* or *0*. \
             The command line wins, empty means unset, and COMMAND does not inherit these variables.",
        );
        entry(roff, "PATH", "Where to find COMMAND, unless it contains a slash.");
        entry(roff, "NO_COLOR", "If set and not empty, no colours in the log.");
        roff.control("PP", []);
        roff.text([roman("COMMAND finds these set:")]);
        entry(
            roff,
            "SHUTDOWN_LIMIT_MS",
            "The time limit in milliseconds, for programs that plan their shutdown; absent without a limit.",
        );
        entry(
            roff,
            "SHUTDOWN_TOKEN, SHUTDOWN_FD",
            "With *--token*: the file that appears when a stop is requested, with the lines *reason*, *deadline_ms* and \
             *deadline_monotonic_ms*; and the number of a descriptor that becomes readable then.",
        );
        entry(
            roff,
            "SHUTDOWN_SOCKET",
            "With *--extend-max* as well: the socket that *winddown token --extend* uses.",
        );
        entry(
            roff,
            "SHUTDOWN_DEADLINE_MS, SHUTDOWN_DEADLINE_MONOTONIC_MS",
            "With *--run-limit*: when everything will be over, since the epoch and by CLOCK_MONOTONIC.",
        );
        entry(
            roff,
            "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_PID",
            "As COMMAND would have them from a service manager: winddown's own socket, the shorter of its watchdogs, \
             and COMMAND's process where they named *winddown*.",
        );
        roff.control("PP", []);
        roff.text([roman("Commands of a stop plan, and the one after the end, find these as well:")]);
        entry(
            roff,
            "SHUTDOWN_DEADLINE_MS",
            "When SIGKILL is due, in milliseconds since 1970; not after the end.",
        );
        entry(
            roff,
            "SHUTDOWN_OUTCOME, SHUTDOWN_EXIT_STATUS",
            "The outcome in one word, and the status that winddown will exit with; after the end only.",
        );
    })
}

fn examples() -> String {
    let examples = section("EXAMPLES", |roff| {
        for (index, (text, command)) in EXAMPLES.iter().enumerate() {
            if index > 0 {
                roff.control("PP", []);
            }
            roff.text([roman(*text)]);
            roff.control("PP", []);
            roff.control("RS", ["4"]);
            roff.control("EX", []);
            roff.text([roman(*command)]);
            roff.control("EE", []);
            roff.control("RE", []);
        }
    });
    let pages = [
        ("winddown-check", "1"),
        ("timeout", "1"),
        ("nohup", "1"),
        ("kill", "1"),
        ("signal", "7"),
        ("pid_namespaces", "7"),
    ];
    examples + &see_also(&pages)
}

fn see_also(pages: &[(&str, &str)]) -> String {
    section("SEE ALSO", |roff| {
        for (index, (page, number)) in pages.iter().enumerate() {
            let comma = if index + 1 < pages.len() { "," } else { "" };
            roff.control("BR", [*page, &format!("({number}){comma}")]);
        }
    })
}
