use serde::Serialize;
use shared::http::Json;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Health
///
/// Says that the function runs and answers. It asks nobody else.
#[utoipa::path(get, path = "/api/health", tag = "api", responses(
    (status = 200, description = "It does", body = Health),
))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}
