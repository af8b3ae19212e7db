//! The site: a bucket that only the distribution reads, and the distribution, with the API behind `/api/*`.

use infra_model::RESPONSE_HEADERS;
use serde_json::json;
use stratosphere::services::aws::certificatemanager::{Certificate, certificate};
use stratosphere::services::aws::cloudfront::{
    Distribution, Function, OriginAccessControl, ResponseHeadersPolicy, distribution, function,
    originaccesscontrol, responseheaderspolicy,
};
use stratosphere::services::aws::s3::{Bucket, BucketPolicy, bucket};
use stratosphere::value::{ExpString, get_att};

use super::{API, BUCKET, DISTRIBUTION, EDGE_SECRET, functions};
use crate::stack::{Id, Stack, arn, refer, sub, text};
use crate::stage::Domain;
use crate::{ASSETS, Context, names, outputs};

/// AWS's own policy "CachingOptimized": a day if the origin says nothing, at least a second, compressed.
const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/// AWS's own policy "CachingDisabled".
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

/// AWS's own policy "AllViewerExceptHostHeader": all cookies, queries and headers, but the API is called by its own
/// name.
const ALL_VIEWER_EXCEPT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";

/// The header by which the API's functions know that CloudFront sent a request.
const EDGE_SECRET_HEADER: &str = "x-edge-secret";

/// CloudFront keeps an idle connection to the API so many seconds, at most: the next request saves the handshake.
const KEEPALIVE_SECONDS: i32 = 60;

const SITE_ORIGIN: &str = "site";
const API_ORIGIN: &str = "api";

const SITE_FUNCTION: &str = include_str!("../edge/site.js");
const API_FUNCTION: &str = include_str!("../edge/api.js");

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let bucket = add_bucket(stack);
    let certificate = context.stage.domain.as_ref().map(|domain| certificate(stack, context, domain));
    let distribution = add_distribution(stack, context, &bucket, certificate);
    stack.add(
        "SiteBucketPolicy",
        BucketPolicy! { bucket: refer(&bucket), policy_document: bucket_policy(&bucket, &distribution) },
    );
    stack.output(outputs::SITE_URL, "The origin that browsers use", functions::site_url(context));
    stack.output(
        outputs::DISTRIBUTION_DOMAIN,
        "Where a domain's records must point",
        get_att(&distribution, "DomainName"),
    );
    stack.output(outputs::DISTRIBUTION_ID, "For invalidations", &distribution);
    stack.output(outputs::SITE_BUCKET, "Where the site's files lie", &bucket);
}

fn add_bucket(stack: &mut Stack) -> Id {
    let by_s3 = bucket::ServerSideEncryptionByDefault! { sse_algorithm: "AES256" };
    let bucket = stack.add(
        BUCKET,
        Bucket! {
            public_access_block_configuration: bucket::PublicAccessBlockConfiguration! {
                block_public_acls: true,
                block_public_policy: true,
                ignore_public_acls: true,
                restrict_public_buckets: true
            },
            ownership_controls: bucket::OwnershipControls! {
                rules: vec![bucket::OwnershipControlsRule! { object_ownership: "BucketOwnerEnforced" }]
            },
            bucket_encryption: bucket::BucketEncryption! {
                server_side_encryption_configuration: vec![bucket::ServerSideEncryptionRule! {
                    server_side_encryption_by_default: Box::new(by_s3)
                }]
            },
            lifecycle_configuration: bucket::LifecycleConfiguration! {
                rules: vec![bucket::Rule! {
                    id: "unfinished-uploads",
                    status: "Enabled",
                    abort_incomplete_multipart_upload: Box::new(bucket::AbortIncompleteMultipartUpload! {
                        days_after_initiation: 1
                    })
                }]
            }
        },
    );
    // All that lies in it can be made again from the sources.
    stack.discard(&bucket);
    bucket
}

/// The distribution may read. It may also list, or else S3 would say 403 of what is not there.
fn bucket_policy(bucket: &Id, distribution: &Id) -> serde_json::Value {
    let own = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/";
    let by_distribution = json!({ "StringEquals": {
        "AWS:SourceArn": { "Fn::Sub": format!("{own}${{{distribution}}}") },
    }});
    let objects = json!({ "Fn::Sub": format!("${{{bucket}.Arn}}/*") });
    let cloudfront = json!({ "Service": "cloudfront.amazonaws.com" });
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadByDistribution", "Effect": "Allow", "Principal": cloudfront,
                "Action": "s3:GetObject", "Resource": objects, "Condition": by_distribution,
            },
            {
                "Sid": "ListByDistribution", "Effect": "Allow", "Principal": cloudfront,
                "Action": "s3:ListBucket", "Resource": arn(bucket), "Condition": by_distribution,
            },
            {
                "Sid": "OnlyEncrypted", "Effect": "Deny", "Principal": "*",
                "Action": "s3:*", "Resource": [arn(bucket), objects],
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            },
        ],
    })
}

