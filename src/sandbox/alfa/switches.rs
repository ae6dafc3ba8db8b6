//! Everything about AlfaCRM that accounts, years or guesses disagree on, as switches. The defaults are the newest
//! behaviour anybody recorded. All can be changed while the simulator runs.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Login of the API user.
    pub email: String,
    /// The key from that user's profile, a UUID.
    pub api_key: String,
}

impl Credentials {
    /// The e-mail of the invented API user.
    pub const EMAIL: &'static str = "api@school.example";
    /// The key of the invented API user.
    pub const API_KEY: &'static str = "5c0f7e2a-9b1d-4c3e-8f60-2a7d41b9e305";
}

impl Default for Credentials {
    fn default() -> Self {
        Self { email: Self::EMAIL.to_owned(), api_key: Self::API_KEY.to_owned() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("email", &self.email).field("api_key", &"***").finish()
    }
}

/// What a page behind the last one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastEnd {
    /// Nothing.
    Empty,
    /// The last page again, with its number.
    RepeatLast,
}

/// What `teacher_ids` of customers and groups holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeacherIds {
    /// Ids, as today.
    Ids,
    /// Names, as in 2021.
    Names,
}

/// When lessons carry their attendance rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LessonDetails {
    /// Always on planned and conducted ones.
    Always,
    /// Only in lists filtered by `customer_id`.
    WithCustomer,
}

/// What happens to calls above the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limiter {
    /// A leaky bucket: one at once, `queue` more wait their turn, the rest get 429.
    Delayed,
    /// As many at once as the rate allows in a second, `queue` more wait, the rest get 429.
    Burst,
    /// As many at once as the rate allows in a second, the rest get 429; nobody waits.
    Immediate,
}

/// The body of a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body429 {
    /// The front proxy's page.
    Html,
    /// The application's error.
    Json,
}

/// How the timetable numbers Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegularDay {
    /// 1 is Monday, 7 is Sunday.
    MondayFirst,
    /// 0 is Sunday, 1 is Monday.
    SundayZero,
}

/// How webhooks arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookDelivery {
    /// Each once, in order, as `application/json`.
    Once,
    /// Each once, in order, under a form content type (the body is still JSON).
    FormContentType,
    /// Each twice.
    Duplicates,
    /// What happens close together arrives in reverse.
    Reorder,
    /// Every second one is lost.
    Drop,
}

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Russian.
    Ru,
    /// English.
    En,
}

/// The switches. `Default` is the default of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Switches {
    /// How long a token is good: 900 s by the old page, 3600 s by newer clients.
    pub token_ttl: Duration,
    /// Status for a missing, wrong or expired token: 401, before 2022 403.
    pub bad_token_status: u16,
    /// Status for a wrong e-mail or key: 403, perhaps 401.
    pub bad_login_status: u16,
    /// Status of a validation failure: 422, before 2023 200.
    pub validation_status: u16,
    /// Rows per page unless asked: 50, in 2021 20.
    pub default_page_size: usize,
    /// The most rows per page, whatever was asked.
    pub max_page_size: usize,
    /// What a page behind the end holds.
    pub past_end: PastEnd,
    /// Ids or names in `teacher_ids` of customers and groups.
    pub teacher_ids: TeacherIds,
    /// Whether `pay/index` obeys `date_from` and `date_to`; it is documented to and does not.
    pub pay_date_filter: bool,
    /// When lessons carry details.
    pub lesson_details: LessonDetails,
    /// What happens above the quota.
    pub limiter: Limiter,
    /// Calls per second.
    pub rate: f64,
    /// How many calls wait at most.
    pub queue: u32,
    /// Body of a 429.
    pub body_429: Body429,
    /// `Retry-After` of a 429 in seconds; absent by default.
    pub retry_after: Option<u64>,
    /// The value `X-APP-KEY` must have, on every call; not required by default, 403 otherwise.
    pub app_key: Option<String>,
    /// How the timetable numbers Sunday.
    pub regular_day: RegularDay,
    /// Whether webhooks have `fields_rel`.
    pub webhook_fields_rel: bool,
    /// How webhooks arrive.
    pub webhook_delivery: WebhookDelivery,
    /// The language of messages.
    pub message_language: Language,
    /// How long lists do not show a row that was just created through the API. Not at all by default: nobody recorded it
    /// of AlfaCRM, but search indexes behind such lists do lag.
    pub index_lag: Duration,
    /// Models the API user's role has no right to: 403.
    pub denied: BTreeSet<String>,
    /// The branches the API user may see; `None` is all. Others answer 403.
    pub branches: Option<Vec<u64>>,
    /// Who may log in.
    pub credentials: Credentials,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            token_ttl: Duration::from_secs(900),
            bad_token_status: 401,
            bad_login_status: 403,
            validation_status: 422,
            default_page_size: 50,
            max_page_size: 200,
            past_end: PastEnd::Empty,
            teacher_ids: TeacherIds::Ids,
            pay_date_filter: false,
            lesson_details: LessonDetails::Always,
            limiter: Limiter::Delayed,
            rate: 5.0,
            queue: 15,
            body_429: Body429::Html,
            retry_after: None,
            app_key: None,
            regular_day: RegularDay::MondayFirst,
            webhook_fields_rel: true,
            webhook_delivery: WebhookDelivery::Once,
            message_language: Language::Ru,
            index_lag: Duration::ZERO,
            denied: BTreeSet::new(),
            branches: None,
            credentials: Credentials::default(),
        }
    }
}
