//! `JUnit` XML: one case for each check, and the whole story in the body of a failure, since `GitLab` shows nothing else.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::super::verdict::{Verdict, Word};
use super::Results;

const CLASS: &str = "winddown.check";

pub(super) fn report(results: &Results<'_>) -> String {
    let mut report = Report::new("winddown check");
    let mut suite = TestSuite::new(CLASS);
    suite.add_test_cases(results.verdicts.iter().map(|verdict| case(verdict, results)));
    report.add_test_suite(suite);
    // The schema that Jenkins reads has another word for it; the first one is the suite's.
    report.to_string().unwrap_or_default().replacen(" disabled=", " skipped=", 1)
}

fn case(verdict: &Verdict, results: &Results<'_>) -> TestCase {
    let lines = verdict.lines().join("\n");
    let mut status = match verdict.word {
        Word::Pass | Word::Warn => TestCaseStatus::success(),
        Word::Skip => TestCaseStatus::skipped(),
        // Neither passed nor failed.
        Word::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Word::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    status.set_message(verdict.summary.as_str());
    if matches!(verdict.word, Word::Fail | Word::Inconclusive) {
        status.set_type(verdict.word.name());
        status.set_description(format!("{lines}\n\n{}", results.page));
    }
    let mut case = TestCase::new(verdict.id, status);
    case.set_classname(CLASS);
    // For a check, its run's time would say nothing; readers want a number.
    case.set_time(std::time::Duration::ZERO);
    if verdict.word == Word::Warn {
        case.set_system_out(lines);
    }
    case
}
