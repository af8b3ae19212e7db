//! How the code hangs together: the rules of direction, and that the model of the app is consistent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use infra_model::{APP, Grant, Trigger, Value as Variable};
use serde_json::Value;
use shared::event::Event;
use tests::platform::repository;

/// Layers of `shared`: a module imports only from layers before its own, or from its own.
const LAYERS: [&[&str]; 6] = [
    &["error"],
    &["clock", "email_address", "id", "money", "name", "password", "phone_number"],
    &[
        "entitlement",
        "limit",
        "link",
        "phone",
        "plan",
        "preference",
        "session",
        "subscription",
        "unsubscribe",
        "user",
        "workspace",
    ],
    &["event"],
    &[
        "store",
        "cached",
        "device",
        "ed25519",
        "keys",
        "token",
        "aws",
        "env",
        "log",
        "parameter",
        "secret_key",
        "trace",
    ],
    &["delivery", "http", "queue"],
];

/// The layers up to here are the domain, and name nothing of AWS, Lambda or HTTP.
const DOMAIN: usize = 4;

/// Rule 1, 5 and 6: who depends on whom.
#[test]
fn dependencies_point_one_way() {
    let graph = dependencies();
    let own: BTreeSet<_> = graph.keys().map(String::as_str).collect();
    let of_ours = |package: &str| -> BTreeSet<&str> {
        graph[package].iter().map(String::as_str).filter(|name| own.contains(name)).collect()
    };
    assert_eq!(of_ours("shared"), BTreeSet::new(), "shared knows none of our crates");
    assert_eq!(graph["infra-model"], BTreeSet::new(), "the model depends on nothing");
    for function in APP.functions {
        assert_eq!(of_ours(function.package), BTreeSet::from(["shared"]), "{}", function.package);
    }
    assert_eq!(of_ours("frontend"), BTreeSet::new());
    assert_eq!(of_ours("infra-local"), BTreeSet::from(["frontend", "infra-model"]));
    for package in own {
        assert!(!graph[package].contains("tests"), "{package} imports the tests");
    }
}

/// Rule 2: inside `shared`.
#[test]
fn the_domain_knows_nothing_of_its_edges() {
    let source = repository().join("shared/src");
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut modules = BTreeSet::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let module =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        modules.insert(module.to_owned());
        let layer =
            *layer_of.get(module).unwrap_or_else(|| panic!("{module} is in no layer: say where it belongs"));
        let code = code(&file);
        for import in imports(&code) {
            let imported =
                *layer_of.get(import.as_str()).unwrap_or_else(|| panic!("{}: {import}", file.display()));
            assert!(imported <= layer, "{} imports {import}, which is built on it", relative.display());
        }
        if layer < DOMAIN {
            for foreign in ["aws_", "lambda_", "axum", "hyper", "reqwest", "utoipa", "http::"] {
                assert!(!code.contains(foreign), "{} names {foreign}", relative.display());
            }
        }
    }
    assert_eq!(
        modules,
        layer_of.keys().map(|module| (*module).to_owned()).collect(),
        "all modules have a layer"
    );
    let lib = code(&source.join("lib.rs"));
    for line in lib.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let is_module = line.trim_start_matches("pub ").starts_with("mod ") && line.ends_with(';');
        assert!(is_module, "lib.rs defines something: {line}");
    }
}

