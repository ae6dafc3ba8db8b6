//! Who calls, and may they: the layer that every path but the documents lies behind.

use axum::RequestExt as _;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::codes::Code;
use super::headers::value;
use super::problem::{Problem, internal};
use crate::consumers::{Access, BadToken, Consumers, Member, Presented, Scopes, Tokens, Verdict};
use crate::model::query::shown;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The consumer behind a request.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Arc<Member>);

/// Finds the consumer, counts the request against its limit, and tells it what is left.
pub(super) async fn authenticate(State(front): State<Shared>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let caller = match credential(request.headers()) {
        None => {
            return Problem::new(
                Code::Unauthenticated,
                "This path needs a key, and the request carries none.",
            )
            .header(WWW_AUTHENTICATE, "Bearer realm=\"crm-gateway\"")
            .into_response();
        }
        Some(key) => match find(&front.api.consumers, key, peer).await {
            Ok(member) => Caller(member),
            Err(problem) => return problem.into_response(),
        },
    };
    let verdict = caller.0.limit.check();
    let mut response = match verdict.retry_after {
        Some(after) => {
            let detail = format!("This key may send {} requests a second.", verdict.rate);
            Problem::new(Code::RateLimited, detail).retry_after(after).into_response()
        }
        None => {
            request.extensions_mut().insert(caller.clone());
            next.run(request).await
        }
    };
    tell(response.headers_mut(), verdict);
    response.extensions_mut().insert(caller);
    response
}

/// The consumer behind a key or a token.
async fn find(consumers: &Consumers, key: &str, peer: Option<IpAddr>) -> Result<Arc<Member>, Problem> {
    let refused = |why: String| {
        Problem::new(Code::Unauthenticated, why)
            .header(WWW_AUTHENTICATE, "Bearer realm=\"crm-gateway\", error=\"invalid_token\"")
    };
    match consumers.look_up(key) {
        Presented::Good(member) => return Ok(member),
        // Only who holds the key can ask about it, and it is no guess, so it does not count as one.
        Presented::Expired(since) => {
            return Err(refused(format!(
                "The key expired at {since}. The operator of the gateway gives out a new one."
            )));
        }
        Presented::Unknown => {}
    }
    // Whoever shares an address with a flood is let in by a key, or by a token that was good before; nothing else is
    // looked at.
    if let Some(pause) = peer.and_then(|peer| consumers.pause(peer)) {
        let detail = "Too many requests with bad keys or tokens came from this address.";
        return Err(Problem::new(Code::RateLimited, detail).retry_after(pause));
    }
    let found = judge(consumers, key, refused).await;
    if let (Err(problem), Some(peer)) = (&found, peer)
        && problem.code() == Code::Unauthenticated
    {
        consumers.failed(peer);
    }
    found
}

async fn judge(
    consumers: &Consumers,
    key: &str,
    refused: impl Fn(String) -> Problem,
) -> Result<Arc<Member>, Problem> {
    let Some(tokens) = consumers.tokens().filter(|_| Tokens::are_like(key)) else {
        return Err(refused("The key is not known.".to_owned()));
    };
    tokens.admit(key).await.map_err(|bad| match bad {
        // Not the bearer's fault.
        BadToken::NoKeys => {
            Problem::new(Code::UpstreamUnavailable, bad.to_string()).retry_after(Duration::from_secs(5))
        }
        _ => refused(bad.to_string()),
    })
}

/// `Authorization: Bearer KEY`, else `X-Api-Key: KEY`. Who sends the first is judged by it, whatever the second says.
pub(super) fn credential(headers: &HeaderMap) -> Option<&str> {
    let key = match headers.get(AUTHORIZATION) {
        Some(value) => {
            let (scheme, key) = value.to_str().ok()?.split_once([' ', '\t'])?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        }
        None => headers.get(X_API_KEY)?.to_str().ok(),
    };
    key.filter(|key| !key.is_empty())
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10). Set here, outside anything that is
/// stored, because what is left is different each time.
pub(super) fn tell(headers: &mut HeaderMap, verdict: Verdict) {
    headers.insert(RATE_LIMIT_POLICY, value(format_args!("\"consumer\";q={};w=1", verdict.rate)));
    headers.insert(RATE_LIMIT, value(format_args!("\"consumer\";r={};t=1", verdict.remaining)));
}

