//! The token of AlfaCRM: one sign-in for all who wait, ahead of expiry, and once more when the CRM refuses a token.
//!
//! How long a token lives is not known for sure (section 2.2 of the reference), so it is renewed before the configured
//! lifetime is over and also on 401 or 403. A 403 may just as well mean that a right is missing, so after one renewal
//! it is believed for a while.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::error::read;
use crate::config;
use crate::crm::error::on_the_way;
use crate::crm::{Error, Kind};
use crate::model::{Ctx, Source};
use crate::upstream::quota::pacer::SignInFirst;
use crate::upstream::wire::{Credentials, Signature};
use crate::upstream::{self, Answer, Call, Upstream};

const TOKEN: HeaderName = HeaderName::from_static("x-alfacrm-token");
const APP_KEY: HeaderName = HeaderName::from_static("x-app-key");
const SIGN_IN: &str = "auth/login";

/// After a sign-in because of a 403 further ones are believed for so long: a right is missing, not a token.
const BELIEVED: Duration = Duration::from_secs(60);
/// After a refused sign-in nobody tries again for so long.
const BACK_OFF: Duration = Duration::from_secs(5);
/// The part of its lifetime after which a token is renewed in the background.
const RENEW_AT: f64 = 0.8;

/// Who we are to AlfaCRM.
pub(super) struct Session {
    lifetime: Duration,
    timeout: Duration,
    upstream: OnceLock<Upstream>,
    state: Mutex<State>,
}

/// What a sign-in needs.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    email: String,
    api_key: config::Secret,
    app_key: Option<HeaderValue>,
}

impl Identity {
    fn of(config: &config::AlfaCrm) -> Self {
        Self {
            email: config.email.clone(),
            api_key: config.api_key.clone(),
            app_key: config.app_key.as_ref().and_then(|key| secret_header(key.expose())),
        }
    }
}

/// Signs the one call that proves an identity.
struct Proof(Identity);

impl Credentials for Proof {
    fn sign(&self, _: &Call) -> Option<Signature> {
        let headers = self.0.app_key.clone().map(|key| (APP_KEY, key)).into_iter().collect();
        Some(Signature { headers, number: 0 })
    }
}

struct State {
    identity: Arc<Identity>,
    token: Option<Token>,
    /// The number of the latest sign-in that went well.
    signed_in: u64,
    under_way: Option<SignIn>,
    /// While there is no good token, nothing but the sign-in gets a turn.
    first: Option<SignInFirst>,
    refused: Option<(Instant, Error)>,
    /// When a token was last given up because of a 403.
    doubted: Option<Instant>,
}

struct Token {
    value: HeaderValue,
    since: Instant,
}

type SignIn = Shared<BoxFuture<'static, SignedIn>>;

/// How a sign-in ended.
#[derive(Clone)]
struct SignedIn {
    outcome: Result<(), Error>,
    /// After a failure nobody else gets a turn before all who waited know of it: they would be sent without a token.
    _first: Option<Arc<SignInFirst>>,
}

impl Session {
    pub(super) fn new(config: &config::AlfaCrm) -> Self {
        Self {
            lifetime: config.token_lifetime,
            timeout: config.request_timeout,
            upstream: OnceLock::new(),
            state: Mutex::new(State {
                identity: Arc::new(Identity::of(config)),
                token: None,
                signed_in: 0,
                under_way: None,
                first: None,
                refused: None,
                doubted: None,
            }),
        }
    }

    /// Signing in goes the same way as everything else; the way needs the session, so it is set after both exist.
    pub(super) fn connect(&self, upstream: Upstream) {
        let _ = self.upstream.set(upstream);
    }

    /// Makes a call that needs a token: where there is none, a sign-in begins and the call waits for its turn meanwhile.
    /// Fails when signing in does.
    pub(super) async fn with_token(
        self: &Arc<Self>,
        call: impl Future<Output = Result<Answer, upstream::Error>>,
    ) -> Result<Result<Answer, upstream::Error>, Error> {
        let unsent = |error| Error { sent: false, ..error };
        let Some(sign_in) = self.sign_in_where_needed().map_err(unsent)? else {
            return Ok(call.await);
        };
        tokio::pin!(call);
        tokio::select! {
            biased;
            answer = &mut call => Ok(answer),
            signed_in = sign_in => {
                signed_in.outcome.map_err(unsent)?;
                Ok(call.await)
            }
        }
    }

    /// Takes other credentials once a sign-in with them has gone well; what is under way ends with the old ones. `false`
    /// when they are the same.
    pub(super) async fn exchange(&self, config: &config::AlfaCrm) -> Result<bool, Error> {
        let identity = Identity::of(config);
        if *self.lock().identity == identity {
            return Ok(false);
        }
        let proof: Arc<dyn Credentials> = Arc::new(Proof(identity.clone()));
        let value = self.fetch_token(&self.upstream().signed_by(&proof), &identity).await?;
        let mut state = self.lock();
        state.identity = Arc::new(identity);
        state.token = Some(Token { value, since: Instant::now() });
        state.signed_in += 1;
        (state.refused, state.doubted) = (None, None);
        Ok(true)
    }

