use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use infra_cloud::pages;
use infra_model::{APP, RESPONSE_HEADERS};
use serde_json::{Value, json};

use crate::{Template, full, target};

/// F1: what the distribution adds is what the local gateway adds, which takes it from the same list.
#[test]
fn f1_the_distribution_sends_the_models_headers_with_every_response() {
    for template in Template::all() {
        let (policy, headers) = template.of_type("AWS::CloudFront::ResponseHeadersPolicy").next().unwrap();
        assert_eq!(sent(&headers["ResponseHeadersPolicyConfig"]), BTreeMap::from_iter(model()));
        let distribution = &template.properties("Distribution")["DistributionConfig"];
        let others = distribution["CacheBehaviors"].as_array().unwrap();
        for behavior in others.iter().chain([&distribution["DefaultCacheBehavior"]]) {
            assert_eq!(target(&behavior["ResponseHeadersPolicyId"]), policy);
        }
    }
}

fn model() -> impl Iterator<Item = (String, String)> {
    RESPONSE_HEADERS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// What CloudFront makes of a policy, by its documentation.
fn sent(policy: &Value) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let mut put =
        |name: &str, value: String| assert_eq!(headers.insert(name.to_owned(), value), None, "{name}");
    for (field, it) in policy["SecurityHeadersConfig"].as_object().unwrap() {
        assert_eq!(it["Override"], true, "{field}");
        let text = |field: &str| it[field].as_str().unwrap().to_owned();
        match field.as_str() {
            "ContentSecurityPolicy" => put("content-security-policy", text("ContentSecurityPolicy")),
            "ContentTypeOptions" => put("x-content-type-options", "nosniff".to_owned()),
            "FrameOptions" => put("x-frame-options", text("FrameOption")),
            "ReferrerPolicy" => put("referrer-policy", text("ReferrerPolicy")),
            "StrictTransportSecurity" => {
                let mut value = format!("max-age={}", it["AccessControlMaxAgeSec"]);
                let flags = [("IncludeSubdomains", "; includeSubDomains"), ("Preload", "; preload")];
                flags.iter().filter(|(flag, _)| it[*flag] == true).for_each(|(_, text)| value.push_str(text));
                put("strict-transport-security", value);
            }
            other => panic!("{other} is not known here"),
        }
    }
    for item in policy["CustomHeadersConfig"]["Items"].as_array().unwrap() {
        assert_eq!(item["Override"], true);
        put(item["Header"].as_str().unwrap(), item["Value"].as_str().unwrap().to_owned());
    }
    headers
}

