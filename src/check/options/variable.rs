//! A variable for the server: `--env NAME=VALUE`.

/// A name and its value, which may be empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) struct Variable {
    pub(in crate::check) name: String,
    pub(in crate::check) value: String,
}

impl Variable {
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or("use NAME=VALUE, e.g. LOG=debug")?;
        if name == "NOTIFY_SOCKET" {
            return Err("check listens there itself; leave it out".to_owned());
        }
        if name.starts_with("WINDDOWN_") {
            return Err(format!(
                "that would set an option of winddown; for the server: -- env {name}=... COMMAND"
            ));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reaches_the_server_is_taken() {
        let pair = |text| Variable::parse(text).map(|variable| (variable.name, variable.value));
        assert_eq!(pair("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("A="), Ok(("A".to_owned(), String::new())));
        for text in ["", "A", "=b", "NOTIFY_SOCKET=/run/x", "WINDDOWN_TIME_LIMIT=1s"] {
            assert!(pair(text).is_err(), "{text}");
        }
    }
}
