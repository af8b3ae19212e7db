use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use aws_sdk_sesv2::types::MailType;
use aws_sdk_sqs::types::QueueAttributeName;
use http::{Method, StatusCode};
use infra_model::APP;
use serde_json::Value;

use crate::clock::the_clock_starts_its_function;
use crate::cloud::Said;
use crate::emulator::{Emulator, functions};
use crate::person::Person;
use crate::texts::a_phone_gets_a_code_and_answers_stop;

/// From an empty account to a user who has signed in, and back to an empty account, by nothing but the commands that
/// the README names.
#[test]
fn the_chain_runs_in_the_cloud_through_the_same_binaries() {
    let emulator = Emulator::start(false);
    let functions = functions().to_str().unwrap();
    let unprepared = emulator.deploy().failed();
    assert!(
        unprepared.contains("is not bootstrapped") && unprepared.contains("cargo cloud bootstrap"),
        "{unprepared}"
    );
    emulator.cloud(&["bootstrap"]).worked();
    let absent = emulator.cloud(&["info"]).failed();
    assert!(absent.contains("is not deployed") && absent.contains("cargo cloud deploy"), "{absent}");

    a_domain_that_ses_knows_already_is_said_so(&emulator);
    // Nobody is there who could be asked whether the roles are right.
    let unasked = emulator.cloud(&["deploy", "--functions", functions]).failed();
    assert!(unasked.contains("--yes"), "{unasked}");
    let said = emulator.deploy().worked();
    assert!(said.contains("Stage emulator is deployed."), "{said}");
    let api = address(&said, "API");
    let diff = ["diff", "--fail", "--functions", functions];
    emulator.cloud(&diff).worked();
    for diff in [&diff[..], &["diff", "--functions", functions]] {
        let node = [("NODE_OPTIONS", "--require /there/is/no/such.js")];
        let broken = emulator.cloud_with(diff, &node, "").failed();
        assert!(broken.contains("the CDK CLI could not diff"), "{broken}");
    }

    let mut ann = Person::new(&emulator, &api, "ann");
    ann.become_a_user();
    let signed_in = ann.sign_in();
    assert_eq!(signed_in.status, StatusCode::OK, "{signed_in:?}");
    let me = ann.send(Method::GET, "/api/me", None);
    assert_eq!(me.json()["user"]["email"], ann.address.as_str(), "{me:?}");
    let unknown = ann.send(Method::GET, "/api/nothing", None);
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["status"], 404, "the API's own problem document: {unknown:?}");

    the_pages_are_where_the_cdn_looks(&emulator, &said);
    what_people_look_at_is_there(&emulator);
    a_phone_gets_a_code_and_answers_stop(&emulator, &mut ann);
    a_poison_message_is_given_up_and_tried_again(&emulator, &api);
    the_clock_starts_its_function(&emulator);
    the_keys_that_sign_are_replaced_in_two_steps(&emulator, &mut ann);
    a_deployment_is_taken_back(&emulator, functions);
    what_failed_halfway_is_gone_back_from(&emulator, functions);
    what_mail_waits_for_is_said(&emulator);
    removing_keeps_the_data_until_told(&emulator, &mut ann);
}

/// CloudFormation would say it after minutes, and take everything back.
fn a_domain_that_ses_knows_already_is_said_so(emulator: &Emulator) {
    let ses = aws_sdk_sesv2::Client::new(&emulator.config());
    let stages = other_stages(emulator, "mail_identity = \"existing\"\n");
    let none = emulator.cloud(&["deploy", "--yes", "--stages", &stages]).failed();
    assert!(none.contains("example.com is no identity of SES"), "{none}");
    emulator.block_on(ses.create_email_identity().email_identity("example.com").send()).unwrap();
    let there = emulator.cloud(&["deploy", "--yes"]).failed();
    assert!(there.contains("example.com is an identity of SES") && there.contains("\"existing\""), "{there}");
    emulator.block_on(ses.delete_email_identity().email_identity("example.com").send()).unwrap();
}

/// The value of a line such as `  API  https://…`.
fn address(said: &str, name: &str) -> String {
    let line = said.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in {said}")).split_whitespace().nth(1).unwrap().to_owned()
}

