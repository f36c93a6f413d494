//! The table about a `405` of the inner service, and what the layer does to this response.

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_LENGTH, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, request};
use http_body::Body;

use crate::methods::MethodSet;
use crate::policy::{Allow, GET_AND_HEAD, Place, StoredRule};
use crate::rejection::{
    Needs, Reason, Rejection, Respond, announce_close, is_grpc, remove_content_fields,
    remove_grpc_fields,
};
use crate::settings::{Settings, Shared};

/// What the layer does with a `405` that has a usable list of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// It becomes the `200` to an `OPTIONS` request.
    Turn,
    /// It becomes the layer's `501`.
    AdoptAs501,
    /// It becomes the layer's `405`.
    AdoptAs405,
    /// Its `Allow` also lists `OPTIONS`, because the layer answers `OPTIONS`.
    AddOptions,
}

impl Settings {
    /// The row for a request that is forwarded and is not a preflight, or `None` if each response stays
    /// unchanged.
    pub(crate) fn row(
        &self,
        method: &Method,
        place: Place<'_>,
        is_recognized: bool,
    ) -> Option<Row> {
        if matches!(place, Place::Exempt) {
            None
        } else if *method == Method::OPTIONS && self.answers_options {
            Some(Row::Turn)
        } else if self.inner_decides && !is_recognized {
            Some(Row::AdoptAs501)
        } else if self.inner_decides {
            Some(Row::AdoptAs405)
        } else if self.answers_options {
            Some(Row::AddOptions)
        } else {
            None
        }
    }
}

/// A forwarded request, and what the layer does if the inner service answers it with `405`.
pub(crate) struct Inner405 {
    row: Row,
    /// The rule at the target.
    rule: Option<Arc<StoredRule>>,
    request: KeptRequest,
    /// Whether an answer of the layer ends the connection.
    closes: bool,
}

/// What responders and observers need of a request that was forwarded.
enum KeptRequest {
    Method(Method),
    Head(Box<request::Parts>),
}

impl KeptRequest {
    fn method(&self) -> &Method {
        match self {
            Self::Method(method) => method,
            Self::Head(head) => &head.method,
        }
    }

    /// If only the method is kept, nobody needs another part of the head: see [`Inner405::new`].
    fn into_head(self) -> request::Parts {
        match self {
            Self::Method(method) => {
                let (mut head, ()) = Request::new(()).into_parts();
                head.method = method;
                head
            }
            Self::Head(head) => *head,
        }
    }
}

impl Inner405 {
    pub(crate) fn new<R, ReqBody, ResBody>(
        row: Row,
        rule: Option<Arc<StoredRule>>,
        shared: &Shared<R>,
        request: &request::Parts,
        body: &ReqBody,
    ) -> Self
    where
        R: Respond<ResBody>,
        ReqBody: Body,
    {
        let adopts = matches!(row, Row::AdoptAs501 | Row::AdoptAs405);
        let needs_head = adopts
            && (!shared.settings.responses.observers.is_empty()
                || shared.responder.needs() == Needs::Head
                || is_grpc(request));
        let kept = if needs_head {
            KeptRequest::Head(Box::new(request.clone()))
        } else {
            KeptRequest::Method(request.method.clone())
        };
        Self { row, rule, request: kept, closes: closes(request, body) }
    }

    /// Handles a `405` of the inner service.
    #[cold]
    #[inline(never)]
    pub(crate) fn apply<R, B>(self, shared: &Shared<R>, response: &mut Response<B>)
    where
        R: Respond<B>,
        B: Default,
    {
        // A policy further inside has made the decision.
        let is_decided = response.extensions().get::<Rejection>().is_some();
        if is_decided && self.row != Row::Turn {
            return;
        }
        let Some(methods) = self.usable_list(&shared.settings, response.headers()) else {
            return;
        };
        match self.row {
            Row::Turn => self.turn(methods, response),
            Row::AdoptAs501 => self.adopt(Rejection::not_implemented(), shared, response),
            Row::AdoptAs405 => self.adopt(Rejection::not_allowed_inside(methods), shared, response),
            Row::AddOptions => {
                response.headers_mut().insert(ALLOW, Allow::new(methods).value);
            }
        }
    }

