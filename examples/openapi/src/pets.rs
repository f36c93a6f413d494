//! The pets: handlers, and of them both the router and the document.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{Info, OpenApiBuilder, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the API is: of the document it is the server, and the router is nested there.
const PREFIX: &str = "/api/v1";

/// The pets, by id; the first one's is 1.
type Pets = Arc<Mutex<BTreeMap<u32, Pet>>>;

#[derive(Clone, Deserialize, Serialize, ToSchema)]
struct Pet {
    name: String,
    #[serde(default)]
    meals: u32,
}

/// The router, not covered by a policy, and the document that says what it serves.
///
/// # Errors
///
/// If the document cannot be written as JSON.
pub fn pets() -> Result<(Router, Value), serde_json::Error> {
    let description = OpenApiBuilder::new()
        .info(Info::new("Pets", "1.0.0"))
        .servers(Some([Server::new(PREFIX)]))
        .build();
    let (router, document) = OpenApiRouter::with_openapi(description)
        // One call for each path: the handlers of one call are served at all of their paths.
        .routes(routes!(list, add))
        .routes(routes!(show, replace, remove))
        .routes(routes!(feed))
        .routes(routes!(openapi))
        .with_state(Pets::default())
        .split_for_parts();
    let document = serde_json::to_value(&document)?;
    let router = router.layer(Extension(document.clone()));
    Ok((Router::new().nest(PREFIX, router), document))
}

#[utoipa::path(get, path = "/pets", responses((status = OK, body = BTreeMap<u32, Pet>)))]
async fn list(State(pets): State<Pets>) -> Json<BTreeMap<u32, Pet>> {
    let pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    Json(pets.clone())
}

#[utoipa::path(post, path = "/pets", responses((status = CREATED)))]
async fn add(State(pets): State<Pets>, Json(pet): Json<Pet>) -> impl IntoResponse {
    let mut pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    let id = pets.last_key_value().map_or(1, |(last, _)| last + 1);
    pets.insert(id, pet);
    let location = format!("{PREFIX}/pets/{id}");
    (StatusCode::CREATED, [(header::LOCATION, location)])
}

#[utoipa::path(
    get,
    path = "/pets/{id}",
    params(("id" = u32, Path)),
    responses((status = OK, body = Pet), (status = NOT_FOUND)),
)]
async fn show(State(pets): State<Pets>, Path(id): Path<u32>) -> Result<Json<Pet>, StatusCode> {
    let pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    pets.get(&id)
        .cloned()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

#[utoipa::path(
    put,
    path = "/pets/{id}",
    params(("id" = u32, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND)),
)]
async fn replace(
    State(pets): State<Pets>,
    Path(id): Path<u32>,
    Json(pet): Json<Pet>,
) -> StatusCode {
    with(&pets, id, |earlier| *earlier = pet)
}

#[utoipa::path(
    delete,
    path = "/pets/{id}",
    params(("id" = u32, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND)),
)]
async fn remove(State(pets): State<Pets>, Path(id): Path<u32>) -> StatusCode {
    let mut pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    match pets.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

#[utoipa::path(
    post,
    path = "/pets/{id}/meals",
    params(("id" = u32, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND)),
)]
async fn feed(State(pets): State<Pets>, Path(id): Path<u32>) -> StatusCode {
    with(&pets, id, |pet| pet.meals = pet.meals.saturating_add(1))
}

// The document has this operation, too. (utoipa puts documentation into the document.)
#[utoipa::path(get, path = "/openapi.json", responses((status = OK, body = Value)))]
async fn openapi(Extension(document): Extension<Value>) -> Json<Value> {
    Json(document)
}

fn with(pets: &Pets, id: u32, change: impl FnOnce(&mut Pet)) -> StatusCode {
    let mut pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    match pets.get_mut(&id) {
        Some(pet) => {
            change(pet);
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}
