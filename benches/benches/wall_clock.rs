//! Wall-clock time per request, on one thread and on two. It depends on the machine and on what else
//! runs there: nothing is gated on it.

use divan::Bencher;
use http::Request;
use method_policy_benches::peers::{HandWritten, from_fn};
use method_policy_benches::{Buffer, Inner, exchange, layered, method, request};
use tower_method_policy::MethodPolicy;

fn main() {
    divan::main();
}

/// The methods of an ordinary day, and what a scanner tries.
const METHODS: [&str; 4] = ["GET", "PROPFIND", "DELETE", "FOO"];

#[divan::bench(args = METHODS, threads = [1, 2], sample_size = 1000)]
fn bare(bencher: Bencher<'_, '_>, name: &str) {
    let method = method(name);
    let with_request = bencher.with_inputs(|| request::<Buffer>(&method, "/", 5));
    with_request.bench_values(|request| {
        let mut service = Inner::<Buffer>::NEW;
        exchange(&mut service, request)
    });
}

#[divan::bench(args = METHODS, threads = [1, 2], sample_size = 1000)]
fn hand_written(bencher: Bencher<'_, '_>, name: &str) {
    let method = method(name);
    let with_request = bencher.with_inputs(|| request::<Buffer>(&method, "/", 5));
    with_request.bench_values(|request| exchange(&mut HandWritten::<false>(Inner::NEW), request));
}

/// All threads share one layer, as connections do: a flood of rejections is `DELETE` on two threads,
/// each answer to which clones the one `Allow` value.
#[divan::bench(args = METHODS, threads = [1, 2], sample_size = 1000)]
fn policy(bencher: Bencher<'_, '_>, name: &str) {
    let (service, method) = (layered(), method(name));
    let with_request =
        bencher.with_inputs(|| (service.clone(), request::<Buffer>(&method, "/", 5)));
    // The service is given back so that its drop is not measured.
    with_request.bench_values(|(mut service, request)| (exchange(&mut service, request), service));
}

/// The service is cloned for each request, as hyper-util's `TowerToHyperService` does it: two threads
/// count its clones at the same place.
#[divan::bench(args = METHODS, threads = [1, 2], sample_size = 1000)]
fn policy_cloned(bencher: Bencher<'_, '_>, name: &str) {
    let (service, method) = (layered(), method(name));
    let with_request = bencher.with_inputs(|| request::<Buffer>(&method, "/", 5));
    with_request.bench_values(|request| exchange(&mut service.clone(), request));
}

/// Each thread has a layer of its own: beside [`policy`], what it costs to share one.
#[divan::bench(args = METHODS, threads = [1, 2], sample_size = 1000)]
fn policy_unshared(bencher: Bencher<'_, '_>, name: &str) {
    thread_local! {
        static SERVICE: MethodPolicy<Inner> = layered();
    }
    let method = method(name);
    let with_request = bencher.with_inputs(|| {
        let service = SERVICE.with(Clone::clone);
        (service, request::<Buffer>(&method, "/", 5))
    });
    with_request.bench_values(|(mut service, request)| (exchange(&mut service, request), service));
}

#[divan::bench(args = METHODS, sample_size = 1000)]
fn axum_from_fn(bencher: Bencher<'_, '_>, name: &str) {
    let (mut service, method) = (from_fn(), method(name));
    let with_request =
        bencher.with_inputs(|| -> Request<axum::body::Body> { request(&method, "/", 5) });
    with_request.bench_local_values(|request| exchange(&mut service, request));
}
