//! What people answer to texts.

/// What an answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// Who is that?
    Help,
}

/// What carriers and AWS take for STOP: [AWS's list][list], and what CTIA's handbook and the FCC's rules of 2025 add.
///
/// [list]: https://docs.aws.amazon.com/sms-voice/latest/userguide/opt-out-list-keywords.html
const STOP: &[&str] = &[
    "STOP",
    "STOPALL",
    "STOP ALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "REMOVE",
    "OPTOUT",
    "OPT OUT",
    "ARRET",
    "TD",
];

/// Words that mean STOP whatever follows: "Stop texting me".
const STOP_FIRST: &[&str] = &["STOP", "STOPALL", "UNSUBSCRIBE"];

const START: &[&str] = &["START", "UNSTOP"];

const HELP: &[&str] = &["HELP", "INFO"];

impl Keyword {
    /// What this answer asks for, if it is one that we know: in any case, with any punctuation. In doubt it is STOP.
    pub(super) fn of(answer: &str) -> Option<Self> {
        let letters = |c: char| match c.to_ascii_uppercase() {
            // French phones write it with its accent.
            'Ê' | 'ê' => 'E',
            c if c.is_alphanumeric() => c,
            _ => ' ',
        };
        let plain: String = answer.chars().take(160).map(letters).collect();
        let words: Vec<&str> = plain.split_whitespace().collect();
        let whole = words.join(" ");
        let is = |list: &[&str]| list.contains(&whole.as_str());
        let begins_with_stop = words.first().is_some_and(|first| STOP_FIRST.contains(first));
        match () {
            () if is(STOP) || begins_with_stop => Some(Self::Stop),
            () if is(START) => Some(Self::Start),
            () if is(HELP) => Some(Self::Help),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1
    #[test]
    fn p1_stop_is_understood_however_it_is_written() {
        for answer in [
            "STOP",
            "stop",
            " Stop. ",
            "\"STOP\"",
            "Stop!!!",
            "STOPALL",
            "stop all",
            "Opt-Out",
            "optout",
            "opt out",
            "UNSUBSCRIBE",
            "unsubscribe me please",
            "Stop texting me",
            "end",
            "Quit",
            "cancel",
            "REVOKE",
            "Arrêt",
            "ARRET",
            "td",
            "remove",
            "stop\n",
        ] {
            assert_eq!(Keyword::of(answer), Some(Keyword::Stop), "{answer}");
        }
        for answer in ["START", "unstop", "Start."] {
            assert_eq!(Keyword::of(answer), Some(Keyword::Start), "{answer}");
        }
        for answer in ["HELP", "info", "Help?"] {
            assert_eq!(Keyword::of(answer), Some(Keyword::Help), "{answer}");
        }
        for answer in
            ["", "thanks", "end of the month?", "don't stop", "START STOP", "cancel my order", "STOPPED"]
        {
            assert_eq!(Keyword::of(answer), None, "{answer}");
        }
    }
}
