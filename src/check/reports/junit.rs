//! `JUnit` XML: one case for each check. The whole page is in the body of the first that failed, since `GitLab` shows
//! nothing else; where none has failed, it is the suite's output.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::page::Surface;
use super::{Results, name};
use crate::check::checks::catalogue;
use crate::check::checks::verdict::{Verdict, Word};
use crate::check::observed::{Observed, Readiness};
use crate::check::options::reports::SUITES;

pub(super) fn report(who: &[&Results<'_>]) -> String {
    let mut report = Report::new(SUITES);
    report.add_test_suites(who.iter().map(|results| suite(results)));
    let text = report.to_string().unwrap_or_default();
    // The schema that Jenkins reads has another word for it; a quote in a name would be escaped.
    let line = |line: &str| {
        let is_head = line.trim_start().starts_with("<testsuite ");
        if is_head { line.replacen("\" disabled=", "\" skipped=", 1) } else { line.to_owned() }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn suite(results: &Results<'_>) -> TestSuite {
    let (name, page) = (name(results.options), results.page(Surface::default()));
    // Histories are kept by these names: another server's must differ.
    let mut suite = TestSuite::new(name.as_str());
    let of = |word| results.verdicts.iter().find(move |verdict: &&Verdict| verdict.word() == word);
    let bearer = of(Word::Fail).or(of(Word::Inconclusive)).map(|verdict| verdict.id);
    for verdict in &results.verdicts {
        let page = (bearer == Some(verdict.id)).then_some(page.as_str());
        let mut case = case(verdict, page);
        case.set_classname(name.as_str()).set_time(time(verdict, results));
        suite.add_test_case(case);
    }
    if bearer.is_none() {
        suite.set_system_out(page);
    }
    let times = results.seen.runs().map(|(_, run)| ready(run).saturating_add(stop(run)));
    suite.set_time(times.fold(Duration::ZERO, Duration::saturating_add));
    suite
}

fn case(verdict: &Verdict, page: Option<&str>) -> TestCase {
    let lines = verdict.lines().join("\n");
    let mut status = match verdict.word() {
        Word::Pass | Word::Warn => TestCaseStatus::success(),
        Word::Skip => TestCaseStatus::skipped(),
        // Neither passed nor failed.
        Word::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Word::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    status.set_message(verdict.summary.as_str());
    if matches!(verdict.word(), Word::Fail | Word::Inconclusive) {
        status.set_type(verdict.word().name());
        let page = page.map(|page| format!("\n\n{page}")).unwrap_or_default();
        status.set_description(format!("{lines}{page}"));
    }
    let mut case = TestCase::new(verdict.id, status);
    if verdict.word() == Word::Warn {
        case.set_system_out(lines);
    }
    case
}

/// How long the runs took that the check looks at: their starts for `ready`, their stops for all others.
fn time(verdict: &Verdict, results: &Results<'_>) -> Duration {
    let Some(check) = catalogue::find(verdict.id) else { return Duration::ZERO };
    let part = if check.is_of_the_start() { ready } else { stop };
    let runs = results.seen.runs().filter(|(scenario, _)| *scenario == check.scenario);
    runs.map(|(_, run)| part(run)).fold(Duration::ZERO, Duration::saturating_add)
}

fn ready(run: &Observed) -> Duration {
    let ms = match run.readiness {
        Readiness::Ready { after_ms, .. } | Readiness::TimedOut { after_ms, .. } => after_ms,
        Readiness::Ended { .. } | Readiness::NotRun { .. } => 0,
    };
    Duration::from_millis(ms)
}

fn stop(run: &Observed) -> Duration {
    Duration::from_millis(run.stop_ms().unwrap_or_default())
}
