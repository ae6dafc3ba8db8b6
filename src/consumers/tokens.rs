//! End users who come with tokens of the school's identity provider. Each subject is a consumer of its own, with a limit
//! of its own; in metrics and logs all are one.

use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use ring::hmac;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::claims::{self, BadToken};
use super::jwks::{Jwks, install};
use super::{Consumer, KeyHash, Limit, Member, RAW, Scopes, hash};
use crate::config::BEARERS;
use crate::model::allowance::{Allowance, Clock};
use crate::model::context::APART;
use crate::model::{Class, Sight};

/// The longest token, in bytes.
const LONGEST: usize = 8 * 1024;
/// Tokens that are remembered: each costs about a kilobyte, and none costs a signature more.
const MOST_TOKENS: u64 = 20_000;
/// Subjects whose limits are remembered.
const MOST_SUBJECTS: u64 = 20_000;
/// The shortest time from one fetch that a token caused to the next.
const BETWEEN_FETCHES: Duration = Duration::from_secs(60);
/// How long a request waits for keys.
const PATIENCE: Duration = Duration::from_secs(5);
/// The algorithms that are taken; no other, whatever a token or a key says.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// What tokens must say, and what their bearers may do.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The `iss`.
    pub issuer: String,
    /// The `aud`.
    pub audience: String,
    /// How far the provider's clock may be from ours.
    pub clock_skew: Duration,
    /// The claim that lists students.
    pub student_claim: String,
    /// The most a token may have.
    pub scopes: Scopes,
    /// How urgent the calls are.
    pub class: Class,
    /// The share of each subject.
    pub weight: u32,
    /// Requests per second of each subject.
    pub rate_limit: NonZeroU32,
    /// Calls of the CRMs that each subject may cause in a day.
    pub daily_budget: Option<u64>,
    /// The masks all are under.
    pub mask: Vec<String>,
}

/// Where the provider's keys are asked for: one fixed place.
pub trait Provider: Send + Sync {
    /// The set of keys as it is now; the error is a sentence without anything confidential.
    fn fetch(&self) -> BoxFuture<'_, Result<Jwks, String>>;
}

/// All that is known of tokens.
pub struct Tokens {
    rules: Rules,
    keys: RwLock<Option<Arc<Jwks>>>,
    provider: Option<Arc<dyn Provider>>,
    fetched: Mutex<Fetched>,
    /// By the hash of the token; tokens themselves are not kept.
    known: Cache<KeyHash, Known>,
    /// By who the subject is.
    limits: Cache<Arc<str>, (Limit, Allowance)>,
    names: hmac::Key,
    clock: Clock,
}

/// When keys were asked for.
#[derive(Debug, Default)]
struct Fetched {
    at: Option<Instant>,
    times: u64,
}

#[derive(Clone)]
struct Known {
    member: Arc<Member>,
    until: Timestamp,
}

impl Tokens {
    /// By these rules. `secret` makes of a subject a name that tells nobody who that is.
    pub fn new(rules: Rules, provider: Option<Arc<dyn Provider>>, secret: &[u8], clock: Clock) -> Self {
        install();
        Self {
            rules,
            keys: RwLock::default(),
            provider,
            fetched: Mutex::default(),
            known: Cache::builder().max_capacity(MOST_TOKENS).eviction_policy(EvictionPolicy::lru()).build(),
            limits: Cache::builder()
                .max_capacity(MOST_SUBJECTS)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            names: hmac::Key::new(hmac::HMAC_SHA256, secret),
            clock,
        }
    }

    /// Whether a text has the form of a token: three parts with points between them. No key has.
    pub fn are_like(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What subjects have used under other rules counts under these: of their day always, of their requests per second where
    /// those are as many.
    pub fn begin_with_use_of(&self, other: &Self) {
        let same = self.rules.rate_limit == other.rules.rate_limit;
        for (identity, (limit, allowance)) in &other.limits {
            let limit = if same { limit } else { Limit::per_second(self.rules.rate_limit) };
            self.limits.insert(Arc::clone(&identity), (limit, allowance));
        }
    }

    /// Takes these keys from now on. What was signed with others is no longer known.
    pub fn replace(&self, keys: Jwks) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        self.known.invalidate_all();
    }

    /// Begins with the keys that another set of rules has, if it has any.
    pub fn begin_with_keys_of(&self, other: &Self) {
        let keys = other.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut own = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if own.is_none() {
            *own = keys;
        }
    }

    /// The bearer of a token that was found good before and still is. No signature is checked, and nothing is asked.
    pub fn known(&self, token: &KeyHash) -> Option<Arc<Member>> {
        let known = self.known.get(token)?;
        (known.until >= (self.clock)()).then_some(known.member)
    }