#[test]
fn the_api_is_behind_the_site_uncached_with_all_that_the_browser_sends_but_its_host() {
    for template in Template::all() {
        let config = &template.properties("Distribution")["DistributionConfig"];
        let api = &config["CacheBehaviors"][0];
        assert_eq!(api["PathPattern"], "/api/*");
        assert_eq!(api["TargetOriginId"], "api");
        assert_eq!(api["ViewerProtocolPolicy"], "https-only");
        // AWS's own policies: CachingDisabled, AllViewerExceptHostHeader.
        assert_eq!(api["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
        assert_eq!(api["OriginRequestPolicyId"], "b689b0a8-53d0-40ab-baf2-68738e2966ac");
        assert_eq!(api["AllowedMethods"].as_array().unwrap().len(), 7);
    }
}

/// CloudFront keeps them for ten seconds by itself, under CachingDisabled too: one person's 503 would be everybody's.
#[test]
fn an_error_answers_one_request_and_none_that_comes_after_it() {
    for template in Template::all() {
        let config = &template.properties("Distribution")["DistributionConfig"];
        let mut statuses = BTreeSet::new();
        for it in config["CustomErrorResponses"].as_array().unwrap() {
            assert_eq!(it["ErrorCachingMinTTL"].as_f64(), Some(0.0), "{it}");
            let replaces = !it["ResponsePagePath"].is_null() || !it["ResponseCode"].is_null();
            assert!(!replaces, "it would take the place of the API's problem: {it}");
            statuses.insert(it["ErrorCode"].as_u64().unwrap());
        }
        assert!(statuses.is_superset(&BTreeSet::from([404, 500, 502, 503, 504])), "{statuses:?}");
    }
}

/// E3
#[test]
fn e3_the_api_believes_the_viewers_address_of_nobody_but_the_distribution() {
    let template = Template::small();
    let secret = &template.0["Parameters"]["EdgeSecret"];
    assert_eq!(secret["NoEcho"], true);
    assert_eq!(secret["Default"], "/billion/dev/edge/secret");
    let (_, stage) = template.of_type("AWS::ApiGatewayV2::Stage").next().unwrap();
    assert_eq!(stage["StageVariables"], json!({ "edge_secret": { "Ref": "EdgeSecret" } }));
    let origins = template.properties("Distribution")["DistributionConfig"]["Origins"].as_array().unwrap();
    let api = origins.iter().find(|origin| origin["Id"] == "api").unwrap();
    let header = json!({ "HeaderName": "x-edge-secret", "HeaderValue": { "Ref": "EdgeSecret" } });
    assert_eq!(api["OriginCustomHeaders"], json!([header]));

    let forged = json!({ "x-viewer-address": { "value": "10.0.0.1", "multiValue": [{ "value": "10.0.0.1" }] },
        "x-edge-secret": { "value": "guess" }, "cookie": { "value": "a" } });
    let request = run("ApiEdgeFunction", "viewer-request", &json!({ "uri": "/api/me", "headers": forged }));
    let expected = json!({ "x-viewer-address": { "value": "203.0.113.7" }, "cookie": { "value": "a" } });
    assert_eq!(request["headers"], expected);
}

#[test]
fn a_page_is_found_under_its_path_and_nothing_else_is() {
    let ask = |uri: &str| {
        let headers = json!({ "if-none-match": { "value": "\"1\"" }, "accept": { "value": "*/*" } });
        let request = run("SiteEdgeFunction", "viewer-request", &json!({ "uri": uri, "headers": headers }));
        let is_conditional = !request["headers"]["if-none-match"].is_null();
        (request["uri"].as_str().unwrap().to_owned(), is_conditional)
    };
    let pages = pages(&APP).unwrap();
    assert!(pages.iter().any(|page| page == "/sign-in") && pages.iter().any(|page| page == "/favicon.svg"));
    assert_eq!(ask("/"), ("/index.html".to_owned(), true), "as its object is called");
    let template = Template::small();
    let config = &template.properties("Distribution")["DistributionConfig"];
    assert!(
        config["DefaultRootObject"].is_null(),
        "the function would see it in the place of the path, and not know it"
    );
    for page in ["/sign-in", "/favicon.svg", "/assets/0123456789ab/styles/base.css"] {
        assert_eq!(ask(page), (page.to_owned(), true));
    }
    for nothing in ["/sign-in/", "/sign-in.html", "/index.html", "/wp-login.php", "/SIGN-IN", "/_local"] {
        assert_eq!(ask(nothing), ("/404".to_owned(), false), "{nothing}");
    }
}

#[test]
fn the_page_of_what_is_not_there_has_status_404_and_no_other_has() {
    let answer = |headers: Value| {
        run("SiteEdgeFunction", "viewer-response", &json!({ "statusCode": 200, "headers": headers }))
    };
    let missing = answer(json!({ "x-amz-meta-status": { "value": "404" }, "etag": { "value": "\"1\"" } }));
    assert_eq!(missing["statusCode"], 404);
    assert_eq!(missing["headers"], json!({ "etag": { "value": "\"1\"" } }));
    assert_eq!(answer(json!({ "etag": { "value": "\"1\"" } }))["statusCode"], 200);
}

/// Runs one of the distribution's functions as CloudFront would, but on Node.
fn run(function: &str, event_type: &str, message: &Value) -> Value {
    let template = Template::small();
    let code = template.properties(function)["FunctionCode"].as_str().unwrap();
    let part = if event_type == "viewer-request" { "request" } else { "response" };
    let event = json!({
        "version": "1.0",
        "context": { "eventType": event_type },
        "viewer": { "ip": "203.0.113.7" },
        part: message,
    });
    let program = format!("{code}\nconsole.log(JSON.stringify(handler({event})));");
    let output = Command::new("node").args(["-e", &program]).output().expect("Node.js runs the functions");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn only_the_distribution_reads_the_bucket() {
    let template = Template::small();
    let blocked = &template.properties("SiteBucket")["PublicAccessBlockConfiguration"];
    assert!(
        blocked.as_object().unwrap().values().all(|it| it == true) && blocked.as_object().unwrap().len() == 4
    );
    let (_, policy) = template.of_type("AWS::S3::BucketPolicy").next().unwrap();
    for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
        if statement["Effect"] == "Allow" {
            assert_eq!(statement["Principal"], json!({ "Service": "cloudfront.amazonaws.com" }));
            let source = &statement["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Sub"];
            assert!(source.as_str().unwrap().ends_with(":distribution/${Distribution}"));
        }
    }
}

#[test]
fn a_domain_brings_its_certificate_and_without_one_the_distributions_name_is_the_origin() {
    let with = Template::of(&APP, &full());
    let config = &with.properties("Distribution")["DistributionConfig"];
    assert_eq!(config["Aliases"], json!(["app.example.com"]));
    assert_eq!(target(&config["ViewerCertificate"]["AcmCertificateArn"]), "Certificate");
    assert_eq!(config["ViewerCertificate"]["MinimumProtocolVersion"], "TLSv1.2_2021");
    assert_eq!(with.0["Outputs"]["SiteUrl"]["Value"], "https://app.example.com");
    let without = Template::small();
    assert_eq!(
        without.0["Outputs"]["SiteUrl"]["Value"],
        json!({ "Fn::Sub": "https://${Distribution.DomainName}" })
    );
}
