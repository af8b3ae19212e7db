use std::fs;
use std::path::Path;

use infra_cloud::assembly::{Artifacts, write_assembly};
use infra_cloud::{Stage, names, pages, template};
use infra_model::APP;
use serde_json::Value;

use crate::small;

fn zips(folder: &Path) -> Artifacts {
    for function in APP.functions {
        fs::write(folder.join(format!("{}.zip", function.name)), function.name).unwrap();
    }
    Artifacts::in_folder(&APP, folder).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn an_assembly_says_where_everything_lies() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = zips(folder.path());
    let out = folder.path().join("out");
    let assembly = write_assembly(&APP, &small(), &artifacts, &out).unwrap();
    let stack = names::stack(&APP, "dev");
    assert_eq!((assembly.stack_name.as_str(), assembly.assets.len()), (stack.as_str(), APP.functions.len()));

    let manifest = json(&out.join("manifest.json"));
    let properties = &manifest["artifacts"][&stack]["properties"];
    assert_eq!(manifest["artifacts"][&stack]["environment"], "aws://unknown-account/us-east-1");
    let template_file = properties["templateFile"].as_str().unwrap();
    assert_eq!(json(&out.join(template_file)), assembly.template);
    let assets = &manifest["artifacts"][format!("{stack}.assets")]["properties"]["file"];
    let files = json(&out.join(assets.as_str().unwrap()))["files"].clone();
    for function in APP.functions {
        let asset = artifacts.of(function.name).unwrap();
        assert_eq!(files[&asset.hash]["source"]["path"], asset.path.to_str().unwrap());
        let destination = &files[&asset.hash]["destinations"]["current_account-us-east-1"];
        let (_, resource) = assembly.template["Resources"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, it)| it["Properties"]["FunctionName"] == format!("billion-dev-{}", function.name))
            .unwrap();
        assert_eq!(resource["Properties"]["Code"]["S3Key"], destination["objectKey"]);
    }
    let url = properties["stackTemplateAssetObjectUrl"].as_str().unwrap();
    let template_hash = url.rsplit_once('/').unwrap().1.strip_suffix(".json").unwrap();
    assert_eq!(files[template_hash]["source"]["path"], template_file);
    assert_eq!(files.as_object().unwrap().len(), APP.functions.len() + 1);
}

#[test]
fn only_the_code_differs_from_the_template() {
    let folder = tempfile::tempdir().unwrap();
    let assembly = write_assembly(&APP, &small(), &zips(folder.path()), folder.path()).unwrap();
    let mut written = assembly.template;
    for resource in written["Resources"].as_object_mut().unwrap().values_mut() {
        if resource["Type"] == "AWS::Lambda::Function" {
            let name = resource["Properties"]["FunctionName"].as_str().unwrap().to_owned();
            let zip = format!("{}.zip", name.strip_prefix("billion-dev-").unwrap());
            resource["Properties"]["Code"]["S3Key"] = zip.into();
        }
    }
    assert_eq!(written, template(&APP, &small(), &pages(&APP).unwrap()));
}

#[test]
fn an_account_is_named_where_the_stage_names_one() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage { account: Some("123456789012".to_owned()), region: "eu-west-1".to_owned(), ..small() };
    write_assembly(&APP, &stage, &zips(folder.path()), folder.path()).unwrap();
    let manifest = json(&folder.path().join("manifest.json"));
    assert_eq!(manifest["artifacts"]["billion-dev"]["environment"], "aws://123456789012/eu-west-1");
    let files = json(&folder.path().join("billion-dev.assets.json"))["files"].clone();
    let mut destinations = files.as_object().unwrap().values().map(|file| &file["destinations"]);
    assert!(destinations.all(|it| !it["123456789012-eu-west-1"].is_null()));
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Artifacts::in_folder(&APP, folder.path()).unwrap_err().to_string();
    assert!(error.contains("\"api\"") && error.contains("api.zip"), "{error}");
    let stage = Stage { region: "nowhere".to_owned(), ..small() };
    let error = write_assembly(&APP, &stage, &zips(folder.path()), folder.path()).unwrap_err().to_string();
    assert!(error.contains("region"), "{error}");
}
