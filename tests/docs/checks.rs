//! The page of all checks.

use std::fmt::Write as _;

use winddown::check::checks::catalogue::{Profile, checks};

const HEAD: &str = "\
# Checks

<!-- Made by `UPDATE_DOCS=1 cargo test --test docs` from the list of checks. -->

The checks of [winddown check](check.md). `winddown check --list` and `--explain ID` print the same.
";

/// The whole page: a part for each profile.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    for profile in Profile::ALL {
        let _ = writeln!(
            page,
            "\n## {}\n\n| check | what it checks | in detail |\n|---|---|---|",
            profile.name()
        );
        for check in checks().filter(|check| check.profile == profile) {
            let more = check.more.replace('|', "\\|").replace('*', "\\*");
            let _ = writeln!(page, "| `{}` | {} | {more} |", check.id, check.about);
        }
    }
    page
}
