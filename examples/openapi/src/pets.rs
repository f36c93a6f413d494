//! Handlers for a list of pets. utoipa creates the router and the document from them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{Info, OpenApiBuilder, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The path of the API: the server in the document, and the path at which the router is nested.
const PREFIX: &str = "/api/v1";

/// Anybody can add pets, so their number is limited.
const MAX_PETS: usize = 1000;

/// The pets by id, beginning with 1.
type Pets = Arc<Mutex<BTreeMap<u32, Pet>>>;

#[derive(Clone, Deserialize, Serialize, ToSchema)]
struct Pet {
    name: String,
    #[serde(default)]
    meals: u32,
}

/// The router, without a policy, and its document.
///
/// # Errors
///
/// Returns an error if the document cannot be written as JSON.
pub fn pets() -> Result<(Router, Value), serde_json::Error> {
    let description = OpenApiBuilder::new()
        .info(Info::new("Pets", "1.0.0"))
        .servers(Some([Server::new(PREFIX)]))
        .build();
    let (router, document) = OpenApiRouter::with_openapi(description)
        // The handlers in one call must have the same path.
        .routes(routes!(list, add))
        .routes(routes!(show, replace, remove))
        .routes(routes!(feed))
        .routes(routes!(openapi))
        .with_state(Pets::default())
        .split_for_parts();
    let document = serde_json::to_value(&document)?;
    let limit = DefaultBodyLimit::max(1024);
    let router = router.layer(Extension(document.clone())).layer(limit);
    Ok((Router::new().nest(PREFIX, router), document))
}

fn lock(pets: &Pets) -> MutexGuard<'_, BTreeMap<u32, Pet>> {
    pets.lock().unwrap_or_else(PoisonError::into_inner)
}

#[utoipa::path(get, path = "/pets", responses((status = OK, body = BTreeMap<u32, Pet>)))]
async fn list(State(pets): State<Pets>) -> impl IntoResponse {
    Json(lock(&pets).clone())
}

#[utoipa::path(post, path = "/pets", responses((status = CREATED)))]
async fn add(State(pets): State<Pets>, Json(pet): Json<Pet>) -> impl IntoResponse {
    let mut pets = lock(&pets);
    if pets.len() >= MAX_PETS {
        return Err(StatusCode::INSUFFICIENT_STORAGE);
    }
    let id = pets.last_key_value().map_or(1, |(last, _)| last + 1);
    pets.insert(id, pet);
    let location = format!("{PREFIX}/pets/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]))
}

#[utoipa::path(get, path = "/pets/{id}", params(("id" = u32, Path)), responses((status = OK)))]
async fn show(State(pets): State<Pets>, Path(id): Path<u32>) -> impl IntoResponse {
    let pet = lock(&pets).get(&id).cloned();
    pet.map(Json).ok_or(StatusCode::NOT_FOUND)
}

#[utoipa::path(put, path = "/pets/{id}", params(("id" = u32, Path)), responses((status = 204)))]
async fn replace(pets: State<Pets>, Path(id): Path<u32>, Json(pet): Json<Pet>) -> StatusCode {
    status(lock(&pets).get_mut(&id).map(|earlier| *earlier = pet))
}

#[utoipa::path(delete, path = "/pets/{id}", params(("id" = u32, Path)), responses((status = 204)))]
async fn remove(State(pets): State<Pets>, Path(id): Path<u32>) -> StatusCode {
    status(lock(&pets).remove(&id))
}

#[utoipa::path(post, path = "/pets/{id}/meals", params(("id" = u32, Path)), responses((status = 204)))]
async fn feed(State(pets): State<Pets>, Path(id): Path<u32>) -> StatusCode {
    let feed = |pet: &mut Pet| pet.meals = pet.meals.saturating_add(1);
    status(lock(&pets).get_mut(&id).map(feed))
}

#[utoipa::path(get, path = "/openapi.json", responses((status = OK, body = Value)))]
async fn openapi(Extension(document): Extension<Value>) -> Json<Value> {
    Json(document)
}

fn status<T>(found: Option<T>) -> StatusCode {
    found.map_or(StatusCode::NOT_FOUND, |_| StatusCode::NO_CONTENT)
}
