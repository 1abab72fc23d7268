//! The page of all checks.

use std::fmt::Write as _;

use winddown::check::catalogue::{CHECKS, Profile};

const HEAD: &str = "\
# Checks

<!-- Made by `UPDATE_DOCS=1 cargo test --test docs` from the list of checks. -->

What [winddown check](check.md) looks at. `winddown check --list` and `--explain ID` tell the same.
";

/// The whole page: a part for each profile.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    for profile in Profile::ALL {
        let _ = writeln!(page, "\n## {}\n\n| check | looks whether | |\n|---|---|---|", profile.name());
        for check in CHECKS.iter().filter(|check| check.profile == profile) {
            let more = check.more.replace('|', "\\|").replace('*', "\\*");
            let _ = writeln!(page, "| `{}` | {} | {more} |", check.id, check.about);
        }
    }
    page
}
