//! `[cryptocrm]`: the account at the Crypto CRM, how it may be used, and how its answers are to be
//! understood. The vendor publishes requests but no answers, so everything the gateway believes about them
//! can be overridden: `envelope` and `semantics` here, fields and dictionaries in `mapping`. Leaving the
//! section out runs the gateway without this CRM.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::alfacrm::currency;
use super::kind::{self, Kind, word};
use super::mapping::{self, FieldRule};
use super::operations;
use super::reader::Reader;
use super::secret::Secret;
use super::server::base_path;
use super::upstream::{self, Link, Quota};
use super::writer::Writer;

/// The connection to the Crypto CRM.
#[derive(Debug, Clone, PartialEq)]
pub struct CryptoCrm {
    /// `https://crm.example`, without a slash at the end.
    pub base_url: String,
    /// Path of its API below `base_url`: `/backend/public`; empty for none.
    pub base_path: String,
    /// Sent as `X-Crypto-Token`.
    pub token: Secret,
    /// Sent as `X-Crypto-Secret`.
    pub secret: Secret,
    /// The zone in which this CRM writes its times.
    pub timezone: TimeZone,
    /// The zone's IANA name.
    pub timezone_name: String,
    /// ISO 4217 code for each `currency_id`.
    pub currencies: BTreeMap<u64, String>,
    /// Records asked for per page.
    pub page_size: u32,
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// Largest answer read, in bytes.
    pub max_response: u64,
    /// Forward proxy, `http://proxy.example:3128`. The environment's proxy variables are never used.
    pub proxy: Option<String>,
    /// PEM file with certificate authorities to trust besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// `User-Agent` of every call.
    pub user_agent: String,
    /// How much may be asked.
    pub quota: Quota,
    /// Where in an answer its records are.
    pub envelope: Envelope,
    /// What its undocumented corners mean.
    pub semantics: Semantics,
    /// Field rules by record (`project`, `step`, …) and field; each replaces the built-in one.
    pub fields: BTreeMap<String, BTreeMap<String, FieldRule>>,
    /// Names for bare ids, by dictionary (`steps`, `users`, …).
    pub dictionary: BTreeMap<String, BTreeMap<u64, String>>,
}

/// Where in an answer its records are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// In an answer that holds a list.
    pub list: Shape,
    /// In an answer that holds one record.
    pub object: Shape,
    /// JSON pointer of the total; `None`: no total is given.
    pub total: Option<String>,
}

/// A place inside an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Recognised from the answer itself.
    Auto,
    /// A JSON pointer such as `/payload`.
    Pointer(String),
}

/// What undocumented corners of the Crypto CRM mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Semantics {
    /// What the parameter `filter_date` selects.
    pub filter_date: FilterDate,
    /// Where a project's dynamic fields are.
    pub dynamic_at: DynamicAt,
    /// The dynamic field that holds the AlfaCRM customer id of a project, if there is one.
    pub student_field: Option<String>,
}

/// What the parameter `filter_date` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterDate {
    /// Rows on that day.
    On,
    /// Rows since that day.
    Since,
    /// Not known: the parameter is never sent.
    Unknown,
}

/// Where a project's dynamic fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicAt {
    /// Below `data`.
    Data,
    /// At the root, beside the built-in ones.
    Root,
    /// Below `data`, with the built-in ones below `buildin_data`.
    BuildinSplit,
    /// Recognised from each record.
    Auto,
}

const FILTER_DATES: [(&str, FilterDate); 3] =
    [("on", FilterDate::On), ("since", FilterDate::Since), ("unknown", FilterDate::Unknown)];

const DYNAMIC_ATS: [(&str, DynamicAt); 4] = [
    ("data", DynamicAt::Data),
    ("root", DynamicAt::Root),
    ("buildin_split", DynamicAt::BuildinSplit),
    ("auto", DynamicAt::Auto),
];