fn the_pages_are_where_the_cdn_looks(emulator: &Emulator, said: &str) {
    let info = emulator.cloud(&["info"]).worked();
    assert_eq!(address(&info, "App"), address(said, "App"));
    assert!(info.contains(":billion-emulator-sms-inbound\n"), "where numbers publish to: {info}");
    let bucket = address(&info, "Pages").strip_prefix("s3://").unwrap().to_owned();
    let config = aws_sdk_s3::config::Builder::from(&emulator.config()).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let listed = emulator.block_on(s3.list_objects_v2().bucket(&bucket).send()).unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    for page in ["index.html", "sign-in", "404", "favicon.svg"] {
        assert!(keys.contains(&page), "{page} is not among {keys:?}");
    }
    let head = |key: &str| emulator.block_on(s3.head_object().bucket(&bucket).key(key).send()).unwrap();
    let page = head("sign-in");
    assert_eq!(page.content_type(), Some("text/html; charset=utf-8"));
    assert_eq!(page.cache_control(), Some("no-cache"));
    let script =
        keys.iter().find(|key| key.starts_with("assets/") && key.ends_with("/scripts/sign-in.js")).unwrap();
    let script = head(script);
    assert_eq!(script.content_type(), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.cache_control(), Some("public, max-age=31536000, immutable"));
}

fn what_people_look_at_is_there(emulator: &Emulator) {
    let answer =
        emulator.cloud_with_input(&["invoke", "email", "--event", "-"], r#"{"Records":[]}"#).worked();
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["batchItemFailures"], serde_json::json!([]));
    let refused = emulator.cloud_with_input(&["invoke", "email", "--event", "-"], "not JSON").failed();
    assert!(refused.contains("the event is not JSON"), "{refused}");
    let failed = emulator.cloud(&["invoke", "api"]).failed();
    assert!(failed.contains("api failed"), "{failed}");

    emulator.eventually("the log has a line of the email function", || {
        let logs = emulator.cloud(&["logs", "email", "--since", "10m"]).worked();
        logs.contains("REPORT RequestId").then_some(())
    });
    let none = emulator.cloud(&["logs", "email", "--containing", "no-line-has-this"]);
    assert!(none.err.contains("logged nothing"), "{none:?}");
    a_log_is_followed(emulator);

    let metrics = emulator.cloud(&["metrics"]).worked();
    let email = metrics.lines().filter(|line| line.trim_start().starts_with("email")).count();
    assert_eq!(email, 2, "as a function and as a queue: {metrics}");

    // Those that only people can know.
    let of_people = APP.parameters.iter().filter(|parameter| parameter.name.starts_with("billing/"));
    for parameter in of_people {
        let info = emulator.cloud(&["info"]);
        assert!(info.err.contains(&format!("cargo cloud secrets set {}", parameter.name)), "{info:?}");
        emulator.cloud_with_input(&["secrets", "set", parameter.name], "a value\n").worked();
    }
    let secrets = emulator.cloud(&["secrets", "list"]).worked();
    assert!(!secrets.contains("missing") && !secrets.contains("a value"), "{secrets}");
    let refused = emulator.cloud_with_input(&["secrets", "set", "auth/signing-keys"], "{}").failed();
    assert!(refused.contains("this is no set of signing keys"), "{refused}");
    let refused = emulator.cloud_with_input(&["secrets", "set", "auth/signing-keys"], "").failed();
    assert!(refused.contains("there is no value on standard input"), "{refused}");

    let deployed =
        emulator.cloud(&["deploy", "function", "email", "--functions", functions().to_str().unwrap()]);
    assert!(deployed.worked().contains("billion-emulator-email runs the new code"));
}

