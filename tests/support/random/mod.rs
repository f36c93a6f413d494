//! Random layers and requests. [`check`] compares the crate with the model of the decision tables.
//!
//! Bytes make all choices. `tests/service.rs` has random bytes, and the fuzz target `layer` has those of a fuzzer.

mod body;
mod exchanges;
mod layers;
mod names;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tower::{Layer as _, ServiceExt as _};
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::{Declarations, MandatoryExtensions};

use self::body::{Plan, Script, now};
use self::layers::Bounds;
use crate::model::rejection::Rejection;
use crate::model::subject::BuiltLayer;
use crate::model::{Layer, Request, Response};

/// The calls of the observer.
type Observations = Arc<Mutex<Vec<String>>>;

/// Sends any requests to any layer. Checks the response, the forwarded request, and the observer's calls. If `shows`,
/// prints each request.
pub(crate) fn check(bytes: &[u8], shows: bool) {
    // This cannot fail: after its end, the input continues with zeros.
    run(&mut Unstructured::new(bytes), shows).expect("choices of something");
}

fn run(u: &mut Unstructured<'_>, shows: bool) -> Result<()> {
    let model = Layer::new(layers::policy(u)?);
    let policy = model.policy.build().expect("no conflict");
    model.policy.assert_lists(&policy);
    let settings = layers::layer(u, model.policy.clone())?;
    let (bounds, drain) = Bounds::draw(u)?;
    let observations = Observations::default();
    let log = observations.clone();
    let mut layer = settings.build(policy.clone()).body_drain(drain);
    // The last call has to rebuild the shortcut that the other calls built.
    layer = layer.inner_decides(!settings.inner_decides).answer_options(!settings.answer_options);
    #[cfg(feature = "rfc2774")]
    if settings.examines_extensions {
        let extensions = MandatoryExtensions::at_origin().support(layers::EXTENSION);
        layer = layer.mandatory_extensions(extensions.expect("an identifier"));
    }
    layer = layer.inner_decides(settings.inner_decides).answer_options(settings.answer_options);
    if settings.has_observer {
        layer = layer.on_rejection(move |rejection, request| {
            log.lock().expect("no panic").push(Rejection::read(rejection).seen(request));
        });
    }
    assert_eq!(layer.policy(), &policy);
    loop {
        let body = Plan::draw(u)?;
        let case = Case {
            layer: &settings,
            bounds,
            request: exchanges::request(u, body.facts())?,
            body,
            // An error of the inner service passes unchanged.
            inner: if u.ratio(7, 8)? { Ok(exchanges::response(u)?) } else { Err("no answer") },
            is_in_runtime: u.ratio(2, 3)?,
        };
        if shows {
            println!("{case:#?}");
        }
        model.assert_decides(&policy, &case.request.method, case.request.path());
        case.ask(&layer, &observations);
        if u.is_empty() {
            return Ok(());
        }
    }
}

/// An extension of every request.
#[derive(Clone)]
struct Arrives;

#[derive(Debug)]
struct Case<'a> {
    layer: &'a Layer,
    bounds: Bounds,
    request: Request,
    body: Plan,
    inner: Result<Response, &'static str>,
    is_in_runtime: bool,
}

impl Case<'_> {
    fn ask(&self, layer: &BuiltLayer, observations: &Observations) {
        let arrived = RefCell::new(Vec::new());
        let log = Rc::new(RefCell::new(body::Log::default()));
        let inner = tower::service_fn(|request: http::Request<Script>| {
            let is_untouched = log.borrow().polls.is_empty();
            let (parts, _) = request.into_parts();
            arrived.borrow_mut().push((parts, is_untouched));
            std::future::ready(self.inner.as_ref().map(Response::build).map_err(|error| *error))
        });
        let answering = async {
            let start = now();
            let body = Script::new(self.body.clone(), Rc::clone(&log));
            let mut request = self.request.build(body);
            request.extensions_mut().insert(Arrives);
            let answer = layer.layer(inner).oneshot(request).await;
            let elapsed = start.map(|start| start.elapsed());
            (answer, elapsed.unwrap_or_default())
        };
        let (answer, elapsed) =
            if self.is_in_runtime { in_runtime(answering) } else { outside(answering) };

        let mut arrived = arrived.into_inner();
        let is_drained = arrived.is_empty() && {
            let log = log.borrow();
            body::ended(&self.request, &self.body, &self.bounds, self.is_in_runtime, &log, elapsed)
        };
        let inner = self.inner.clone().unwrap_or_else(|_| Response::empty());
        let expected = self.layer.outcome(&self.request, &inner, is_drained);
        assert_eq!(arrived.len(), usize::from(expected.is_forwarded));
        let observed = std::mem::take(&mut *observations.lock().expect("no panic"));
        assert_eq!(observed, expected.observed);

        if let Some((parts, is_untouched)) = arrived.pop() {
            assert!(is_untouched && log.borrow().polls.is_empty());
            self.request.assert_arrived(&parts);
            assert_eq!(has_declarations(&parts.extensions), expected.is_fulfilled);
            assert!(parts.extensions.get::<Arrives>().is_some());
            assert_eq!(parts.extensions.len(), 1 + usize::from(expected.is_fulfilled));
        }
        match &self.inner {
            Err(error) if expected.is_forwarded => assert_eq!(answer.err(), Some(*error)),
            _ => {
                let response = Response::read(&answer.expect("no error of the inner service"));
                assert_eq!(response, expected.response);
            }
        }
    }
}

fn has_declarations(_extensions: &http::Extensions) -> bool {
    #[cfg(feature = "rfc2774")]
    return _extensions.get::<Declarations>().is_some();
    #[cfg(not(feature = "rfc2774"))]
    return false;
}

/// Runs `future` in a runtime whose clock jumps to the next event.
fn in_runtime<F: Future>(future: F) -> F::Output {
    // Longer than any bound of the layer.
    const VERY_LONG: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let answer = async { tokio::time::timeout(VERY_LONG, future).await };
    let answer = runtime.expect("a runtime").block_on(answer);
    answer.expect("answered")
}

/// Polls `future` outside of any runtime.
fn outside<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("not answered");
}