impl CryptoCrm {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let base_url = r.get("base_url", &upstream::origin_or_host("https://crm.example"));
        let base_path = r.optional("base_path", &base_path());
        let token = r.required_secret("token");
        let secret = r.required_secret("secret");
        let currencies = r.numbered("currencies", &currency());
        let user_agent = r.optional("user_agent", &user_agent());
        let link = Link::read(r, &operations::CRYPTOCRM);
        let envelope = r.section("envelope", Envelope::read);
        let semantics = r.section("semantics", Semantics::read);
        let fields = r.section("fields", mapping::read_fields);
        let dictionary = r.section("dictionary", mapping::read_dictionary);
        let (base_url, link) = (base_url?, link?);
        upstream::warn_if_clear(r, &base_url);
        Some(Self {
            base_url,
            base_path: base_path?.unwrap_or_default(),
            token: token?,
            secret: secret?,
            timezone: link.timezone,
            timezone_name: link.timezone_name,
            currencies: currencies?,
            page_size: link.page_size,
            request_timeout: link.request_timeout,
            max_response: link.max_response,
            proxy: link.proxy,
            ca_file: link.ca_file,
            user_agent: user_agent?.unwrap_or_else(|| DEFAULT_USER_AGENT.to_owned()),
            quota: link.quota,
            envelope: envelope?,
            semantics: semantics?,
            fields: fields?,
            dictionary: dictionary?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["cryptocrm"]);
        w.text("base_url", &self.base_url);
        w.text("base_path", &self.base_path);
        w.secret("token", Some(&self.token));
        w.secret("secret", Some(&self.secret));
        w.text("timezone", &self.timezone_name);
        w.numbered("currencies", &self.currencies);
        w.plain("page_size", self.page_size);
        w.duration("request_timeout", self.request_timeout);
        w.size("max_response", self.max_response);
        w.optional("proxy", self.proxy.as_deref());
        w.path("ca_file", self.ca_file.as_ref());
        w.text("user_agent", &self.user_agent);
        w.section(&["cryptocrm", "quota"]);
        self.quota.write(w);
        w.section(&["cryptocrm", "envelope"]);
        w.text("list", self.envelope.list.show());
        w.text("object", self.envelope.object.show());
        w.optional("total", self.envelope.total.as_deref());
        w.section(&["cryptocrm", "semantics"]);
        w.text("filter_date", word(&FILTER_DATES, &self.semantics.filter_date));
        w.text("dynamic_at", word(&DYNAMIC_ATS, &self.semantics.dynamic_at));
        w.optional("student_field", self.semantics.student_field.as_deref());
        mapping::write(&self.fields, &self.dictionary, w);
    }
}

const DEFAULT_USER_AGENT: &str = concat!("crm-gateway/", env!("CARGO_PKG_VERSION"));

impl Envelope {
    fn read(r: &Reader<'_>) -> Option<Self> {
        let list = r.get("list", &shape());
        let object = r.get("object", &shape());
        let total = r.optional("total", &Kind::text("a JSON pointer such as \"/total\"", pointer));
        Some(Self { list: list?, object: object?, total: total? })
    }
}

impl Shape {
    fn show(&self) -> &str {
        match self {
            Self::Auto => "auto",
            Self::Pointer(pointer) => pointer,
        }
    }
}

impl Semantics {
    fn read(r: &Reader<'_>) -> Option<Self> {
        let filter_date = r.get("filter_date", &kind::choice(&FILTER_DATES));
        let dynamic_at = r.get("dynamic_at", &kind::choice(&DYNAMIC_ATS));
        let student_field = r.optional("student_field", &kind::text("alfa_customer_id"));
        Some(Self { filter_date: filter_date?, dynamic_at: dynamic_at?, student_field: student_field? })
    }
}

fn shape() -> Kind<Shape> {
    Kind::text("\"auto\" or a JSON pointer such as \"/payload\"", |text| match text {
        "auto" => Ok(Shape::Auto),
        _ => pointer(text).map(Shape::Pointer),
    })
}

fn pointer(text: &str) -> Result<String, String> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err("a pointer starts with a slash".into()),
    }
}

fn user_agent() -> Kind<String> {
    Kind::text("a product and a version such as \"our-product/1.0\"", |text| {
        let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if visible { Ok(text.to_owned()) } else { Err("it may hold visible ASCII letters only".into()) }
    })
}
