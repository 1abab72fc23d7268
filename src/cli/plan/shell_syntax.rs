//! Shell syntax in a hook: it would be a plain word, and the hook would not do what it says.

/// Returns the first unquoted shell syntax in a command.
pub(super) fn find(command: &str) -> Option<&str> {
    let mut quote = None;
    let mut previous = ' ';
    let mut characters = command.char_indices();
    while let Some((at, character)) = characters.next() {
        let rest = &command[at..];
        match (quote, character) {
            (None | Some('"'), '\\') => {
                characters.next();
            }
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, _) => {
                let length = length(rest, previous);
                if length > 0 {
                    return Some(&rest[..length]);
                }
            }
            (Some(_), _) => {}
        }
        previous = character;
    }
    None
}

/// How many bytes at the start of `rest` are shell syntax; 0 if it is none.
fn length(rest: &str, previous: char) -> usize {
    let begins_word = previous.is_whitespace();
    let run = |of: char| rest.len() - rest.trim_start_matches(of).len();
    let mut following = rest.chars().skip(1);
    let next = following.next();
    match rest.as_bytes()[0] as char {
        operator @ (';' | '|' | '<' | '>' | '`') => run(operator),
        // Within a word it separates the parameters of a URL.
        '&' if begins_word || next.is_none_or(|next| next == '&' || next.is_whitespace()) => run('&'),
        '~' if begins_word && next.is_none_or(|next| next == '/' || next.is_whitespace()) => {
            1 + usize::from(next == Some('/'))
        }
        '$' if next.is_some_and(|next| next.is_ascii_alphabetic() || "_{(".contains(next)) => {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            1 + rest.bytes().skip(1).take_while(is_name).count().max(1)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn what_a_shell_would_read_is_found() {
        for (command, found) in [
            ("./a && ./b", "&&"),
            ("./a&& ./b", "&&"),
            ("./a || true", "||"),
            ("./a; ./b", ";"),
            ("a;b", ";"),
            ("ls | wc", "|"),
            ("date >> /tmp/log", ">>"),
            ("date 2>/dev/null", ">"),
            ("wc </etc/passwd", "<"),
            ("./a &", "&"),
            ("echo $HOME/x", "$HOME"),
            ("echo ${HOME}", "${"),
            ("echo $(date)", "$("),
            ("echo `date`", "`"),
            ("~/drain", "~/"),
            ("ls ~", "~"),
            ("'a' \"b\" && c", "&&"),
        ] {
            assert_eq!(find(command), Some(found), "{command}");
        }
    }

    #[test]
    fn what_is_quoted_or_a_plain_word_is_left() {
        for command in [
            "sh -c 'a && b; c | d > $HOME'",
            "sh -c \"gdb -p $SHUTDOWN_MAIN_PID | tee x\"",
            "echo \\$HOME \\; a\\&\\&b '*' \"~/\"",
            "curl -s http://localhost:8080/drain?now=1&all=1",
            "curl http://[::1]:80/?a#b",
            "echo 5$ $ $1 a~/b a=b {x} *.pid",
            "",
            "\\",
            "echo 'never closed && ",
            "é ü",
        ] {
            assert_eq!(find(command), None, "{command}");
        }
    }
}
