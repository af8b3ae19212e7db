use std::fs;
use std::io::{BufRead, BufReader, read_to_string};

use infra_model::APP;

use crate::cloud::{bare, start};
use crate::emulator::Emulator;

const VERBS: [&[&str]; 15] = [
    &["bootstrap"],
    &["diff"],
    &["deploy"],
    &["deploy", "function", "email"],
    &["info"],
    &["invoke", "email"],
    &["logs", "email"],
    &["metrics"],
    &["rollback"],
    &["secrets", "set", "auth/signing-keys"],
    &["secrets", "rotate", "auth/signing-keys"],
    &["dead-letters", "list"],
    &["dead-letters", "show", "1"],
    &["dead-letters", "redrive", "--all"],
    &["remove"],
];

#[test]
fn every_verb_has_help_and_a_stage() {
    for verb in VERBS.into_iter().chain([&["synth"] as &[&str], &["cost"]]) {
        let names: Vec<_> = verb
            .iter()
            .copied()
            .filter(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
            .collect();
        let help = bare(&[&names[..], &["--help"]].concat(), &[], "").worked();
        assert!(help.contains("--stage <STAGE>"), "{verb:?}: {help}");
    }
}

#[test]
fn a_verb_says_in_one_sentence_that_credentials_are_missing() {
    for verb in VERBS {
        let sentence = bare(verb, &[("AWS_CONFIG_FILE", "/dev/null")], "").failed();
        assert!(sentence.contains("there are no AWS credentials here"), "{verb:?}: {sentence}");
    }
}

#[test]
fn a_verb_says_in_one_sentence_that_aws_is_out_of_reach() {
    let environment = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        // Nothing listens at the discard port.
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    let sentence = bare(&["info"], &environment, "").failed();
    assert!(sentence.contains("AWS could not be reached"), "{sentence}");
}

#[test]
fn what_is_not_in_the_model_is_refused_with_what_is() {
    for verb in [&["logs", "emails"] as &[&str], &["invoke", "emails"], &["deploy", "function", "emails"]] {
        let sentence = bare(verb, &[], "").failed();
        assert!(sentence.starts_with("error: there is no function \"emails\"; there are "), "{sentence}");
        for function in APP.functions {
            assert!(sentence.contains(function.name), "{sentence}");
        }
    }
    let sentence = bare(&["secrets", "rotate", "billing/webhook-secrets"], &[], "").failed();
    assert!(sentence.contains("only auth/signing-keys is rotated"), "{sentence}");
    let sentence = bare(&["secrets", "set", "password"], &[], "").failed();
    assert!(sentence.contains("the app has no parameter \"password\""), "{sentence}");
}

#[test]
fn a_missing_or_wrong_stage_is_said_so() {
    let sentence = bare(&["info", "--stage", "nowhere"], &[], "").failed();
    assert!(sentence.contains("there is no stage \"nowhere\""), "{sentence}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dev.toml"), "mail_from = \"hello\"\n").unwrap();
    let stages = folder.path().to_str().unwrap();
    let sentence = bare(&["synth", "--stages", stages, "--stage", "dev"], &[], "").failed();
    assert!(sentence.contains("mail_from is not right"), "{sentence}");
}

#[test]
fn the_template_and_its_cost_can_be_looked_at_before_a_stage_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let stages = folder.path().to_str().unwrap();
    for (verb, words) in [("synth", "AWS::ApiGatewayV2::Api"), ("cost", "a month in all")] {
        let said = bare(&[verb, "--stages", stages, "--stage", "dev"], &[], "");
        assert!(said.err.contains("this is a stage with every default"), "{said:?}");
        assert!(said.worked().contains(words));
        let sentence = bare(&[verb, "--stages", stages, "--stage", "production"], &[], "").failed();
        assert!(sentence.contains("there is no stage \"production\""), "{sentence}");
    }
    let sentence = bare(&["diff", "--stages", stages, "--stage", "dev"], &[], "").failed();
    assert!(sentence.contains("there is no stage \"dev\""), "{sentence}");
    let sentence = bare(&["info", "--stage", "../dev"], &[], "").failed();
    assert!(sentence.contains("the stage's name is not right"), "{sentence}");
}

#[test]
fn a_missing_tool_is_said_so() {
    let emulator = Emulator::start(false);
    let nothing = tempfile::tempdir().unwrap();
    let sentence =
        emulator.cloud_with(&["bootstrap"], &[("PATH", nothing.path().to_str().unwrap())], "").failed();
    assert!(sentence.contains("install Node.js 20 or later"), "{sentence}");
}

/// As `cargo cloud synth | head -1` does.
#[test]
fn whoever_has_read_enough_ends_the_command_quietly() {
    for verb in [&["synth"] as &[&str], &["cost"], &["--help"]] {
        let mut process = start(verb, &[]);
        let mut line = String::new();
        BufReader::with_capacity(1, process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = read_to_string(process.stderr.take().unwrap()).unwrap();
        assert!(process.wait().unwrap().success(), "{verb:?}: {said}");
        assert!(!line.is_empty() && !said.contains("panicked"), "{verb:?}: {said}");
    }
}