/// Rule 3: a provider's SDK lives in one file of the one function that uses it; DynamoDB only in the store.
#[test]
fn a_providers_sdk_is_in_one_file() {
    let mut users = BTreeMap::<String, BTreeSet<PathBuf>>::new();
    let root = repository();
    for folder in ["shared/src", "functions"] {
        for file in rust_files(&root.join(folder)) {
            let code = code(&file);
            for (start, _) in code.match_indices("aws_sdk_") {
                let name: String =
                    code[start..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                users.entry(name).or_default().insert(file.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    for (sdk, files) in users {
        if sdk == "aws_sdk_dynamodb" {
            assert!(files.iter().all(|file| file.starts_with("shared/src/store")), "{files:?}");
        } else {
            assert_eq!(files.len(), 1, "{sdk} is named in {files:?}");
        }
    }
}

/// Rule 4: only `config.rs` reads the environment, only a `main.rs` or a binary calls it; time and randomness are passed in.
#[test]
fn the_surroundings_are_read_in_one_place() {
    let root = repository();
    for folder in ["shared/src", "functions"] {
        for file in rust_files(&root.join(folder)) {
            let relative = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let name = file.file_name().unwrap().to_str().unwrap();
            let code = code(&file);
            // What Lambda itself says: who we are to AWS, where its services are, how much to log. What cargo says.
            let may_read = ["config.rs", "build.rs"].contains(&name)
                || ["shared/src/env.rs", "shared/src/aws.rs", "shared/src/log.rs"]
                    .contains(&relative.as_str());
            for read in
                ["std::env", "env::required", "env::optional", "env::parsed", "env::origin", "env!(\""]
            {
                assert!(may_read || !code.contains(read), "{relative} reads the environment: {read}");
            }
            let is_main = ["main.rs", "config.rs"].contains(&name) || relative.contains("/src/bin/");
            assert!(is_main || !code.contains("Config::from_env()"), "{relative} reads the configuration");
            // A log line bears the time; a deadline is Lambda's, by its clock.
            for source in [
                "Timestamp::now",
                "Instant::now",
                "SystemTime::now",
                "getrandom",
                "fastrand",
                "now_v7",
                "new_v4",
            ] {
                let may = relative == "shared/src/clock.rs"
                    || source == "Timestamp::now" && relative == "shared/src/log.rs"
                    || ["Instant::now", "SystemTime::now"].contains(&source) && code.contains("deadline");
                assert!(may || !code.contains(source), "{relative}: {source}");
            }
        }
    }
    for function in APP.functions {
        let main = code(&main_of(function));
        let lines = main.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 45, "the main of {} is more than a list of parts: {lines} lines", function.name);
    }
}

/// A new event forces a decision in every consumer: none takes "any other".
#[test]
fn no_consumer_matches_any_other_event() {
    let functions = repository().join("functions");
    let mut seen = BTreeSet::new();
    for file in rust_files(&functions) {
        let code = code(&file);
        for (start, _) in code.match_indices("match ") {
            let arms = arms(&code[start..]);
            if arms.iter().any(|arm| arm.trim_start_matches("| ").starts_with("Event::")) {
                let any = arms.iter().find(|arm| takes_any(arm));
                assert_eq!(any, None, "{}", file.display());
                let package = file.strip_prefix(&functions).unwrap().iter().next().unwrap();
                seen.insert(package.to_str().unwrap().to_owned());
            }
        }
    }
    let consumers = APP.subscriptions.iter().flat_map(|subscription| subscription.consumers);
    let packages: BTreeSet<_> =
        consumers.map(|name| APP.function(name).expect("a function").package.to_owned()).collect();
    assert_eq!(seen, packages, "each consumer decides what to do about which event");
}

#[test]
fn an_arm_that_takes_any_other_event_is_known() {
    let code = "match event {\n    Event::A {}\n    | Event::B { .. } => match x {\n        _ => 1,\n    },\n    other => 2,\n}";
    assert_eq!(arms(code), ["Event::A {}", "| Event::B { .. } => match x {", "},", "other => 2,"]);
    for arm in ["_ => 1,", "_ if late => 1,", "other => 2,", "ref other => 2,", "other @ Event::A {} => 2,"] {
        assert!(takes_any(arm), "{arm}");
    }
    for arm in ["Event::A {} => 1,", "| Event::B { .. } => other,", "},", "}"] {
        assert!(!takes_any(arm), "{arm}");
    }
}

/// The lines of a `match` at which its own arms begin, and others as far in.
fn arms(code: &str) -> Vec<&str> {
    let block = block(code);
    let mut lines = block.lines().skip(1).filter(|line| !line.trim().is_empty()).peekable();
    let inset = |line: &str| line.len() - line.trim_start().len();
    let Some(first) = lines.peek().map(|line| inset(line)) else { return Vec::new() };
    lines.filter(|line| inset(line) == first).map(str::trim_start).collect()
}

/// Whether an arm begins with `_` or a name, which takes whatever no other arm did.
fn takes_any(arm: &str) -> bool {
    let is_small = |c: char| c.is_ascii_lowercase() || c == '_';
    let pattern = arm.trim_start_matches("| ").trim_start_matches("ref ");
    let name: String = pattern.chars().take_while(|c| is_small(*c) || c.is_ascii_digit()).collect();
    let rest = &pattern[name.len()..];
    name.starts_with(is_small) && [" =>", " if ", " @ ", " |"].iter().any(|next| rest.starts_with(next))
}

#[test]
fn the_model_is_consistent() {
    let functions: BTreeSet<_> = APP.functions.iter().map(|function| function.name).collect();
    assert_eq!(functions.len(), APP.functions.len(), "a function is named once");
    let graph = dependencies();
    for function in APP.functions {
        assert!(graph.contains_key(function.package), "{} is a package", function.package);
        assert!(!function.purpose.is_empty());
        assert!(function.timeout_seconds <= 900 && (128..=10_240).contains(&function.memory_mib));
        let main = main_of(function);
        assert!(main.exists(), "{}", main.display());
        assert_parameters(function);
        match function.trigger {
            Trigger::Http => {
                let is_routed = APP.routes.iter().any(|route| route.function == function.name);
                assert!(is_routed, "no request reaches {}", function.name);
                assert!(function.timeout_seconds <= APP.limits.gateway_timeout_seconds, "{}", function.name);
            }
            Trigger::Queue(queue) => {
                let by_the_bus = APP.subscriptions.iter().any(|it| it.consumers.contains(&function.name));
                let by_a_topic = APP.topics.iter().any(|it| it.consumers.contains(&function.name));
                // One or the other: each has a shape of its own.
                assert!(by_the_bus != by_a_topic, "nothing is told to {}", function.name);
                assert!(
                    queue.visibility_timeout_seconds >= 6 * function.timeout_seconds,
                    "{}",
                    function.name
                );
                assert!(
                    (1..=10).contains(&queue.batch_size)
                        && queue.max_receives >= 5
                        && queue.max_concurrency >= 2
                );
            }
            Trigger::Schedule(schedule) => assert!(schedule.every_minutes > 0, "{}", function.name),
            Trigger::Stream(stream) => {
                assert!((1..=10_000).contains(&stream.batch_size) && stream.retries > 0);
                assert_eq!(stream.sort_key_prefix, "EVENT#", "it is told of events, not of state");
            }
        }
    }
    let mut routes = BTreeSet::new();
    for route in APP.routes {
        assert!(functions.contains(route.function), "{} goes to no function", route.path);
        assert!(routes.insert((route.method, route.path)), "{} {} is there twice", route.method, route.path);
        assert!(route.throttle.burst >= route.throttle.rate && route.throttle.rate > 0, "{}", route.path);
        assert!(matches!(APP.function(route.function).map(|it| it.trigger), Some(Trigger::Http)));
    }
    assert!(routes.contains(&("ANY", "$default")), "every request is answered by somebody");

    let told: Vec<_> = APP.subscriptions.iter().map(|subscription| subscription.event).collect();
    let unique: BTreeSet<_> = told.iter().collect();
    assert_eq!(unique.len(), told.len(), "an event is decided on once");
    assert_eq!(unique, Event::TYPES.iter().collect(), "every event is decided on, and no other");
    for subscription in APP.subscriptions {
        for consumer in subscription.consumers {
            let trigger = APP.function(consumer).map(|function| function.trigger);
            assert!(matches!(trigger, Some(Trigger::Queue(_))), "{consumer} has no queue");
        }
    }
    let reserved: u32 = APP.functions.iter().filter_map(|function| function.reserved_concurrency).sum();
    assert!(reserved + 100 <= APP.limits.account_concurrency, "Lambda keeps 100 for all others");
    assert_ne!(APP.table.partition_key, APP.table.sort_key);
}

/// Where the parts of a function are put together.
fn main_of(function: &infra_model::Function) -> PathBuf {
    let source = repository().join("functions").join(function.package).join("src");
    match function.name {
        name if name == function.package => source.join("main.rs"),
        name => source.join("bin").join(name).with_extension("rs"),
    }
}

/// What a function reads it is granted, and what it is granted it is told of.
fn assert_parameters(function: &infra_model::Function) {
    let known: BTreeSet<_> = APP.parameters.iter().map(|parameter| parameter.name).collect();
    let mut granted = BTreeSet::new();
    let mut uses_table = false;
    for grant in function.grants {
        match grant {
            Grant::ReadParameter(name) => _ = granted.insert(*name),
            Grant::Table(actions) => {
                uses_table = true;
                assert!(!actions.is_empty());
            }
            Grant::PutEvents { source } => assert_eq!(*source, shared::event::SOURCE),
            Grant::SendEmail | Grant::SendText => {}
        }
    }
    let has = |value: Variable| function.environment.iter().any(|(_, it)| *it == value);
    let named: BTreeSet<_> = function
        .environment
        .iter()
        .filter_map(|(_, value)| match value {
            Variable::ParameterName(name) => Some(*name),
            Variable::Text(_)
            | Variable::TableName
            | Variable::BusName
            | Variable::PublicOrigin
            | Variable::MailFrom => None,
        })
        .collect();
    assert_eq!(granted, named, "{}", function.name);
    assert!(granted.is_subset(&known), "{}: {granted:?}", function.name);
    assert_eq!(uses_table, has(Variable::TableName), "{}", function.name);
    let names: BTreeSet<_> = function.environment.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), function.environment.len(), "{}", function.name);
    assert!(
        names.iter().all(|name| !name.starts_with("AWS_") && !name.starts_with("_")),
        "{}",
        function.name
    );
    // Only who signs may read the private keys.
    let reads_private = granted.contains("auth/signing-keys");
    assert_eq!(reads_private, function.name == "auth", "{}", function.name);
}

/// Each of our packages and all that it depends on outside its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
            let used = dependencies
                .filter(|dependency| dependency["kind"].is_null() || dependency["kind"] == "build")
                .map(|dependency| dependency["name"].as_str().expect("a name").to_owned());
            (package["name"].as_str().expect("a name").to_owned(), used.collect())
        })
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            // Tests of a module may do what the module may not.
            if path
                .file_name()
                .is_some_and(|name| name == "tests.rs" || name == "tests" || name == "examples")
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A file's code without its comments and its tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let text = text.split("#[cfg(test)]\npub(crate) mod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Modules of the same crate that the code names.
fn imports(code: &str) -> BTreeSet<String> {
    let name =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut modules = BTreeSet::new();
    for (start, pattern) in code.match_indices("crate::") {
        let rest = &code[start + pattern.len()..];
        if !rest.starts_with('{') {
            modules.insert(name(rest));
            continue;
        }
        // Names of the list itself, not those in lists within it.
        let mut depth = 0;
        for (at, c) in block(rest).char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 1 && matches!(c, '{' | ',') {
                modules.insert(name(&rest[at + 1..]));
            }
        }
    }
    modules.remove("");
    modules
}

/// The first block in braces.
fn block(code: &str) -> &str {
    let Some(start) = code.find('{') else { return "" };
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[start..start + at];
        }
    }
    ""
}
