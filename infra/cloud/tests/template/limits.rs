//! What AWS refuses to deploy because there is too much of it, and only says so in the middle of a deployment.

use crate::{Template, target};

#[test]
fn nothing_is_larger_than_aws_takes() {
    for template in Template::all() {
        assert!(template.0["Resources"].as_object().unwrap().len() <= 500);
        assert!(template.0["Outputs"].as_object().unwrap().len() <= 200);
        assert!(template.0.to_string().len() <= 1_000_000);
        assert!(
            template.0.to_string().is_ascii(),
            "CloudFormation gives back other letters as question marks"
        );
        for (id, function) in template.of_type("AWS::CloudFront::Function") {
            assert!(function["FunctionCode"].as_str().unwrap().len() <= 10 * 1024, "{id}");
            assert!(function["FunctionConfig"]["Comment"].as_str().unwrap().len() <= 128, "{id}");
        }
        for (id, role) in template.of_type("AWS::IAM::Role") {
            assert!(role["Policies"].to_string().len() <= 10_240, "{id}");
        }
        for (id, function) in template.of_type("AWS::Lambda::Function") {
            assert!(function["Environment"].to_string().len() <= 4_096, "{id}");
            assert!(function["FunctionName"].as_str().unwrap().len() <= 64, "{id}");
            assert!(function["Description"].as_str().unwrap().len() <= 256, "{id}");
        }
        for (id, rule) in template.of_type("AWS::Events::Rule") {
            assert!(rule["EventPattern"].to_string().len() <= 4_096, "{id}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    for template in Template::all() {
        let known = |id: &str| {
            id.starts_with("AWS::")
                || !template.0["Resources"][id].is_null()
                || !template.0["Parameters"][id].is_null()
        };
        let mut references = Vec::new();
        collect(&template.0, &mut references);
        assert!(references.len() > 100);
        for id in references {
            assert!(known(&id), "{id}");
        }
    }
}

fn collect(value: &serde_json::Value, references: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        if object.len() == 1 && (object.contains_key("Ref") || object.contains_key("Fn::GetAtt")) {
            references.push(target(value).to_owned());
        }
        if let Some(pattern) = object.get("Fn::Sub").and_then(serde_json::Value::as_str) {
            let inner = pattern.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next());
            references.extend(inner.map(str::to_owned));
        }
        object.values().for_each(|it| collect(it, references));
    }
    value.as_array().into_iter().flatten().for_each(|it| collect(it, references));
}
