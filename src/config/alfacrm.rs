//! `[alfacrm]`: the account at AlfaCRM and how it may be used. Leaving the section out runs the gateway
//! without this CRM.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::kind::{self, Kind};
use super::operations;
use super::reader::Reader;
use super::secret::Secret;
use super::upstream::{self, Link, Quota};
use super::writer::Writer;

/// Requests per second that AlfaCRM allows one egress IP, all methods together (its documentation).
const ALLOWED_RATE: f64 = 5.0;
/// Documented life of a token; a gateway that keeps one longer pays with refused calls.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// The connection to AlfaCRM.
#[derive(Debug, Clone, PartialEq)]
pub struct AlfaCrm {
    /// `https://school.s20.online`, without a slash at the end.
    pub base_url: String,
    /// Sign-in name of the API user.
    pub email: String,
    /// The API user's key.
    pub api_key: Secret,
    /// Sent as `X-APP-KEY` when set.
    pub app_key: Option<Secret>,
    /// Branches to work with; empty: ask the CRM which there are.
    pub branches: Vec<u64>,
    /// The zone in which this CRM writes its times.
    pub timezone: TimeZone,
    /// The zone's IANA name.
    pub timezone_name: String,
    /// ISO 4217 code of all its amounts.
    pub currency: String,
    /// Age at which a token is replaced before the CRM refuses it.
    pub token_lifetime: Duration,
    /// Records asked for per page; what comes back is believed, not this.
    pub page_size: u32,
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// Largest answer read, in bytes.
    pub max_response: u64,
    /// Forward proxy, `http://proxy.example:3128`. The environment's proxy variables are never used.
    pub proxy: Option<String>,
    /// PEM file with certificate authorities to trust besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// How much may be asked.
    pub quota: Quota,
    /// How a record that was made is found again.
    pub mark: Mark,
}

/// How a record is found again when nobody knows whether it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where the operation's id is written.
    pub field: MarkField,
    /// How long after a call that a record is not to be found says nothing: longer than the CRM works on a call whose
    /// caller has left, and than its lists lag behind.
    pub settle: Duration,
}

/// Where the id of the operation that makes a record is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkField {
    /// At the end of the record's free text, where it has one.
    Note,
    /// Into a field of the CRM's own, where a kind of record may have some.
    Custom(String),
    /// Nowhere: a record is known by what was sent.
    Nowhere,
}

impl AlfaCrm {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let base_url = r.get("base_url", &upstream::origin("https://school.s20.online"));
        let email = r.get("email", &email());
        let api_key = r.required_secret("api_key");
        let app_key = r.secret("app_key");
        let branches = r.list("branches", &kind::id());
        let currency = r.get("currency", &currency());
        let token_lifetime = r.get("token_lifetime", &kind::duration("10s", "1d", "14m"));
        let link = Link::read(r, &operations::ALFACRM);
        let mark = r.section("mark", Mark::read);
        let (base_url, token_lifetime, link) = (base_url?, token_lifetime?, link?);
        upstream::warn_if_clear(r, &base_url);
        if token_lifetime > TOKEN_LIFE {
            r.warn("token_lifetime", "AlfaCRM documents 15 minutes; a longer one costs refused calls");
        }
        if link.quota.rate > ALLOWED_RATE {
            r.warn("quota.rate", "AlfaCRM allows 5 requests per second and answers 429 above that");
        }
        Some(Self {
            base_url,
            email: email?,
            api_key: api_key?,
            app_key: app_key?,
            branches: branches?,
            timezone: link.timezone,
            timezone_name: link.timezone_name,
            currency: currency?,
            token_lifetime,
            page_size: link.page_size,
            request_timeout: link.request_timeout,
            max_response: link.max_response,
            proxy: link.proxy,
            ca_file: link.ca_file,
            quota: link.quota,
            mark: mark?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["alfacrm"]);
        w.text("base_url", &self.base_url);
        w.text("email", &self.email);
        w.secret("api_key", Some(&self.api_key));
        w.secret("app_key", self.app_key.as_ref());
        w.numbers("branches", &self.branches);
        w.text("timezone", &self.timezone_name);
        w.text("currency", &self.currency);
        w.duration("token_lifetime", self.token_lifetime);
        w.plain("page_size", self.page_size);
        w.duration("request_timeout", self.request_timeout);
        w.size("max_response", self.max_response);
        w.optional("proxy", self.proxy.as_deref());
        w.path("ca_file", self.ca_file.as_ref());
        w.section(&["alfacrm", "quota"]);
        self.quota.write(w);
        w.section(&["alfacrm", "mark"]);
        w.text("field", self.mark.field.name());
        w.duration("settle", self.mark.settle);
    }
}

impl Mark {
    fn read(r: &Reader<'_>) -> Option<Self> {
        let field = r.get("field", &MarkField::kind());
        let settle = r.get("settle", &kind::duration("1s", "1h", "30s"));
        Some(Self { field: field?, settle: settle? })
    }
}

impl MarkField {
    /// How it is configured.
    pub fn name(&self) -> &str {
        match self {
            Self::Note => "note",
            Self::Custom(name) => name,
            Self::Nowhere => "none",
        }
    }

    fn kind() -> Kind<Self> {
        Kind::text("\"note\", \"none\" or a field of the CRM's own such as \"custom_gateway\"", |text| {
            let own = text.strip_prefix("custom_").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
            match text {
                "note" => Ok(Self::Note),
                "none" => Ok(Self::Nowhere),
                _ if own => Ok(Self::Custom(text.to_owned())),
                _ => Err(String::new()),
            }
        })
    }
}

/// Never quoted: whoever swaps the two lines puts the key here.
fn email() -> Kind<String> {
    Kind::text("an e-mail address such as \"api@school.example\"", |text| {
        let parts = text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty());
        let clean = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
        if parts.is_some() && clean { Ok(text.to_owned()) } else { Err(String::new()) }
    })
    .unquoted()
}

/// An ISO 4217 code.
pub(super) fn currency() -> Kind<String> {
    Kind::text("a currency code such as \"RUB\"", |text| {
        let good = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if good { Ok(text.to_owned()) } else { Err("it has three capital letters".into()) }
    })
}