    /// The CRM refused a call made with the token of sign-in `number`; whether it may be made again, with another one.
    pub(super) fn refused(&self, number: u64, status: u16) -> bool {
        let mut state = self.lock();
        if state.signed_in != number {
            return true;
        }
        // Once given up, a token is no argument any more: all who were refused with it wait for the next.
        if status == 403 && state.token.is_some() {
            if state.doubted.is_some_and(|at| at.elapsed() < BELIEVED) {
                return false;
            }
            state.doubted = Some(Instant::now());
        }
        state.token = None;
        true
    }

    /// The operation that the next call would begin with: signing in, where that is needed and not under way.
    pub(super) fn sign_in_needed(&self) -> Option<&'static str> {
        let state = self.lock();
        let good = state.token.as_ref().is_some_and(|token| token.since.elapsed() < self.lifetime);
        (!good && state.under_way.is_none()).then_some(SIGN_IN)
    }

    /// The sign-in that a call must wait for, if any. One that only renews a token in good time is nobody's business.
    fn sign_in_where_needed(self: &Arc<Self>) -> Result<Option<SignIn>, Error> {
        let mut state = self.lock();
        match state.token.as_ref().map(|token| token.since.elapsed()) {
            Some(age) if age < self.lifetime => {
                if age >= self.lifetime.mul_f64(RENEW_AT) && state.under_way.is_none() {
                    // Whoever needs the new token will hear what became of it.
                    drop(self.begin(&mut state));
                }
                Ok(None)
            }
            _ => {
                state.token = None;
                let sign_in = self.begin(&mut state)?;
                if state.first.is_none() {
                    state.first = Some(self.upstream().pacer().sign_in_first());
                }
                Ok(Some(sign_in))
            }
        }
    }

    /// Joins the sign-in under way or begins one, on a task of its own so that no caller can end it by leaving.
    fn begin(self: &Arc<Self>, state: &mut State) -> Result<SignIn, Error> {
        if let Some(under_way) = &state.under_way {
            return Ok(under_way.clone());
        }
        if let Some((at, error)) = &state.refused
            && at.elapsed() < BACK_OFF
        {
            return Err(error.clone());
        }
        let session = Arc::clone(self);
        let task = tokio::spawn(async move { session.sign_in().await }.in_current_span());
        let shared = async move {
            task.await.unwrap_or_else(|_| {
                let crashed = Error::new(Source::AlfaCrm, Kind::Failed, "signing in crashed");
                SignedIn { outcome: Err(crashed), _first: None }
            })
        };
        let shared = shared.boxed().shared();
        state.under_way = Some(shared.clone());
        Ok(shared)
    }

    async fn sign_in(&self) -> SignedIn {
        let _over = Over(self);
        let identity = Arc::clone(&self.lock().identity);
        let outcome = self.fetch_token(self.upstream(), &identity).await;
        let mut state = self.lock();
        if !Arc::ptr_eq(&identity, &state.identity) {
            // Exchanged meanwhile, and with it came a token that is newer than this one.
            return SignedIn { outcome: Ok(()), _first: None };
        }
        match outcome {
            Ok(value) => {
                state.token = Some(Token { value, since: Instant::now() });
                state.signed_in += 1;
                state.refused = None;
                SignedIn { outcome: Ok(()), _first: None }
            }
            Err(error) => {
                // What was not even sent says nothing about the next time.
                if error.sent {
                    state.refused = Some((Instant::now(), error.clone()));
                }
                SignedIn { outcome: Err(error), _first: state.first.take().map(Arc::new) }
            }
        }
    }

    fn upstream(&self) -> &Upstream {
        self.upstream.get().expect("connected when the client was built")
    }

    async fn fetch_token(&self, upstream: &Upstream, identity: &Identity) -> Result<HeaderValue, Error> {
        let body = json!({"email": identity.email, "api_key": identity.api_key.expose()});
        let call = Arc::new(Call {
            operation: SIGN_IN,
            method: Method::POST,
            target: "/v2api/auth/login".to_owned(),
            body: Some(body.to_string().into()),
            safe: true,
        });
        let ctx = Arc::new(Ctx::of_sign_in(Instant::now() + self.timeout * 2));
        let answer = upstream.send(&ctx, &call).await.map_err(|error| on_the_way(upstream, error))?;
        if matches!(answer.status, 401 | 403) {
            let detail = "AlfaCRM refuses the configured e-mail and API key";
            return Err(Error {
                status: Some(answer.status),
                ..Error::new(Source::AlfaCrm, Kind::Unauthorized, detail)
            });
        }
        let token = read(&answer)?;
        let token = token.get("token").and_then(|token| token.as_str()).and_then(secret_header);
        token.ok_or_else(|| {
            Error::new(Source::AlfaCrm, Kind::Unreadable, "the answer to the sign-in holds no token")
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the session")
    }
}

/// However a sign-in ends, the next one may begin.
struct Over<'a>(&'a Session);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.under_way = None;
        state.first = None;
    }
}

impl Credentials for Session {
    fn sign(&self, call: &Call) -> Option<Signature> {
        let mut headers = Vec::with_capacity(2);
        let mut number = 0;
        let state = self.lock();
        if call.operation != SIGN_IN {
            headers.push((TOKEN, state.token.as_ref()?.value.clone()));
            number = state.signed_in;
        }
        headers.extend(state.identity.app_key.clone().map(|key| (APP_KEY, key)));
        Some(Signature { headers, number })
    }
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
