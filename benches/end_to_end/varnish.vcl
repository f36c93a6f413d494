# 200 to GET from the cache, 405 with Allow to the other methods that Varnish knows, 501 to the rest.
vcl 4.1;

backend default none;

# Before Varnish 8.0 the built-in VCL pipes what it does not know to the backend. Since then it
# answers 501 as here, to all but the same methods, but also closes the connection.
sub vcl_req_method {
    if (req.method != "GET" &&
        req.method != "HEAD" &&
        req.method != "PUT" &&
        req.method != "POST" &&
        req.method != "TRACE" &&
        req.method != "OPTIONS" &&
        req.method != "DELETE" &&
        req.method != "PATCH") {
        return (synth(501));
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (synth(405));
    }
}

# Its body is that of the built-in VCL.
sub vcl_synth {
    if (resp.status == 405) {
        set resp.http.Allow = "GET, HEAD";
    }
}

# There is no backend: this makes the object that is then in the cache.
sub vcl_backend_error {
    set beresp.status = 200;
    set beresp.reason = "OK";
    set beresp.ttl = 1d;
    set beresp.http.Content-Type = "text/plain; charset=utf-8";
    set beresp.body = {"1: Hello!
"};
    return (deliver);
}