fn certificate(stack: &mut Stack, context: &Context<'_>, domain: &Domain) -> ExpString {
    if let Some(certificate) = &domain.certificate {
        return certificate.as_str().into();
    }
    let mut validation = certificate::DomainValidationOption! { domain_name: text(&domain.name) };
    validation.hosted_zone_id = context.stage.hosted_zone.as_ref().map(|zone| text(&zone.id));
    let made = stack.add(
        "Certificate",
        Certificate! {
            domain_name: text(&domain.name),
            validation_method: "DNS",
            domain_validation_options: vec![validation]
        },
    );
    (&made).into()
}

fn add_distribution(
    stack: &mut Stack,
    context: &Context<'_>,
    bucket: &Id,
    certificate: Option<ExpString>,
) -> Id {
    let access = add_access_control(stack, context);
    let headers = add_headers(stack, context);
    let site = add_function(stack, context, "Site", &site_function(context.pages));
    let api = add_function(stack, context, "Api", API_FUNCTION);
    let at = |event_type: &str, function: &Id| {
        distribution::FunctionAssociation! {
            event_type: text(event_type),
            function_arn: get_att(function, "FunctionARN")
        }
    };
    let pages = distribution::DefaultCacheBehavior! {
        target_origin_id: SITE_ORIGIN,
        viewer_protocol_policy: "redirect-to-https",
        allowed_methods: methods(&["GET", "HEAD"]),
        cache_policy_id: CACHING_OPTIMIZED,
        compress: true,
        response_headers_policy_id: refer(&headers),
        function_associations: vec![at("viewer-request", &site), at("viewer-response", &site)]
    };
    let behind_api = distribution::CacheBehavior! {
        path_pattern: "/api/*",
        target_origin_id: API_ORIGIN,
        viewer_protocol_policy: "https-only",
        allowed_methods: methods(&["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]),
        cache_policy_id: CACHING_DISABLED,
        origin_request_policy_id: ALL_VIEWER_EXCEPT_HOST,
        response_headers_policy_id: refer(&headers),
        function_associations: vec![at("viewer-request", &api)]
    };
    let mut config = distribution::DistributionConfig! {
        enabled: true,
        comment: text(format!("{} ({})", names::display(context.app), context.stage.name)),
        http_version: "http2and3",
        ipv6_enabled: true,
        price_class: "PriceClass_100",
        origins: vec![site_origin(bucket, &access), api_origin(context)],
        default_cache_behavior: Box::new(pages),
        cache_behaviors: vec![behind_api],
        custom_error_responses: forgotten_errors()
    };
    if let (Some(domain), Some(certificate)) = (&context.stage.domain, certificate) {
        config.aliases = Some(vec![text(&domain.name)]);
        config.viewer_certificate = Some(Box::new(distribution::ViewerCertificate! {
            acm_certificate_arn: certificate,
            minimum_protocol_version: "TLSv1.2_2021",
            ssl_support_method: "sni-only"
        }));
    }
    stack.add(DISTRIBUTION, Distribution! { distribution_config: config })
}

/// Errors that CloudFront keeps for ten seconds unless it is told otherwise, whatever they say of it themselves and the cache
/// policy says: what one request ended with would answer everybody's. They have no page, which would take the place of the
/// API's problem documents.
const KEPT_ERRORS: [i32; 7] = [404, 414, 500, 501, 502, 503, 504];

fn forgotten_errors() -> Vec<distribution::CustomErrorResponse_> {
    let forgotten = KEPT_ERRORS.into_iter().map(|status| {
        distribution::CustomErrorResponse! { error_code: status, error_caching_min_ttl: 0.0_f64 }
    });
    forgotten.collect()
}

fn methods(names: &[&str]) -> Vec<ExpString> {
    names.iter().map(|name| (*name).into()).collect()
}

fn site_origin(bucket: &Id, access: &Id) -> distribution::Origin_ {
    distribution::Origin! {
        id: SITE_ORIGIN,
        domain_name: get_att(bucket, "RegionalDomainName"),
        origin_access_control_id: get_att(access, "Id"),
        // Of the older kind of access control, which must be named and left empty.
        s3_origin_config: Box::new(distribution::S3OriginConfig! { origin_access_identity: "" })
    }
}

fn api_origin(context: &Context<'_>) -> distribution::Origin_ {
    // The gateway answers first, even if it is with 504.
    let patience = context.app.limits.gateway_timeout_seconds.cast_signed() + 1;
    distribution::Origin! {
        id: API_ORIGIN,
        domain_name: sub(format!("${{{API}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}")),
        origin_custom_headers: vec![distribution::OriginCustomHeader! {
            header_name: EDGE_SECRET_HEADER,
            header_value: refer(&Id::from(EDGE_SECRET))
        }],
        custom_origin_config: Box::new(distribution::CustomOriginConfig! {
            origin_protocol_policy: "https-only",
            origin_ssl_protocols: vec!["TLSv1.2".into()],
            origin_read_timeout: patience,
            origin_keepalive_timeout: KEEPALIVE_SECONDS
        })
    }
}

fn add_access_control(stack: &mut Stack, context: &Context<'_>) -> Id {
    stack.add(
        "SiteAccess",
        OriginAccessControl! {
            origin_access_control_config: originaccesscontrol::OriginAccessControlConfig! {
                name: text(names::stack(context.app, &context.stage.name)),
                origin_access_control_origin_type: "s3",
                signing_behavior: "always",
                signing_protocol: "sigv4"
            }
        },
    )
}

fn add_function(stack: &mut Stack, context: &Context<'_>, what: &str, code: &str) -> Id {
    let name = format!("{}-{}", names::stack(context.app, &context.stage.name), what.to_lowercase());
    stack.add(
        format!("{what}EdgeFunction"),
        Function! {
            name: text(name),
            auto_publish: true,
            function_code: text(code),
            function_config: function::FunctionConfig! {
                comment: text(code.lines().next().unwrap_or_default().trim_start_matches("// ")),
                runtime: "cloudfront-js-2.0"
            }
        },
    )
}

fn site_function(pages: &[String]) -> String {
    let pages: Vec<_> = pages.iter().map(|page| json!(page).to_string()).collect();
    SITE_FUNCTION.replace("/* pages */", &pages.join(", ")).replace("/assets/", ASSETS)
}

/// The model's headers, which win over the origins'. CloudFront has fields of their own for some of them, and
/// refuses those as custom headers.
fn add_headers(stack: &mut Stack, context: &Context<'_>) -> Id {
    use responseheaderspolicy as policy;
    let mut security = policy::SecurityHeadersConfig! {};
    let mut custom = Vec::new();
    for (name, value) in RESPONSE_HEADERS {
        match *name {
            "strict-transport-security" => {
                security.strict_transport_security = Some(Box::new(transport_security(value)))
            }
            "content-security-policy" => {
                security.content_security_policy = Some(Box::new(policy::ContentSecurityPolicy! {
                    content_security_policy: text(value),
                    r#override: true
                }));
            }
            "x-content-type-options" => {
                security.content_type_options =
                    Some(Box::new(policy::ContentTypeOptions! { r#override: true }));
            }
            "x-frame-options" => {
                security.frame_options =
                    Some(Box::new(policy::FrameOptions! { frame_option: text(value), r#override: true }));
            }
            "referrer-policy" => {
                security.referrer_policy = Some(Box::new(
                    policy::ReferrerPolicy! { referrer_policy: text(value), r#override: true },
                ));
            }
            name => custom
                .push(policy::CustomHeader! { header: text(name), value: text(value), r#override: true }),
        }
    }
    stack.add(
        "ResponseHeaders",
        ResponseHeadersPolicy! {
            response_headers_policy_config: policy::ResponseHeadersPolicyConfig! {
                name: text(names::stack(context.app, &context.stage.name)),
                comment: "As infra/model has them",
                security_headers_config: Box::new(security),
                custom_headers_config: Box::new(policy::CustomHeadersConfig! { items: custom })
            }
        },
    )
}

fn transport_security(value: &str) -> responseheaderspolicy::StrictTransportSecurity_ {
    let directives: Vec<_> = value.split(';').map(str::trim).collect();
    let max_age = directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok());
    responseheaderspolicy::StrictTransportSecurity! {
        access_control_max_age_sec: max_age.unwrap_or(0_i32),
        include_subdomains: directives.contains(&"includeSubDomains"),
        preload: directives.contains(&"preload"),
        r#override: true
    }
}
