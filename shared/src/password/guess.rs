//! How many guesses a password withstands from somebody who knows how people choose.
//!
//! It is taken apart into the pieces that are cheapest to guess: [words](COMMON) that breached passwords are made of,
//! words of its owner's, runs along the keyboard or the alphabet, repetitions, years, and single characters for the
//! rest. What a piece costs is a rule of thumb, in bits; the sum is compared with what is asked for. Single letters are
//! cheap, as in a language and not as in noise: what is long enough to be chosen at all may be words.
//!
//! `zxcvbn`, which inspired this, knows more words and more patterns. But it was a quarter of the function that
//! carries it, few of its words help where [fifteen characters](super::MIN_PASSWORD_LENGTH) are the least, and there
//! are passwords that it takes seconds to judge. This takes time in proportion to the square of the length, and that
//! has a limit.

/// Words that breached passwords are made of, the commonest first: names, pets, teams, curses, affection, months.
const COMMON: &str = include_str!("common.txt");

/// Bits of what somebody has to guess who knows `owner`: words in lower case that anybody knows of its owner.
pub(super) fn bits(password: &str, owner: &[String]) -> f32 {
    let text: Vec<char> = password.chars().flat_map(char::to_lowercase).collect();
    let words = || {
        let owner = owner.iter().map(|word| (word.as_str(), OWNER));
        owner.chain(COMMON.split_ascii_whitespace().enumerate().map(|(rank, word)| (word, common(rank))))
    };
    // The least that guessing the text up to each place costs.
    let mut least = vec![f32::INFINITY; text.len() + 1];
    least[0] = 0.0;
    for start in 0..text.len() {
        let before = least[start];
        let mut piece = |length: usize, bits: f32| {
            let end = &mut least[start + length];
            *end = end.min(before + bits);
        };
        let rest = &text[start..];
        piece(1, single(rest[0]));
        for (word, bits) in words() {
            if let Some(length) = begins_with(rest, word) {
                piece(length, bits);
            }
        }
        for follows in [is_same_or_next, is_same_or_previous, is_beside] {
            let length = 1 + rest.windows(2).take_while(|pair| follows(pair[0], pair[1])).count();
            for length in 3..=length {
                piece(length, RUN + RUN_STEP * length as f32);
            }
        }
        for length in 3..=repeated(&text, start) {
            piece(length, REPEAT);
        }
        if let ['1', '9', tens, ones, ..] | ['2', '0', tens, ones, ..] = rest
            && tens.is_ascii_digit()
            && ones.is_ascii_digit()
        {
            piece(4, YEAR);
        }
    }
    least[text.len()]
}

const OWNER: f32 = 0.5;
const RUN: f32 = 4.0;
const RUN_STEP: f32 = 0.3;
const REPEAT: f32 = 1.5;
const YEAR: f32 = 5.0;

/// As many bits as there are commoner words, and some.
fn common(rank: usize) -> f32 {
    (rank as f32 + 4.0).log2()
}

fn single(c: char) -> f32 {
    match c {
        ' ' | '-' | '_' | '.' => 1.0,
        '0'..='9' => 3.3,
        'a'..='z' => 2.1,
        _ if c.is_ascii() => 4.0,
        _ if c.is_alphabetic() => 2.6,
        _ => 5.0,
    }
}

/// The word's length, if the text begins with it, written as it is or in symbols that look like it.
fn begins_with(text: &[char], word: &str) -> Option<usize> {
    let mut length = 0;
    for letter in word.chars() {
        let c = *text.get(length)?;
        if c != letter && !looks_like(c, letter) {
            return None;
        }
        length += 1;
    }
    Some(length)
}

fn looks_like(c: char, letter: char) -> bool {
    match letter {
        'a' => matches!(c, '4' | '@'),
        'b' => c == '8',
        'c' => matches!(c, '(' | '{' | '[' | '<'),
        'e' => c == '3',
        'g' => matches!(c, '6' | '9'),
        'i' => matches!(c, '1' | '!' | '|'),
        'l' => matches!(c, '1' | '|' | '7'),
        'o' => c == '0',
        's' => matches!(c, '5' | '$'),
        't' => matches!(c, '7' | '+'),
        'x' => c == '%',
        'z' => c == '2',
        _ => false,
    }
}

fn is_same_or_next(one: char, next: char) -> bool {
    one == next || u32::from(one) + 1 == u32::from(next)
}

fn is_same_or_previous(one: char, next: char) -> bool {
    is_same_or_next(next, one)
}

/// Whether they touch on a keyboard, along a row or down a column.
fn is_beside(one: char, next: char) -> bool {
    const ROWS: [&str; 4] = ["1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"];
    let place = |c| {
        let mut rows = ROWS.iter().enumerate();
        rows.find_map(|(row, keys)| Some((row as isize, keys.find(c)? as isize)))
    };
    let (Some((row, column)), Some((next_row, next_column))) = (place(one), place(next)) else {
        return false;
    };
    match next_row - row {
        0 => (next_column - column).abs() == 1,
        // Each row stands half a key to the right of the one above.
        1 => matches!(next_column - column, -1 | 0),
        -1 => matches!(next_column - column, 0 | 1),
        // From the end of one column to the top of another, as in 1qaz2wsx.
        -3 => (next_column - column).abs() <= 1,
        _ => false,
    }
}

/// The length of the longest piece that begins at `start` and stood before it already.
fn repeated(text: &[char], start: usize) -> usize {
    let from = |earlier: usize| {
        let pairs = text[earlier..start].iter().zip(&text[start..]);
        pairs.take_while(|(one, other)| one == other).count()
    };
    (0..start).map(from).max().unwrap_or(0)
}