fn a_log_is_followed(emulator: &Emulator) {
    let reports = |log: &str| log.lines().filter(|line| line.contains("REPORT RequestId")).count();
    let before = reports(&emulator.cloud(&["logs", "email"]).worked());
    let mut follower = emulator.cloud_at_work(&["logs", "email", "--tail"]);
    let (told, tells) = mpsc::channel();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let reader = thread::spawn(move || lines.map_while(Result::ok).for_each(|line| told.send(line).unwrap()));
    let mut seen = String::new();
    let mut see = |count: usize| {
        emulator.eventually(&format!("{count} runs are told of"), || {
            tells.try_iter().for_each(|line| seen.extend([line.as_str(), "\n"]));
            (reports(&seen) >= count).then_some(())
        });
    };
    see(before);
    emulator.cloud_with_input(&["invoke", "email", "--event", "-"], r#"{"Records":[]}"#).worked();
    see(before + 1);
    assert!(Command::new("kill").args(["-INT", &follower.id().to_string()]).status().unwrap().success());
    assert!(follower.wait().unwrap().success(), "Ctrl-C is how it is ended");
    reader.join().unwrap();
    let told: Vec<_> = seen.lines().filter(|line| line.contains("REPORT RequestId")).collect();
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), told.len(), "each is told of once: {told:?}");
}

fn a_poison_message_is_given_up_and_tried_again(emulator: &Emulator, api: &str) {
    let sqs = aws_sdk_sqs::Client::new(&emulator.config());
    let none = emulator.cloud(&["dead-letters", "list"]).worked();
    assert_eq!(none, "There are no dead letters.\n");

    // Five receives at the model's visibility timeout would take seven minutes.
    let name = "billion-emulator-email";
    let queue = emulator.block_on(sqs.get_queue_url().queue_name(name).send()).unwrap().queue_url.unwrap();
    let visibility = |seconds: &str| {
        let attributes = HashMap::from([(QueueAttributeName::VisibilityTimeout, seconds.to_owned())]);
        let set = sqs.set_queue_attributes().queue_url(&queue).set_attributes(Some(attributes));
        emulator.block_on(set.send()).unwrap();
    };
    let right = emulator.variables(name);
    let mut wrong = right.clone();
    wrong.insert("TABLE_NAME".to_owned(), "there-is-no-such-table".to_owned());
    visibility("1");
    emulator.set_variables(name, wrong);

    let mut ben = Person::new(emulator, api, "ben");
    assert_eq!(ben.sign_up().status, StatusCode::ACCEPTED);
    let letter = emulator.eventually("the message is given up", || {
        let listed = emulator.cloud(&["dead-letters", "list", "--function", "email"]).worked();
        let line = listed.lines().find(|line| line.contains("user.signed_up"))?;
        line.split_whitespace().next().map(str::to_owned)
    });
    assert!(emulator.mails(&ben.address).is_empty());
    let shown = emulator.cloud(&["dead-letters", "show", &letter[..8]]).worked();
    assert!(shown.contains("user.signed_up") && !shown.contains("token="), "{shown}");
    let unknown = emulator.cloud(&["dead-letters", "redrive", "no-such-id"]).failed();
    assert!(unknown.contains("there is no dead letter no-such-id"), "{unknown}");

    emulator.set_variables(name, right);
    let again = emulator.cloud(&["dead-letters", "redrive", &letter]).worked();
    assert_eq!(again, "1 of email tried again.\n");
    ben.token();
    assert_eq!(emulator.mails(&ben.address).len(), 1, "the mail was sent once");
    let none = emulator.cloud(&["dead-letters", "list"]).worked();
    assert_eq!(none, "There are no dead letters.\n");
    visibility("90");
}

fn a_deployment_is_taken_back(emulator: &Emulator, functions: &str) {
    let nothing = emulator.cloud(&["rollback"]).failed();
    assert!(nothing.contains("no earlier deployment"), "{nothing}");
    emulator.cloud(&["deploy", "--yes", "--functions", functions]).worked();
    let listed = emulator.cloud(&["rollback", "--list"]).worked();
    assert_eq!(listed.lines().count(), 3, "a head and two deployments: {listed}");
    let back = emulator.cloud(&["rollback"]).worked();
    assert!(back.contains("is what it was with deployment"), "{back}");
    let listed = emulator.cloud(&["rollback", "--list"]).worked();
    assert!(listed.contains("went back to"), "{listed}");
    let unknown = emulator.cloud(&["rollback", "--to", "2001"]).failed();
    assert!(unknown.contains("there is no deployment 2001"), "{unknown}");
}

