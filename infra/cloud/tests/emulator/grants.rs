use std::fs;
use std::path::Path;
use std::process::Command;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::emulator::{Emulator, REGION, functions, target};
use crate::person::Person;

const STACK: &str = "billion-enforcing";

/// K1: with every call checked against the roles of the template, people sign up; without one of the grants, that call
/// fails; with it, it works again.
#[test]
fn a_removed_grant_makes_its_call_fail() {
    let emulator = Emulator::start(true);
    emulator.cloud(&["bootstrap"]).worked();
    // The emulator speaks plain HTTP, which this policy rightly denies.
    let config = aws_sdk_s3::config::Builder::from(&emulator.config()).force_path_style(true).build();
    let bucket = format!("cdk-hnb659fds-assets-000000000000-{REGION}");
    let s3 = aws_sdk_s3::Client::from_conf(config);
    emulator.block_on(s3.delete_bucket_policy().bucket(bucket).send()).unwrap();
    let said = emulator.deploy().worked();
    let api = said.lines().find(|line| line.trim_start().starts_with("API")).unwrap();
    let api = api.split_whitespace().nth(1).unwrap().to_owned();
    let sign_up = |name: &str| Person::new(&emulator, &api, name).sign_up().status;
    assert_eq!(sign_up("ann"), StatusCode::ACCEPTED);
    let keys = Person::new(&emulator, &api, "ann").send(Method::GET, "/api/auth/jwks.json", None);
    assert_eq!(keys.status, StatusCode::OK, "auth reads its key: {keys:?}");

    deploy_without(&emulator, "AuthRole", "dynamodb:UpdateItem");
    assert!(sign_up("ben").is_server_error());
    emulator.deploy().worked();
    assert_eq!(sign_up("ben"), StatusCode::ACCEPTED);
}

/// Deploys the same assembly by the stock CLI, but for one action of one role.
fn deploy_without(emulator: &Emulator, role: &str, action: &str) {
    let folder = emulator.folder.path().join("without");
    let folder = folder.to_str().unwrap();
    emulator.cloud(&["synth", "--assembly", folder, "--functions", functions().to_str().unwrap()]).worked();
    let path = Path::new(folder).join(format!("{STACK}.template.json"));
    let mut template: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let statements =
        &mut template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let mut removed = 0;
    for statement in statements.as_array_mut().unwrap() {
        if let Some(actions) = statement["Action"].as_array_mut() {
            let before = actions.len();
            actions.retain(|granted| granted != action);
            removed += before - actions.len();
        }
    }
    assert_eq!(removed, 1, "{role} is granted {action} once");
    fs::write(&path, template.to_string()).unwrap();
    // Under its old hash the CLI would take it for known.
    let manifest = fs::read_to_string(Path::new(folder).join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let url = manifest["artifacts"][STACK]["properties"]["stackTemplateAssetObjectUrl"].as_str().unwrap();
    let hash = url.rsplit('/').next().unwrap().strip_suffix(".json").unwrap();
    for file in ["manifest.json", &format!("{STACK}.assets.json")] {
        let path = Path::new(folder).join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(hash, &"0".repeat(64))).unwrap();
    }
    let output = Command::new(target().join("cdk/node_modules/.bin/cdk"))
        .args(["deploy", STACK, "--require-approval", "never", "--no-notices", "--app", folder])
        .current_dir(folder)
        .env("AWS_ENDPOINT_URL", &emulator.address)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", REGION)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
