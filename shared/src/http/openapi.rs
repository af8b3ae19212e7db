//! What the documents of all functions say alike.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, ResponseBuilder};
use utoipa::{Modify, PartialSchema, ToSchema};

use super::problem::{InvalidField, PROBLEM_JSON, ProblemDocument};

/// Adds to a document what holds for every route: any answer that is not described is a problem
/// document, and the two ways to be signed in, `access_cookie` and `access_token`.
#[derive(Debug, Clone, Copy)]
pub struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, schema) in [
            (ProblemDocument::name(), ProblemDocument::schema()),
            (InvalidField::name(), InvalidField::schema()),
        ] {
            components.schemas.insert(name.into_owned(), schema);
        }
        components.add_security_scheme(
            "access_cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "__Host-access",
                "Browsers. A request that changes something must come from the app's own pages.",
            ))),
        );
        components.add_security_scheme(
            "access_token",
            SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build()),
        );
        for item in document.paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            operations.into_iter().flatten().for_each(add_problem);
        }
    }
}

fn add_problem(operation: &mut Operation) {
    let problem = ResponseBuilder::new()
        .description("Anything else: a problem document (RFC 9457)")
        .content(PROBLEM_JSON, Content::new(Some(Ref::from_schema_name(ProblemDocument::name()))))
        .build();
    operation.responses.responses.insert("default".to_owned(), problem.into());
}