    /// The methods that the answer's `Allow` lists. `None` if the response does not say which methods the target
    /// allows, or if it is not about the method.
    fn usable_list(&self, settings: &Settings, headers: &HeaderMap) -> Option<MethodSet> {
        let rule = self.rule.as_ref().map(|rule| &rule.allow.methods);
        let mut methods = match (MethodSet::from_allow(headers), rule) {
            (Some(listed), _) => listed,
            // Without `Allow`, the rule says which methods the target allows (RFC 9110 §15.5.6).
            (None, Some(rule)) if settings.inner_decides && !headers.contains_key(ALLOW) => {
                rule.clone()
            }
            (None, _) => return None,
        };
        if methods.contains(self.request.method()) {
            return None;
        }
        // `Allow` lists no method that the layer rejects.
        match rule {
            Some(rule) => methods &= rule | &GET_AND_HEAD,
            None if !settings.inner_decides => methods &= settings.policy.recognized(),
            None => {}
        }
        if settings.answers_options {
            methods.insert(Method::OPTIONS);
        }
        Some(methods)
    }

    /// Turns a `405` into the `200` to an `OPTIONS` request (RFC 9110 §9.3.7).
    fn turn<B: Default>(self, methods: MethodSet, response: &mut Response<B>) {
        *response.status_mut() = StatusCode::OK;
        *response.body_mut() = B::default();
        response.extensions_mut().clear();
        let headers = response.headers_mut();
        remove_content_fields(headers);
        headers.insert(ALLOW, Allow::new(methods).value);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        if self.closes {
            announce_close(response);
        }
    }

    /// Answers with the rejection in place of the inner service.
    fn adopt<R, B>(self, rejection: Rejection, shared: &Shared<R>, response: &mut Response<B>)
    where
        R: Respond<B>,
        B: Default,
    {
        let closes = self.closes;
        let request = self.request.into_head();
        let responses = &shared.settings.responses;
        responses.observe(&rejection, &request);
        let (mut own, body) = shared.responder.respond(&rejection, &request).into_parts();

        let is_405 = rejection.reason() == Reason::NotAllowed;
        if !is_405 {
            // They may describe the status: a reason phrase, for example.
            response.extensions_mut().clear();
        }
        response.extensions_mut().extend(own.extensions);

        // The inner service's error page stays if the responder has no content.
        let keeps_content = is_405 && shared.responder.needs() == Needs::Nothing;
        if !keeps_content {
            *response.body_mut() = body;
            remove_content_fields(response.headers_mut());
        }
        // hyper sends the content of an answer to `HEAD` over HTTP/2.
        if request.method == Method::HEAD {
            *response.body_mut() = B::default();
        }

        let headers = response.headers_mut();
        remove_grpc_fields(headers);
        for name in [VARY, SET_COOKIE] {
            for value in own.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
            own.headers.remove(name);
        }
        // This replaces all values of a field.
        headers.extend(own.headers);

        responses.finish(response, rejection, &request);
        if closes {
            announce_close(response);
        }
    }
}

/// Whether the layer's answer to a forwarded request ends the connection.
///
/// Over HTTP/1.x, hyper closes a connection with more unread content, and the next request on it fails.
fn closes(request: &request::Parts, body: &impl Body) -> bool {
    const READ_BY_HYPER: u64 = 8 * 1024;
    let is_short = || body.size_hint().exact().is_some_and(|length| length <= READ_BY_HYPER);
    request.version <= Version::HTTP_11
        && (request.method == Method::CONNECT || !(body.is_end_stream() || is_short()))
}

/// The layer's own answer to `OPTIONS`: `rule` is the rule at the target, or `None` for `*`.
pub(crate) fn answer_options<B: Default>(rule: Option<&StoredRule>) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    if let Some(rule) = rule {
        headers.insert(ALLOW, rule.allow_with_options.value.clone());
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}
