//! The second table: a `405` of the inner service to a request that the first table forwards.

use http::StatusCode;

use super::methods::{Allow, Names, list};
use super::rejection::{OF_CONTENT, Rejection, Responder};
use super::{Content, Layer, Marks, Request, Response};

/// The layer's action for a `405`.
enum Row {
    Unchanged,
    /// It becomes the `200` to `OPTIONS`.
    Turn,
    AdoptAs501,
    AdoptAs405,
    /// Its `Allow` lists `OPTIONS` too.
    AddOptions,
}

impl Layer {
    /// The rejection that the observers see, and the client's response.
    pub(crate) fn replace_405(
        &self,
        request: &Request,
        inner: &Response,
    ) -> (Option<Rejection>, Response) {
        let unchanged = (None, inner.clone());
        if inner.status != StatusCode::METHOD_NOT_ALLOWED {
            return unchanged;
        }
        let Some(methods) = self.usable_list(request, inner) else {
            return unchanged;
        };
        let allow = list(&self.with_options(methods));
        match self.row(request, inner.marks.rejection.is_some()) {
            Row::Unchanged => unchanged,
            Row::Turn => (None, turn(request, inner, &allow)),
            Row::AdoptAs501 => self.adopt(request, inner, Rejection::of_status(501)),
            Row::AdoptAs405 => {
                let allow = Some(allow);
                self.adopt(request, inner, Rejection { allow, ..Rejection::of_status(405) })
            }
            Row::AddOptions => {
                let mut response = inner.clone();
                response.set("allow", &allow);
                (None, response)
            }
        }
    }

    /// The first row that matches. `is_rejection` is whether a policy inside has sent the `405`.
    fn row(&self, request: &Request, is_rejection: bool) -> Row {
        let is_answered = request.method == "OPTIONS" && self.answer_options;
        // The first table has handled preflights.
        if self.policy.is_exempt(request.path()) {
            return Row::Unchanged;
        }
        if is_rejection && !is_answered {
            return Row::Unchanged;
        }
        if is_answered {
            return Row::Turn;
        }
        if self.inner_decides && !self.recognizes(&request.method) {
            return Row::AdoptAs501;
        }
        if self.inner_decides {
            return Row::AdoptAs405;
        }
        if self.answer_options {
            return Row::AddOptions;
        }
        Row::Unchanged
    }

    /// The methods that the target allows. `None` if the response does not say which, or if it is not about the
    /// method of the request.
    fn usable_list(&self, request: &Request, inner: &Response) -> Option<Names> {
        let path = request.path();
        let mut methods = match (Allow::of(&inner.fields), self.policy.rule_at(path)) {
            (Allow::Methods(methods), _) => methods,
            // RFC 9110 §15.5.6 requires the field.
            (Allow::Missing, Some(rule)) if self.inner_decides && !rule.lists(&request.method) => {
                rule.methods()
            }
            (Allow::Missing | Allow::NotMethods, _) => return None,
        };
        methods.retain(|method| !self.rejects(method, path));
        (!methods.contains(&request.method)).then_some(methods)
    }

    /// The response to a request that the inner service rejects and the layer answers.
    fn adopt(
        &self,
        request: &Request,
        inner: &Response,
        rejection: Rejection,
    ) -> (Option<Rejection>, Response) {
        let is_405 = rejection.status == 405;
        let own = self.responder.response(&rejection, &request.head());
        let mut response = inner.clone();
        // An error page of the application stays if the responder has none.
        if !(is_405 && self.responder == Responder::EmptyBody) {
            response.remove(OF_CONTENT);
            response.content = own.content;
        }
        if request.method == "HEAD" {
            response.content = Content::Empty;
        }
        response.remove("grpc-status grpc-message grpc-status-details-bin");
        for name in own.fields.keys() {
            if name != "vary" && name != "set-cookie" {
                response.fields.remove(name);
            }
            for value in own.fields.get_all(name) {
                response.fields.append(name, value.clone());
            }
        }
        // Extensions may describe the status, as a reason phrase does.
        if !is_405 {
            response.marks = Marks::default();
        }
        response.marks.shared = own.marks.shared.or(response.marks.shared);
        let mut response = self.complete(request, rejection.clone(), response);
        close_if_unread(request, &mut response);
        (Some(rejection), response)
    }
}

/// The `200` to `OPTIONS` (RFC 9110 §9.3.7).
fn turn(request: &Request, inner: &Response, allow: &str) -> Response {
    let mut response = inner.clone();
    response.status = StatusCode::OK;
    response.content = Content::Empty;
    response.marks = Marks::default();
    response.remove(OF_CONTENT);
    response.set("allow", allow);
    response.set("content-length", "0");
    close_if_unread(request, &mut response);
    response
}

/// Over HTTP/1.x, the rest of the content would be read as the next request. hyper has read a short one.
fn close_if_unread(request: &Request, response: &mut Response) {
    let body = request.body;
    let is_short = body.length.is_some_and(|length| length <= 8 * 1024);
    let is_unread = request.method == "CONNECT" || !body.is_at_end && !is_short;
    if request.is_http_1() && is_unread {
        response.close();
    }
}