    /// The bearer of a token. If its key is not known the provider is asked, at most once a minute.
    ///
    /// # Errors
    /// Why it is not good.
    pub async fn admit(self: &Arc<Self>, token: &str) -> Result<Arc<Member>, BadToken> {
        if let Some(member) = self.known(&hash(token)) {
            return Ok(member);
        }
        match self.verify(token) {
            Err(BadToken::UnknownKey | BadToken::NoKeys) => {
                let tokens = Arc::clone(self);
                // On a task of its own: who hangs up does not end it for the others, and for the next minute.
                let asked = tokio::spawn(async move { tokens.ask(Some(BETWEEN_FETCHES)).await });
                // Who has waited long enough is judged by what is known.
                let _ = timeout(PATIENCE, asked).await;
                self.verify(token)
            }
            judged => judged,
        }
    }

    /// Asks the provider for its keys, as is due from time to time; `false` when it did not give any. The old ones stay.
    pub async fn refresh(&self) -> bool {
        self.ask(None).await
    }

    /// Whether there are keys at all.
    pub fn has_keys(&self) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// One asks for all who wait meanwhile. With `pause`, not so soon after the last time.
    async fn ask(&self, pause: Option<Duration>) -> bool {
        let Some(provider) = &self.provider else { return false };
        let before = self.fetched.try_lock().map(|fetched| fetched.times).ok();
        let mut fetched = self.fetched.lock().await;
        let asked_meanwhile = before.is_none_or(|before| before != fetched.times);
        let too_soon = pause.is_some_and(|pause| fetched.at.is_some_and(|at| at.elapsed() < pause));
        if too_soon || (pause.is_some() && asked_meanwhile) {
            return false;
        }
        fetched.at = Some(Instant::now());
        fetched.times += 1;
        match provider.fetch().await {
            Ok(keys) => {
                if !self.is(&keys) {
                    self.replace(keys);
                }
                true
            }
            Err(cause) => {
                tracing::warn!(
                    cause,
                    "the keys of the tokens' provider could not be read; those known before stay"
                );
                false
            }
        }
    }

    fn is(&self, keys: &Jwks) -> bool {
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|known| **known == *keys)
    }

    /// Checks a token whole, and remembers its bearer.
    fn verify(&self, token: &str) -> Result<Arc<Member>, BadToken> {
        if token.len() > LONGEST {
            return Err(BadToken::Malformed);
        }
        let header = decode_header(token).map_err(|_| BadToken::Malformed)?;
        // An extension that a token calls critical is one we do not know (RFC 7515, 4.1.11).
        if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(BadToken::Algorithm);
        }
        let keys =
            self.keys.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(BadToken::NoKeys)?;
        let key = keys.find(header.kid.as_deref(), header.alg).ok_or(BadToken::UnknownKey)?;
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["iss", "aud", "sub"]);
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        // Times are read below, by our clock: tests have another, and numbers are kept as they are written here.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let token_data =
            decode::<Map<String, Value>>(token, key, &validation).map_err(|_| BadToken::NotForUs)?;
        let now = (self.clock)();
        // A list of issuers is none, however many of them are ours (RFC 7519, 4.1.1).
        if !token_data.claims.get("iss").is_some_and(Value::is_string) {
            return Err(BadToken::NotForUs);
        }
        let claims = claims::read(&token_data.claims, &self.rules.student_claim, self.rules.clock_skew, now)?;
        let (member, until) = (self.member(&claims), claims.until);
        self.known.insert(hash(token), Known { member: Arc::clone(&member), until });
        Ok(member)
    }

    /// A consumer with the rights of a token.
    fn member(&self, claims: &claims::Claims) -> Arc<Member> {
        let rules = &self.rules;
        let name = hmac::sign(&self.names, format!("{}\n{}", rules.issuer, claims.subject).as_bytes());
        let name: String = name.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        let identity: Arc<str> = format!("{BEARERS}{APART}{name}").into();
        let (limit, allowance) = self.limits.get_with(Arc::clone(&identity), || {
            let allowance = Allowance::new(rules.daily_budget, Arc::clone(&self.clock));
            (Limit::per_second(rules.rate_limit), allowance)
        });
        // It may have begun under other rules.
        allowance.set_budget(rules.daily_budget);
        let mut mask = rules.mask.clone();
        mask.push(RAW.to_owned());
        Arc::new(Member::new(
            Consumer {
                name: BEARERS.into(),
                identity,
                keys: Vec::new(),
                scopes: claims
                    .scopes
                    .as_ref()
                    .map_or_else(|| rules.scopes.clone(), |own| rules.scopes.narrowed(own)),
                sight: Arc::new(Sight { branches: None, students: Some(claims.students.clone()) }),
                class: rules.class,
                weight: rules.weight,
                rate_limit: rules.rate_limit,
                daily_budget: rules.daily_budget,
                mask,
            },
            limit,
            Some(allowance),
        ))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("known", &self.known.entry_count()).finish_non_exhaustive()
    }
}