/// A parameter of a path whose value is the name of a resource: the scope of that one is needed, and no other.
const NAMED: &str = "resource";

/// What a route needs: the scope of each resource its path names.
#[derive(Debug, Clone)]
pub(super) struct Needed(Arc<[(String, Access)]>);

impl Needed {
    /// Derived from the path: its first segment always, further segments where they are resources of their own.
    pub(super) fn of(path: &str, access: Access, resources: &[&str]) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        if let Some(named) = segments.clone().find(|segment| *segment == format!("{{{NAMED}}}")) {
            return Self(Arc::new([(named.to_owned(), access)]));
        }
        let first = segments.next().map(str::to_owned);
        let further = segments.filter(|segment| resources.contains(segment)).map(str::to_owned);
        Self(first.into_iter().chain(further).map(|name| (name, access)).collect())
    }

    /// No scope at all.
    pub(super) fn nothing() -> Self {
        Self(Arc::new([]))
    }

    /// The scopes as they are written.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(name, access)| format!("{name}:{}", access.name()))
    }

    /// The first scope of these that is missing.
    pub(super) fn missing(&self, scopes: &Scopes) -> Option<String> {
        let (name, access) = self.0.iter().find(|(name, access)| !scopes.allow(name, *access))?;
        Some(format!("{name}:{}", access.name()))
    }

    /// The same where the path itself says which resource it is about.
    async fn in_path_of(self, request: &mut Request) -> Self {
        let placeholder = format!("{{{NAMED}}}");
        let Some((_, access)) = self.0.iter().find(|(name, _)| *name == placeholder) else { return self };
        let path = request.extract_parts::<RawPathParams>().await.ok();
        let named = path.iter().flat_map(RawPathParams::iter).find(|(name, _)| *name == NAMED);
        let named = named.map(|(_, value)| value.to_owned()).unwrap_or_default();
        Self(Arc::new([(named, *access)]))
    }
}

/// Lets a caller pass who has every scope the route needs, and leaves them on the request.
pub(super) async fn permit(State(needed): State<Needed>, mut request: Request, next: Next) -> Response {
    let Some(Caller(member)) = request.extensions().get::<Caller>().cloned() else {
        // A protected route outside the layer above would be a mistake of ours; it must not be an open door.
        return internal("a protected route is mounted outside authentication").into_response();
    };
    let needed = needed.in_path_of(&mut request).await;
    match needed.missing(&member.consumer.scopes) {
        None => {
            request.extensions_mut().insert(needed);
            next.run(request).await
        }
        Some(scope) => lacks(&scope).into_response(),
    }
}

/// The key does not have that scope.
pub(super) fn lacks(scope: &str) -> Problem {
    Problem::new(Code::Forbidden, format!("This key lacks the scope `{}`.", shown(scope)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_sub_resource_with_a_resource_of_its_own_needs_both_scopes() {
        let resources = ["students", "projects"];
        let names = |path| Needed::of(path, Access::Read, &resources).names().collect::<Vec<_>>();
        assert_eq!(names("/students/{id}"), ["students:read"]);
        assert_eq!(names("/students/{id}/projects"), ["students:read", "projects:read"]);
        assert_eq!(names("/students/{id}/calendar"), ["students:read"]);
        assert_eq!(names("/schema/{resource}"), ["{resource}:read"]);
    }

    #[test]
    fn keys_are_found_in_either_header() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        assert_eq!(credential(&with("authorization", "bearer  key ")), Some("key"));
        assert_eq!(credential(&with("x-api-key", "key")), Some("key"));
        assert_eq!(credential(&with("authorization", "Basic a2V5")), None);
        assert_eq!(credential(&with("x-api-key", "")), None);
        assert_eq!(credential(&HeaderMap::new()), None);
    }
}
