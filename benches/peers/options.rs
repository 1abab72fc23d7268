//! The command line of the benchmark.

use std::path::PathBuf;

/// What can be measured.
pub(crate) const NAMES: [&str; 9] =
    ["size", "start", "pid1", "signal", "exit", "deadline", "idle", "orphans", "sessions"];

pub(crate) const USAGE: &str = "\
usage: cargo bench -- [FIGURE]... [--quick] [--rounds N] [--json FILE]

figures: size start pid1 signal exit deadline idle orphans sessions (default: all)
--quick      a tenth of the rounds, for a first look
--rounds N   rounds of the fast figures (default 400)
--json FILE  write the results for machines, too";

pub(crate) struct Options {
    pub(crate) figures: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) json: Option<PathBuf>,
}

pub(crate) enum Request {
    Run(Options),
    Help,
}

impl Options {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Request, String> {
        let mut words = words;
        let mut options = Self { figures: Vec::new(), quick: false, rounds: 400, json: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                // cargo adds this.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--json" => options.json = Some(value()?.into()),
                "--rounds" => {
                    options.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?;
                }
                "-h" | "--help" => return Ok(Request::Help),
                name if NAMES.contains(&name) => options.figures.push(word),
                _ => return Err(format!("unknown argument {word:?}")),
            }
        }
        Ok(Request::Run(options))
    }

    pub(crate) fn wants(&self, figure: &str) -> bool {
        self.figures.is_empty() || self.figures.iter().any(|wanted| wanted == figure)
    }

    /// The number for a full run, or a tenth of it.
    pub(crate) fn scaled(&self, rounds: usize) -> usize {
        if self.quick { rounds.div_ceil(10) } else { rounds }
    }
}