/// T7: the new key is known before it signs, and the old one verifies what it signed. No private half is shown.
fn the_keys_that_sign_are_replaced_in_two_steps(emulator: &Emulator, ann: &mut Person<'_>) {
    let ssm = aws_sdk_ssm::Client::new(&emulator.config());
    let read = |name: &str| -> Value {
        let name = format!("/billion/emulator/auth/{name}");
        let found = emulator.block_on(ssm.get_parameter().name(name).with_decryption(true).send()).unwrap();
        serde_json::from_str(found.parameter.unwrap().value().unwrap()).unwrap()
    };
    let ids = |name: &str| -> Vec<String> {
        let keys = read(name)["keys"].clone();
        keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let shows_nothing = |said: &Said| {
        for key in read("signing-keys")["keys"].as_array().unwrap() {
            let private = key["d"].as_str().unwrap();
            assert!(!said.out.contains(private) && !said.err.contains(private));
        }
    };
    let rotate = || {
        let said = emulator.cloud(&["secrets", "rotate", "auth/signing-keys"]);
        shows_nothing(&said);
        said
    };
    let [old] = <[String; 1]>::try_from(ids("signing-keys")).unwrap();
    assert!(rotate().worked().contains("It signs nothing until"));
    let [first, new] = <[String; 2]>::try_from(ids("signing-keys")).unwrap();
    assert_eq!(first, old);
    assert_eq!(ids("public-keys"), [old.as_str(), &new]);
    let early = rotate().failed();
    assert!(early.contains("the new key may sign from"), "{early}");
    assert_eq!(ids("signing-keys"), [old.as_str(), &new]);

    // Ten minutes are too long for a test: the key says that it has waited.
    let mut keys = read("signing-keys");
    keys["keys"][1]["appended_at"] = Value::from(0);
    emulator.cloud_with_input(&["secrets", "set", "auth/signing-keys"], &keys.to_string()).worked();
    assert!(rotate().worked().contains("signs from now on"));
    assert_eq!(ids("signing-keys"), [new.as_str(), &old]);
    assert_eq!(ids("public-keys"), [new.as_str(), &old]);
    assert!(read("public-keys")["keys"].as_array().unwrap().iter().all(|key| key["d"].is_null()));
    let me = ann.send(Method::GET, "/api/me", None);
    assert_eq!(me.status, StatusCode::OK, "what the old key signed is good: {me:?}");
    assert_eq!(ann.sign_in().status, StatusCode::OK);
}

/// What reached the account is where a rollback starts from, though its pages did not; and nobody goes back to pages
/// without their assets.
fn what_failed_halfway_is_gone_back_from(emulator: &Emulator, functions: &str) {
    let config = aws_sdk_s3::config::Builder::from(&emulator.config()).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let bucket =
        address(&emulator.cloud(&["info"]).worked(), "Pages").strip_prefix("s3://").unwrap().to_owned();
    let list = || emulator.cloud(&["rollback", "--list"]).worked();
    let before = list().lines().count();

    let listed = emulator.block_on(s3.list_objects_v2().bucket(&bucket).send()).unwrap();
    for object in listed.contents() {
        let delete = s3.delete_object().bucket(&bucket).key(object.key().unwrap());
        emulator.block_on(delete.send()).unwrap();
    }
    emulator.block_on(s3.delete_bucket().bucket(&bucket).send()).unwrap();
    emulator.cloud(&["deploy", "--yes", "--functions", functions]).failed();
    emulator.block_on(s3.create_bucket().bucket(&bucket).send()).unwrap();
    assert_eq!(list().lines().count(), before + 1, "it is written down: {}", list());
    let refused = emulator.cloud(&["rollback"]).failed();
    assert!(refused.contains("not all of its assets are in the bucket"), "{refused}");

    emulator.cloud(&["deploy", "--yes", "--functions", functions]).worked();
    let halfway = list().lines().nth(2).unwrap().split_whitespace().next().unwrap().to_owned();
    let back = emulator.cloud(&["rollback"]).worked();
    assert!(back.contains(&format!("with deployment {halfway}")), "its assets are there now: {back}");
}

fn what_mail_waits_for_is_said(emulator: &Emulator) {
    let info = emulator.cloud(&["info"]).worked();
    assert!(info.contains("example.com (verified;"), "{info}");
    let ses = aws_sdk_sesv2::Client::new(&emulator.config());
    let sandboxed = ses
        .put_account_details()
        .mail_type(MailType::Transactional)
        .website_url("https://example.com")
        .production_access_enabled(false);
    emulator.block_on(sandboxed.send()).unwrap();
    // The emulator verifies an identity at once, so this one is taken away.
    emulator.block_on(ses.delete_email_identity().email_identity("example.com").send()).unwrap();
    let info = emulator.cloud(&["info"]);
    assert!(info.err.contains("SES is in its sandbox"), "{info:?}");
    let info = info.worked();
    assert!(info.contains("example.com (NOT verified: no mail can be sent;"), "{info}");
    let shown = ["Mail needs these DNS records", "_domainkey.example.com"];
    assert!(shown.iter().all(|words| info.contains(words)), "{info}");

    // Where the stage's hosted zone is another's, nobody else makes them.
    let of_zone = |zone: &str| {
        let zone = format!("\n[hosted_zone]\nid = \"Z1\"\nname = \"{zone}\"\n");
        emulator.cloud(&["info", "--stages", &other_stages(emulator, &zone)])
    };
    let info = of_zone("example.org").worked();
    assert!(shown.iter().all(|words| info.contains(words)), "{info}");
    let made = of_zone("example.com");
    assert!(made.err.contains("the DNS records of mail are in the hosted zone"), "{made:?}");
    assert!(!made.out.contains(shown[0]), "{made:?}");
    let stages = other_stages(emulator, "mail_identity = \"existing\"\n");
    let existing = emulator.cloud(&["info", "--stages", &stages]);
    assert!(existing.err.contains("--configuration-set-name billion-emulator"), "{existing:?}");
}

/// A folder with the stage in it, and more in its file.
fn other_stages(emulator: &Emulator, more: &str) -> String {
    let folder = emulator.folder.path().join("stages");
    fs::create_dir_all(&folder).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/stages/emulator.toml");
    let text = fs::read_to_string(own).unwrap();
    fs::write(folder.join("emulator.toml"), text + more).unwrap();
    folder.to_str().unwrap().to_owned()
}

fn removing_keeps_the_data_until_told(emulator: &Emulator, ann: &mut Person<'_>) {
    let unsure = emulator.cloud(&["remove"]).failed();
    assert!(unsure.contains("add --yes"), "{unsure}");
    let kept = emulator.cloud(&["remove", "--yes"]).worked();
    assert!(kept.contains("Its data is kept") && kept.contains("billion-emulator"), "{kept}");
    let said = emulator.deploy().worked();
    ann.moved_to(&address(&said, "API"));
    let again = ann.sign_in();
    assert_eq!(again.status, StatusCode::OK, "the table and the keys outlived the stack: {again:?}");

    // The stage's file says that data is kept, and did not when the stage was deployed.
    let stages = other_stages(emulator, "keep_data = false\n");
    let functions = functions().to_str().unwrap();
    let differs = emulator.cloud(&["diff", "--fail", "--functions", functions, "--stages", &stages]).failed();
    assert!(differs.contains("stage emulator differs from what is here"), "{differs}");
    emulator.cloud(&["deploy", "--yes", "--functions", functions, "--stages", &stages]).worked();
    let gone = emulator.cloud(&["remove", "--yes"]).worked();
    assert!(gone.contains("its table with it: it was deployed with keep_data = false"), "{gone}");
    let dynamodb = aws_sdk_dynamodb::Client::new(&emulator.config());
    let tables = || emulator.block_on(dynamodb.list_tables().send()).unwrap();
    assert!(tables().table_names().is_empty(), "{:?}", tables());

    let ssm = aws_sdk_ssm::Client::new(&emulator.config());
    let parameters = || {
        let all = ssm.get_parameters_by_path().path("/billion/emulator").recursive(true);
        emulator.block_on(all.send()).unwrap().parameters.unwrap_or_default()
    };
    assert!(!parameters().is_empty(), "the keys are kept");
    let gone = emulator.cloud(&["remove", "--yes", "--with-data"]).worked();
    assert!(gone.contains("with its data"), "{gone}");
    assert!(parameters().is_empty() && tables().table_names().is_empty());
}
